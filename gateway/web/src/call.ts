import { apiKey, inPlainWords, listModels, Refusal } from "./api";
import { seconds } from "./emotions";
import type { Alert, FrameResult, Problem, Segment, StreamAnswer, StreamStarted, StreamWindow } from "./types";

/** Which devices are on, and who answers. */
export interface CallSetup {
  /** Hertz; null without a microphone. */
  sampleRate: number | null;
  camera: boolean;
  speechModel: string;
  faceModel: string;
}

/** What a call tells. Times are seconds since the call began. */
export interface CallListener {
  started(message: StreamStarted): void;
  /** @param latency From when the window's last sample was sent, in milliseconds; null where that is not known. */
  window(message: StreamWindow, latency: number | null): void;
  activity(segment: Segment): void;
  frame(message: FrameResult): void;
  alert(message: Alert): void;
  /** The server ended the call, for nothing came. */
  stalled(): void;
  lost(): void;
  /** The connection is there again, and nothing is missing. */
  resumed(): void;
  /** It was away for too long, or the server could not go on: over, and to be begun anew. */
  broken(): void;
  /** The server refused; to try again is no use. */
  refused(reason: string): void;
}

/** The 3 s of voice that a window is made of move on by so much. */
const hop = "0.5s";
const bytesPerSample = 2;

/** What a call holds of media that no checkpoint covers yet; the server takes no larger gap. */
const longestGap = 55;

const pauses = [250, 500, 1000, 2000];
const kinds = { audio: 1, frame: 2 };

interface Sent {
  /** When it ends, in seconds of the call. */
  time: number;
  /** Byte behind it; 0 for a frame. */
  position: number;
  message: Uint8Array<ArrayBuffer>;
}

/**
 * One call over a WebSocket (gateway/server/README.md). A connection that is lost is replaced: the server's newest checkpoint
 * and the media behind it, which are kept here for that, are sent again, and windows that come twice are dropped.
 */
export class Call {
  private readonly session = `web-${Math.random().toString(36).slice(2)}`;
  private readonly began = performance.now();
  private socket!: WebSocket;
  private configured = false; // by the socket that is open
  private everStarted = false;
  private over = false;
  private failures = 0;
  private lostAt = 0;
  private retry = 0;
  private media: Sent[] = [];
  private position = 0;
  private resume = "";
  private nextWindow = 0;
  private newestFrame = -1;
  private newestActivity = 0;
  private readonly newestAlert = new Map<string, number>();
  /** When which byte of the audio was sent, for the latency; a few seconds of it. */
  private sentAt: { position: number; at: number }[] = [];

  constructor(private readonly setup: CallSetup, private readonly listener: CallListener) {
    this.open();
  }

  /** Seconds since the call began: the audio's clock, where there is audio. */
  get time(): number {
    return this.setup.sampleRate ? this.position / bytesPerSample / this.setup.sampleRate : (performance.now() - this.began) / 1000;
  }

  private get ready(): boolean {
    // A socket that closes says so some time before its event does.
    return this.configured && this.socket.readyState === WebSocket.OPEN;
  }

  /** Whether media pile up in the browser; a frame less is no loss then. */
  get busy(): boolean {
    return !this.ready || this.socket.bufferedAmount > 256 * 1024;
  }

  sendAudio(samples: ArrayBuffer) {
    const start = this.position;
    this.position += samples.byteLength;
    this.send(kinds.audio, BigInt(start), new Uint8Array(samples), this.position, this.time);
    this.sentAt.push({ position: this.position, at: performance.now() });
    if (this.sentAt.length > 400)
      this.sentAt.splice(0, 200);
  }

  sendFrame(time: number, jpeg: ArrayBuffer) {
    this.send(kinds.frame, BigInt(Math.round(time * 1e6)), new Uint8Array(jpeg), 0, time);
  }

  /** Nothing more comes, and nothing more is told; those who watch the call get its summary. */
  end() {
    if (!this.ready)
      return this.giveUp();
    this.over = true;
    this.configured = false;
    this.socket.send('{"end":true}');
    this.socket.onmessage = this.socket.onclose = null;
  }

  private giveUp() {
    this.over = true;
    this.configured = false;
    clearTimeout(this.retry);
    this.socket.onmessage = this.socket.onclose = null;
    // To close one that is not open yet is an error in the browser's eyes.
    if (this.socket.readyState === WebSocket.CONNECTING)
      this.socket.onopen = () => this.socket.close();
    else
      this.socket.close();
  }

  private send(kind: number, number: bigint, bytes: Uint8Array, position: number, time: number) {
    if (this.over)
      return;
    const message = new Uint8Array(9 + bytes.length);
    message[0] = kind;
    new DataView(message.buffer).setBigInt64(1, number, true);
    message.set(bytes, 9);
    this.media.push({ time, position, message });
    if (this.ready)
      this.socket.send(message);
    else if (this.failures > 0 && time - this.lostAt > longestGap)
      this.fail(() => this.listener.broken());
  }

