import { useEffect, useMemo, useReducer, useRef } from "preact/hooks";
import { headline, modalities, useApp } from "../app";
import { Call } from "../call";
import { openCamera, openMicrophone, describeDeviceError, type Device, type Microphone } from "../devices";
import { clock, parseEmotion, describeJudgement, percent, seconds } from "../emotions";
import { FaceBoxes } from "../parts/FaceBoxes";
import { Glyph } from "../parts/Glyph";
import { Ribbon, type Slice, type Span } from "../parts/Ribbon";
import { ScoreTable } from "../parts/ScoreTable";
import type { Alert, FrameResult, Model, StreamWindow } from "../types";

/** Seconds shown by the timeline; older results are dropped. */
const shown = 120;

type Power = "off" | "opening" | "on";

interface State {
  microphone: Power;
  camera: Power;
  connection: "off" | "connecting" | "on" | "lost";
  /** The latest status message. */
  message: string;
  window: StreamWindow | null;
  latency: number | null;
  frame: FrameResult | null;
  slices: Slice[];
  voice: Span[];
  alerts: Alert[];
  notice: string;
}

const initial: State = {
  microphone: "off", camera: "off", connection: "off", message: "", window: null, latency: null, frame: null,
  slices: [], voice: [], alerts: [], notice: "",
};

/** The devices, their call, and its results. */
function useLive(choice: { speech: string; face: string }) {
  const [state, change] = useReducer((old: State, patch: (old: State) => Partial<State>) => ({ ...old, ...patch(old) }), initial);
  const set = (patch: Partial<State>) => change(() => patch);
  const video = useRef<HTMLVideoElement>(null);
  const meter = useRef<HTMLDivElement>(null);
  const microphone = useRef<Microphone | null>(null);
  const camera = useRef<Device | null>(null);
  const call = useRef<Call | null>(null);
  const began = useRef(0);

  /** Starts a call with the devices that are on. A change of devices starts a new call on the same timeline. */
  function startCall(message: string) {
    call.current?.end();
    call.current = null;
    if (!microphone.current && !camera.current) {
      set({ connection: "off", message, window: null, latency: null, frame: null });
      return;
    }
    began.current ||= performance.now();
    const base = (performance.now() - began.current) / 1000;
    set({ connection: "connecting", message, frame: null });
    call.current = new Call(
      { sampleRate: microphone.current?.sampleRate ?? null, camera: camera.current !== null, speechModel: choice.speech, faceModel: choice.face },
      {
        started: ({ notice }) => set({ connection: "on", notice }),
        window: (window, latency) => change(old => {
          const end = base + seconds(window.end);
          const previous = old.slices.at(-1)?.end ?? 0;
          const slice = { start: Math.max(previous, base + seconds(window.start)), end, scores: window.fused.judgement.scores ? window.smoothed.scores! : null };
          return { window, latency, slices: [...old.slices.filter(kept => kept.end > end - shown), slice] };
        }),
        activity: ({ start, end }) => change(old => ({
          voice: [...old.voice, { start: base + seconds(start), end: base + seconds(end) }].filter(kept => kept.end > base + seconds(end) - shown),
        })),
        frame: frame => set({ frame }),
        alert: alert => change(old => ({ alerts: [...old.alerts, alert].slice(-5) })),
        stalled: () => startCall("The devices sent nothing for a minute and the server ended the call. A new call has started."),
        lost: () => set({ connection: "lost", message: "The connection to the server is lost. Reconnecting; this tab buffers your audio.", frame: null }),
        resumed: () => set({ connection: "on", message: "Reconnected; the call is resumed. Nothing is missing." }),
        broken: () => startCall("The connection was lost for too long to resume the call. A new call has started on the same timeline."),
        rejected: reason => {
          stop();
          set({ connection: "off", message: `The server rejected the call: ${reason}` });
        },
      });
  }

  function stop() {
    microphone.current?.stop();
    camera.current?.stop();
    microphone.current = camera.current = null;
    call.current?.end();
    call.current = null;
    set({ microphone: "off", camera: "off", connection: "off", window: null, latency: null, frame: null });
  }

  async function toggleMicrophone() {
    if (microphone.current)
      return closeMicrophone("The microphone is off.");
    set({ microphone: "opening", message: "" });
    try {
      microphone.current = await openMicrophone(samples => {
        call.current?.sendAudio(samples);
        showLevel(meter.current, samples);
      }, () => closeMicrophone("The microphone was disconnected. Connect it, then press its button again."));
    } catch (error) {
      return set({ microphone: "off", message: describeDeviceError(error, "microphone") });
    }
    set({ microphone: "on" });
    startCall("");
  }

  function closeMicrophone(message: string) {
    microphone.current?.stop();
    microphone.current = null;
    showLevel(meter.current, null);
    set({ microphone: "off" });
    startCall(message);
  }

  async function toggleCamera() {
    if (camera.current)
      return closeCamera("The camera is off.");
    set({ camera: "opening", message: "" });
    try {
      camera.current = await openCamera(
        video.current!,
        () => (call.current && !call.current.busy ? call.current.time : null),
        (time, jpeg) => call.current?.sendFrame(time, jpeg),
        () => closeCamera("The camera was disconnected. Connect it, then press its button again."));
    } catch (error) {
      return set({ camera: "off", message: describeDeviceError(error, "camera") });
    }
    set({ camera: "on" });
    startCall("");
  }

  function closeCamera(message: string) {
    camera.current?.stop();
    camera.current = null;
    set({ camera: "off" });
    startCall(message);
  }

  useEffect(() => stop, []);
  useEffect(() => {
    if (call.current)
      startCall("The model has changed.");
  }, [choice.speech, choice.face]);

  return { state, video, meter, toggleMicrophone, toggleCamera };
}

