import { apiKey, describe, listModels, ServerError } from "./api";
import { seconds } from "./emotions";
import type { Alert, FrameResult, Problem, Segment, StreamAnswer, StreamStarted, StreamWindow } from "./types";

/** Devices and models of a call. */
export interface CallSetup {
  /** Hertz; null without a microphone. */
  sampleRate: number | null;
  camera: boolean;
  speechModel: string;
  faceModel: string;
}

/** Receives the results of a call. Times are seconds since the start of the call. */
export interface CallListener {
  started(message: StreamStarted): void;
  /** @param latency Milliseconds since the window's last sample was sent; null if unknown. */
  window(message: StreamWindow, latency: number | null): void;
  activity(segment: Segment): void;
  frame(message: FrameResult): void;
  alert(message: Alert): void;
  /** The server ended the call because it received nothing. */
  stalled(): void;
  lost(): void;
  /** The connection is back and no media are lost. */
  resumed(): void;
  /** The call cannot be resumed; start a new one. */
  broken(): void;
  /** The server rejected the call; a retry would not help. */
  rejected(reason: string): void;
}

/** From the start of one window to the start of the next. */
const hop = "0.5s";
const bytesPerSample = 2;

/** Seconds of media buffered since the last checkpoint; the server rejects a larger gap. */
const maxGap = 55;

const backoff = [250, 500, 1000, 2000];
const kinds = { audio: 1, frame: 2 };

interface Sent {
  /** End of the media, in seconds since the start of the call. */
  time: number;
  /** Position of the byte after it; 0 for a frame. */
  position: number;
  message: Uint8Array<ArrayBuffer>;
}

/**
 * One call over a WebSocket (gateway/server/README.md). A lost connection is replaced: the server's latest checkpoint and the
 * media since then, which are buffered, are sent again, and repeated windows are dropped.
 */
export class Call {
  private readonly session = `web-${Math.random().toString(36).slice(2)}`;
  private readonly began = performance.now();
  private socket!: WebSocket;
  private configured = false; // the open socket has sent its configuration
  private everStarted = false;
  private over = false;
  private failures = 0;
  private lostAt = 0;
  private retry = 0;
  private media: Sent[] = [];
  private position = 0;
  private resume = "";
  private nextWindow = 0;
  private latestFrame = -1;
  private latestActivity = 0;
  private readonly latestAlert = new Map<string, number>();
  /** Times of sending the last few seconds of audio, for the latency. */
  private sentAt: { position: number; at: number }[] = [];

  constructor(private readonly setup: CallSetup, private readonly listener: CallListener) {
    this.open();
  }

  /** Seconds since the start of the call, on the clock of the audio if the call has audio. */
  get time(): number {
    return this.setup.sampleRate ? this.position / bytesPerSample / this.setup.sampleRate : (performance.now() - this.began) / 1000;
  }

  private get ready(): boolean {
    // readyState changes before the close event.
    return this.configured && this.socket.readyState === WebSocket.OPEN;
  }

  /** True while media queue up in the browser, so that frames should be skipped. */
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

  /** Half-closes the call without waiting for its summary; dashboards receive it. */
  end() {
    if (!this.ready)
      return this.abort();
    this.over = true;
    this.configured = false;
    this.socket.send('{"end":true}');
    this.socket.onmessage = this.socket.onclose = null;
  }

  private abort() {
    this.over = true;
    this.configured = false;
    clearTimeout(this.retry);
    this.socket.onmessage = this.socket.onclose = null;
    // Browsers report an error if a connecting socket is closed.
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
    else if (this.failures > 0 && time - this.lostAt > maxGap)
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
        // The visitor is a customer: emotion inference at the workplace is prohibited (EU AI Act, Art. 5(1)(f)).
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
    // Browsers hide why a handshake failed; an ordinary request tells.
    if (!opened)
      problem = await listModels().then(() => null, (error: unknown) => (error instanceof ServerError ? error.problem : null));
    if (this.over)
      return;
    if (problem?.errors && "config.resume" in problem.errors)
      return this.fail(() => this.listener.broken());
    if (problem && (code === 1008 || problem.status === 401))
      return this.fail(() => this.listener.rejected(describe(problem)));
    if (this.failures === 0) {
      this.lostAt = this.time;
      this.listener.lost();
    }
    this.retry = window.setTimeout(() => this.open(), backoff[Math.min(this.failures++, backoff.length - 1)]);
  }

  private fail(report: () => void) {
    this.abort();
    report();
  }

  private receive(message: StreamAnswer) {
    if (message.started)
      this.start(message.started);
    else if (message.window)
      this.receiveWindow(message.window);
    else if (message.activity)
      this.receiveActivity(message.activity.segment);
    else if (message.frame)
      this.receiveFrame(message.frame);
    else if (message.alert)
      this.receiveAlert(message.alert);
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

  private receiveWindow(message: StreamWindow) {
    const index = parseInt(message.index);
    if (index < this.nextWindow)
      return;
    this.nextWindow = index + 1;
    this.listener.window(message, this.latency(seconds(message.end)));
  }

  private receiveFrame(message: FrameResult) {
    const time = seconds(message.time);
    // Skips frames that are repeated or out of order.
    if (time <= this.latestFrame)
      return;
    this.latestFrame = time;
    this.listener.frame(message);
  }

  private receiveActivity(segment: Segment) {
    if (seconds(segment.start) < this.latestActivity)
      return;
    this.latestActivity = seconds(segment.end);
    this.listener.activity(segment);
  }

  private receiveAlert(alert: Alert) {
    if (seconds(alert.time) <= (this.latestAlert.get(alert.rule) ?? -1))
      return;
    this.latestAlert.set(alert.rule, seconds(alert.time));
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