  private open() {
    const protocols = apiKey() ? ["affect.v1", `affect.key.${apiKey()}`] : ["affect.v1"];
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream`, protocols);
    this.socket.binaryType = "arraybuffer";
    let problem: Problem | null = null;
    let opened = false;
    this.socket.onopen = () => {
      opened = true;
      this.socket.send(JSON.stringify({
        session_id: this.session,
        // The person before the page is its customer: nobody's emotion is told at work (EU AI Act, Art. 5(1)(f)).
        ...(this.setup.sampleRate && {
          audio: { encoding: "AUDIO_ENCODING_L16", sample_rate: this.setup.sampleRate, channels: [{ role: "SPEAKER_ROLE_CUSTOMER" }] },
        }),
        ...(this.setup.camera && { video: { role: "SPEAKER_ROLE_CUSTOMER" } }),
        hop,
        speech_model: this.setup.speechModel,
        face_model: this.setup.faceModel,
        ...(this.resume && { resume: this.resume }),
      }));
      this.configured = true;
      for (const { message } of this.media)
        this.socket.send(message);
    };
    this.socket.onmessage = ({ data }: MessageEvent<string>) => {
      const message = JSON.parse(data) as StreamAnswer | Problem;
      if ("status" in message)
        problem = message;
      else
        this.receive(message);
    };
    this.socket.onclose = ({ code }) => void this.closed(code, problem, opened);
  }

  private async closed(code: number, problem: Problem | null, opened: boolean) {
    this.configured = false;
    if (this.over)
      return;
    // Browsers do not say why a handshake failed; a request that may be asked does.
    if (!opened)
      problem = await listModels().then(() => null, (error: unknown) => (error instanceof Refusal ? error.problem : null));
    if (this.over)
      return;
    if (problem?.errors && "config.resume" in problem.errors)
      return this.fail(() => this.listener.broken());
    if (problem && (code === 1008 || problem.status === 401))
      return this.fail(() => this.listener.refused(inPlainWords(problem)));
    if (this.failures === 0) {
      this.lostAt = this.time;
      this.listener.lost();
    }
    this.retry = window.setTimeout(() => this.open(), pauses[Math.min(this.failures++, pauses.length - 1)]);
  }

  private fail(tell: () => void) {
    this.giveUp();
    tell();
  }

  private receive(message: StreamAnswer) {
    if (message.started)
      this.start(message.started);
    else if (message.window)
      this.takeWindow(message.window);
    else if (message.activity)
      this.takeActivity(message.activity.segment);
    else if (message.frame)
      this.takeFrame(message.frame);
    else if (message.alert)
      this.takeAlert(message.alert);
    else if (message.checkpoint) {
      this.resume = message.checkpoint.state;
      const position = parseInt(message.checkpoint.audio_position);
      const videoTime = seconds(message.checkpoint.video_time);
      this.media = this.media.filter(sent => (sent.position > 0 ? sent.position > position : sent.time >= videoTime));
    } else if (message.summary) {
      this.fail(() => this.listener.stalled());
    }
  }

  private start(message: StreamStarted) {
    if (this.everStarted && this.failures > 0)
      this.listener.resumed();
    else
      this.listener.started(message);
    this.everStarted = true;
    this.failures = 0;
    this.lostAt = 0;
  }

  private takeWindow(message: StreamWindow) {
    const index = parseInt(message.index);
    if (index < this.nextWindow)
      return;
    this.nextWindow = index + 1;
    this.listener.window(message, this.latency(seconds(message.end)));
  }

  private takeFrame(message: FrameResult) {
    const time = seconds(message.time);
    // Of those that come again, and of those that overtake, the newest is on the screen already.
    if (time <= this.newestFrame)
      return;
    this.newestFrame = time;
    this.listener.frame(message);
  }

  private takeActivity(segment: Segment) {
    if (seconds(segment.start) < this.newestActivity)
      return;
    this.newestActivity = seconds(segment.end);
    this.listener.activity(segment);
  }

  private takeAlert(alert: Alert) {
    if (seconds(alert.time) <= (this.newestAlert.get(alert.rule) ?? -1))
      return;
    this.newestAlert.set(alert.rule, seconds(alert.time));
    this.listener.alert(alert);
  }

  private latency(end: number): number | null {
    if (!this.setup.sampleRate)
      return performance.now() - this.began - end * 1000;
    const position = Math.floor(end * this.setup.sampleRate) * bytesPerSample;
    const sent = this.sentAt.find(entry => entry.position >= position);
    return sent ? performance.now() - sent.at : null;
  }
}