const minDecibels = -60;

/** Shows the level of the last 50 ms. Bypasses the framework, because it changes 20 times per second. */
function showLevel(meter: HTMLElement | null, samples: ArrayBuffer | null) {
  if (!meter)
    return;
  let decibels = minDecibels;
  if (samples) {
    const values = new Int16Array(samples);
    const power = values.reduce((sum, value) => sum + value * value, 0) / values.length / 0x7fff ** 2;
    decibels = Math.max(minDecibels, 10 * Math.log10(power + 1e-10));
  }
  meter.setAttribute("aria-valuenow", decibels.toFixed(0));
  (meter.firstElementChild as HTMLElement).style.transform = `scaleX(${1 - decibels / minDecibels})`;
}

export function Live() {
  const { models, choice } = useApp();
  const { state, video, meter, toggleMicrophone, toggleCamera } = useLive(choice);
  const { window, frame } = state;
  const running = state.connection !== "off";
  const end = state.slices.at(-1)?.end ?? 0;
  const hasSpeech = window?.voice && window.voice.judgement.outcome !== "OUTCOME_NO_SPEECH";
  return (
    <>
      <div class="hero">
        <h1 tabIndex={-1}>How does it sound, how does it look?</h1>
        <p>
          Talk, or look into the camera. Affect recognizes seven emotions in your voice and your face and fuses them into one result,
          twice per second. What they <em>show</em> is not what you <em>feel</em>.
        </p>
      </div>

      <div class="live">
        <section class="panel stage-panel" aria-label="Your microphone and camera">
          <div class={`stage ${state.camera}`}>
            <video ref={video} muted playsInline aria-label="Picture of your camera" />
            {frame && <FaceBoxes image={frame.image} mirrored />}
            {state.camera === "off" && <p class="placeholder">The camera is off</p>}
            {state.camera === "on" && frame?.image.faces.length === 0 && <p class="hint">No face in view</p>}
          </div>
          <div class="controls">
            <button type="button" class="switch" aria-pressed={state.microphone === "on"} disabled={state.microphone === "opening"} onClick={toggleMicrophone}>
              <Icon path="M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v4" />
              {state.microphone === "on" ? "Stop microphone" : "Use microphone"}
            </button>
            <button type="button" class="switch" aria-pressed={state.camera === "on"} disabled={state.camera === "opening"} onClick={toggleCamera}>
              <Icon path="M4 7h10a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2zM16 11l6-3v8l-6-3" />
              {state.camera === "on" ? "Stop camera" : "Use camera"}
            </button>
          </div>
          <div class="levels">
            <span class="label">Level</span>
            <div ref={meter} class="level" role="meter" aria-label="Level of the microphone in dBFS" aria-valuemin={minDecibels} aria-valuemax={0} aria-valuenow={minDecibels}>
              <div />
            </div>
            <span class={`pill ${hasSpeech ? "good" : ""}`} data-voice={hasSpeech ? "yes" : "no"}>{hasSpeech ? "Speech" : "No speech"}</span>
          </div>
          <ModelChoice />
        </section>

        <section class="panel" aria-label="Current result">
          <Now window={window} running={running} />
          <ScoreTable label="Scores of the latest window" columns={[
            { title: "Voice", judgement: window?.voice?.judgement, idle: state.microphone === "on" ? "Listening" : "Microphone off" },
            { title: "Face", judgement: window?.face?.judgement, idle: state.camera === "on" ? "Looking" : "Camera off" },
            { title: "Together", judgement: window?.fused.judgement, idle: running ? "The first 3 s" : "–" },
          ]} />
          <p class="meta">
            <span class={`pill ${state.connection === "on" ? "good" : state.connection === "lost" ? "bad" : ""}`} data-connection={state.connection}>
              {{ off: "Not connected", connecting: "Connecting", on: "Connected", lost: "Connection lost" }[state.connection]}
            </span>
            {state.latency !== null && <span class="latency">latency <b>{Math.round(state.latency)} ms</b> after the end of the window</span>}
          </p>
        </section>
      </div>

      <p class="message" role="status">{state.message}</p>

      <section class="panel" aria-label="Timeline">
        <h2>The last two minutes</h2>
        <Ribbon slices={state.slices} voice={state.voice} from={end - shown} to={end} label="Emotions of the last two minutes" />
        <p class="axis"><span>2 min ago</span><span>1 min ago</span><span>now</span></p>
        <p class="meta">Voice and face fused, smoothed over time. Gaps: no speech, no face or no connection. The line below marks speech.</p>
        {state.alerts.length > 0 && (
          <ul class="alerts">
            {state.alerts.map(alert => <li key={alert.rule + alert.time + alert.state}>{describeAlert(alert)}</li>)}
          </ul>
        )}
        {state.notice && <p class="meta">{state.notice}</p>}
      </section>

      {models && <Trust models={models} choice={choice} />}
    </>
  );
}

export const describeAlert = ({ rule, state, time, emotion }: Alert) =>
  `${clock(seconds(time))} ${parseEmotion(emotion) ?? ""}: alert “${rule}” ${state === "ALERT_STATE_RAISED" ? "raised" : "cleared"}`;

function Now({ window, running }: { window: StreamWindow | null; running: boolean }) {
  const emotion = window?.fused.judgement.scores ? parseEmotion(window.smoothed.emotion) : null;
  return (
    <div class="now">
      {emotion ? <Glyph emotion={emotion} size={56} /> : <span class="no-emotion" aria-hidden="true">…</span>}
      <div>
        <strong data-now={emotion ?? ""}>
          {!window ? (running ? "Listening and looking" : "Turn on a device to start")
            : emotion ?? (window.fused.judgement.scores ? "Uncertain" : describeJudgement(window.fused.judgement))}
        </strong>
        <span>{emotion ? `${percent(window!.smoothed.confidence)}, smoothed over the last seconds` : "Silence and pictures without a face get no emotion."}</span>
      </div>
    </div>
  );
}

function Icon({ path }: { path: string }) {
  return <svg width="20" height="20" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d={path} /></svg>;
}

function ModelChoice() {
  const { models, choice, choose } = useApp();
  return (
    <div class="choice">
      {(["speech", "face"] as const).map(modality => (
        <label key={modality}>
          {modality === "speech" ? "Voice model" : "Face model"}
          <select value={choice[modality]} onChange={event => choose({ ...choice, [modality]: event.currentTarget.value })}>
            {[...(models ?? [])].filter(model => model.modality === modalities[modality])
              .sort((a, b) => Number(b.is_default) - Number(a.is_default))
              .map(model => <option key={model.reference.name} value={model.is_default ? "" : model.reference.name}>{model.reference.name}</option>)}
          </select>
        </label>
      ))}
    </div>
  );
}

/** Accuracy of the selected models on labeled data. */
function Trust({ models, choice }: { models: Model[]; choice: { speech: string; face: string } }) {
  const chosen = useMemo(() => {
    const find = (modality: string, name: string) =>
      models.find(model => model.modality === modality && (name ? model.reference.name === name : model.is_default));
    return { speech: find(modalities.speech, choice.speech), face: find(modalities.face, choice.face) };
  }, [models, choice]);
  const voice = chosen.speech && headline(chosen.speech);
  const face = chosen.face && headline(chosen.face);
  const facts = [
    voice?.test && { share: voice.test.accuracy, text: `on ${voice.test.samples} test recordings of actors whose other recordings were in training` },
    voice?.unseen && { share: voice.unseen.accuracy, text: `on ${voice.unseen.samples} recordings of unseen actors, the figure to expect for your voice` },
    face?.test && { share: face.test.accuracy, text: `on ${face.test.samples} test pictures of faces; humans agree with their labels on about two thirds` },
  ].filter(fact => fact !== undefined);
  return (
    <section class="panel" aria-label="How far to trust it">
      <h2>How far to trust it</h2>
      <ul class="facts">
        {facts.map(({ share, text }) => <li key={text}><strong>{percent(share)}</strong> correct {text}.</li>)}
      </ul>
      <p class="meta">
        Chance is 14 %. Scores are calibrated: of all results with a score of 80 %, about four in five are correct, on data like the
        test data. If the best score is too low, the result is Uncertain. <a href="/models">All models and metrics</a>
      </p>
    </section>
  );
}
