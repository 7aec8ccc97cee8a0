import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { analyze, ServerError } from "../api";
import { useApp } from "../app";
import { createClip, createForm, maxClipBytes, maxPictures, sizeOf, type Clip } from "../clip";
import { clock, parseEmotion, emotions, describeJudgement, percent, seconds } from "../emotions";
import { FaceBoxes } from "../parts/FaceBoxes";
import { Glyph } from "../parts/Glyph";
import { columns, toCsv, createRows, type Row } from "../parts/numbers";
import { Ribbon, type Slice } from "../parts/Ribbon";
import { ScoreTable } from "../parts/ScoreTable";
import { Waveform } from "../parts/Waveform";
import type { Analysis, SpeechWindow } from "../types";

/** Synthetic clips, made by samples/make. */
const samples = [
  { file: "calm.mp3", text: "A calm voice" },
  { file: "turn.mp3", text: "A voice that becomes frightened" },
  { file: "face.jpg", text: "A drawn face" },
];

type Stage =
  | { name: "empty"; message: string }
  | { name: "reading" }
  | { name: "sending"; share: number }
  | { name: "done"; clip: Clip; analysis: Analysis };

export function Analyze() {
  const { choice, fail } = useApp();
  const [stage, setStage] = useState<Stage>({ name: "empty", message: "" });
  const [dragged, setDragged] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const abort = useRef(new AbortController());

  useEffect(() => () => abort.current.abort(), []);

  async function analyzeFiles(files: File[]) {
    if (files.length === 0)
      return;
    abort.current.abort();
    const { signal } = (abort.current = new AbortController());
    try {
      setStage({ name: "reading" });
      const clip = await createClip(files);
      if (sizeOf(clip) > maxClipBytes)
        throw new Error(`These files are larger than ${maxClipBytes >> 20} MB, the limit of a request.`);
      if (signal.aborted)
        return;
      setStage({ name: "sending", share: 0 });
      const analysis = await analyze(createForm(clip, choice), share => setStage({ name: "sending", share }), signal);
      setStage({ name: "done", clip, analysis });
    } catch (error) {
      if (signal.aborted)
        return;
      if (error instanceof ServerError && error.needsKey)
        fail(error);
      setStage({ name: "empty", message: error instanceof Error ? error.message : String(error) });
    }
  }

  async function trySample(file: string) {
    const response = await fetch(`/samples/${file}`);
    const blob = await response.blob();
    await analyzeFiles([new File([blob], file, { type: blob.type })]);
  }

  return (
    <>
      <h1 tabIndex={-1}>Analyze a recording, pictures or a video</h1>
      <div class={`drop ${dragged ? "over" : ""}`}
        onDragOver={event => {
          event.preventDefault();
          setDragged(true);
        }}
        onDragLeave={() => setDragged(false)}
        onDrop={event => {
          event.preventDefault();
          setDragged(false);
          void analyzeFiles([...event.dataTransfer!.files]);
        }}>
        <p>Drop files here, or</p>
        <button type="button" class="primary" onClick={() => input.current!.click()}>Choose files</button>
        <input ref={input} class="hidden" type="file" multiple accept="audio/*,image/*,video/*" aria-label="Files to analyze" tabIndex={-1}
          onChange={event => {
            void analyzeFiles([...event.currentTarget.files!]);
            event.currentTarget.value = "";
          }} />
        <p class="meta">
          One recording (WAV, FLAC, MP3, AAC, AMR, Ogg, WebM, MP4, WMA …; up to 10 minutes) and up to {maxPictures} pictures (JPEG, PNG, WebP, BMP),
          or a video; at most {maxClipBytes >> 20} MB. From a video, its audio and up to {maxPictures} pictures are sent.
        </p>
        <p class="samples">
          Or try a synthetic sample:
          {samples.map(({ file, text }) => <button type="button" key={file} onClick={() => trySample(file).catch(fail)}>{text}</button>)}
        </p>
      </div>
      <div role="status">
        {stage.name === "empty" && stage.message && <p class="message bad">{stage.message}</p>}
        {stage.name === "reading" && <p class="message">Reading files …</p>}
        {stage.name === "sending" && (
          <p class="message progress">
            <label>{stage.share < 1 ? "Sending" : "Analyzing"} <progress value={stage.share < 1 ? stage.share : undefined} max={1} /></label>
            <button type="button" onClick={() => {
              abort.current.abort();
              setStage({ name: "empty", message: "" });
            }}>Cancel</button>
          </p>
        )}
      </div>
      {stage.name === "done" && <Result clip={stage.clip} analysis={stage.analysis} />}
    </>
  );
}

/** Windows overlap: each is drawn up to the midpoint to its neighbors. */
export function slicesOf(windows: SpeechWindow[], duration: number): Slice[] {
  const centers = windows.map(({ start, end }) => (seconds(start) + seconds(end)) / 2);
  return windows.map(({ judgement }, index) => ({
    start: index === 0 ? 0 : (centers[index - 1]! + centers[index]!) / 2,
    end: index === windows.length - 1 ? duration : (centers[index]! + centers[index + 1]!) / 2,
    scores: judgement.scores ?? null,
  }));
}

function Result({ clip, analysis }: { clip: Clip; analysis: Analysis }) {
  const { fused: { judgement }, speech, face, notice } = analysis;
  const emotion = parseEmotion(judgement.emotion);
  const rows = useMemo(() => createRows(analysis), [analysis]);
  const name = (clip.media?.name ?? clip.pictures[0]?.name ?? "clip").replace(/\.\w+$/, "");
  return (
    <div class="result">
      <section class="panel" aria-label="Result">
        <div class="now">
          {emotion && <Glyph emotion={emotion} size={56} />}
          <div>
            <strong data-answer={emotion ?? ""}>{describeJudgement(judgement)}</strong>
            {judgement.scores && <span>{percent(judgement.confidence)}{speech?.judgement.scores && face?.judgement.scores && ", voice and faces fused"}</span>}
          </div>
        </div>
        {clip.remarks.map(remark => <p key={remark} class="message">{remark}</p>)}
        <ScoreTable label="Scores of the whole clip" columns={[
          ...(speech && speech.channels.length > 1
            ? speech.channels.map((channel, index) => ({ title: `Channel ${index + 1}`, judgement: channel.judgement, idle: "" }))
            : []),
          ...(speech ? [{ title: "Voice", judgement: speech.judgement, idle: "" }] : []),
          ...(face ? [{ title: "Faces", judgement: face.judgement, idle: "" }] : []),
          { title: "Together", judgement, idle: "" },
        ]} />
        <p class="meta">{[speech?.model, face?.model].filter(model => model).map(model => `${model!.name} ${model!.version}`).join(", ")}. {notice}</p>
      </section>
      {clip.media && speech && Array.from({ length: Math.max(1, speech.channels.length) }, (_, channel) => (
        <Recording key={channel} clip={clip} channel={speech.channels.length > 1 ? channel : null} duration={seconds(speech.duration)}
          windows={speech.windows.filter(window => window.channel === channel)}
          voice={speech.segments.filter(segment => segment.channel === channel).map(({ start, end }) => ({ start: seconds(start), end: seconds(end) }))} />
      ))}
      {clip.media && !speech && <section class="panel" aria-label="Player"><Player media={clip.media} video={clip.video} /></section>}
      {face && (
        <section class="panel" aria-label="Faces">
          <h2>{clip.video ? "Pictures of the video" : "Pictures"}</h2>
          <ul class="pictures">
            {face.images.map((image, index) => <li key={index}><PictureWithFaces picture={clip.pictures[index]!} image={image} /></li>)}
          </ul>
        </section>
      )}
      <section class="panel" aria-label="All numbers">
        <h2>All numbers</h2>
        <p class="downloads">
          <Download name={`${name}.json`} type="application/json" text={JSON.stringify(analysis, null, 2)} />
          <Download name={`${name}.csv`} type="text/csv" text={toCsv(rows)} />
        </p>
        <Numbers rows={rows} />
      </section>
    </div>
  );
}

/** A URL for a blob, revoked when the component unmounts. */
function useBlobUrl(blob: Blob): string {
  const url = useMemo(() => URL.createObjectURL(blob), [blob]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return url;
}

function Player({ media, video, player, moved }: {
  media: File; video: boolean; player?: { current: HTMLMediaElement | null }; moved?: (time: number) => void;
}) {
  const properties = {
    src: useBlobUrl(media),
    controls: true,
    ref: (element: HTMLMediaElement | null) => {
      if (player)
        player.current = element;
    },
    onTimeUpdate: (event: { currentTarget: HTMLMediaElement }) => moved?.(event.currentTarget.currentTime),
    "aria-label": media.name,
  };
  return video ? <video class="player" playsInline {...properties} /> : <audio class="player" {...properties} />;
}

/** The recording, or one of its channels. */
function Recording({ clip, channel, duration, windows, voice }: {
  clip: Clip; channel: number | null; duration: number; windows: SpeechWindow[]; voice: { start: number; end: number }[];
}) {
  const player = useRef<HTMLMediaElement | null>(null);
  const [position, setPosition] = useState(0);
  const slices = useMemo(() => slicesOf(windows, duration), [windows, duration]);
  const seek = (time: number) => {
    player.current!.currentTime = time;
    setPosition(time);
  };
  const current = slices.findIndex(slice => position >= slice.start && position < slice.end);
  return (
    <section class="panel" aria-label={channel === null ? "Recording" : `Recording, channel ${channel + 1}`}>
      <h2>{clip.media!.name}{channel !== null && `, channel ${channel + 1}`}</h2>
      <Player media={clip.media!} video={clip.video} player={player} moved={setPosition} />
      {clip.sound
        ? <Waveform sound={clip.sound} channel={channel} slices={slices} position={position} seek={seek} />
        : <p class="meta">This browser cannot decode the recording; the waveform is not available.</p>}
      <Ribbon slices={slices} voice={voice} from={0} to={duration} label="Emotions over the recording" />
      <div class="timeline" role="toolbar" aria-label="Windows: arrow keys move, Enter plays" onKeyDown={event => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        const next = step && (event.target as Element)[step > 0 ? "nextElementSibling" : "previousElementSibling"];
        if (next)
          (next as HTMLElement).focus();
      }}>
        {slices.map((slice, index) => {
          const { start, end, judgement } = windows[index]!;
          const emotion = parseEmotion(judgement.emotion);
          return (
            <button type="button" key={index} class={emotion ?? "unnamed"} tabIndex={index === Math.max(0, current) ? 0 : -1}
              aria-current={index === current ? "true" : undefined} style={{ flexGrow: slice.end - slice.start }}
              aria-label={`${clock(seconds(start), 1)} to ${clock(seconds(end), 1)}: ${describeJudgement(judgement)}${emotion ? ` ${percent(judgement.confidence)}` : ""}`}
              title={`${clock(seconds(start), 1)} to ${clock(seconds(end), 1)}: ${describeJudgement(judgement)}`}
              onClick={() => {
                seek(slice.start);
                void player.current!.play();
              }} />
          );
        })}
      </div>
      <p class="axis"><span>0:00</span><span>{clock(duration, 1)}</span></p>
    </section>
  );
}

function PictureWithFaces({ picture, image }: { picture: Clip["pictures"][number]; image: NonNullable<Analysis["face"]>["images"][number] }) {
  const count = image.faces.length;
  const text = count === 0 ? describeJudgement({ outcome: image.outcome, emotion: "" }) : count === 1 ? "1 face" : `${count} faces`;
  return (
    <figure>
      <div class="picture">
        <img src={useBlobUrl(picture.blob)} alt={picture.name} />
        <FaceBoxes image={image} />
      </div>
      <figcaption>{picture.time === undefined ? picture.name : `at ${clock(picture.time, 1)}`}: {text}</figcaption>
      {image.faces.map(({ judgement: { scores } }, index) => scores && (
        <p key={index} class="scoreline">
          {emotions.map(emotion => ({ emotion, score: scores[emotion] })).sort((a, b) => b.score - a.score).slice(0, 3)
            .map(({ emotion, score }) => <span key={emotion}><Glyph emotion={emotion} size={16} /> {emotion} {percent(score)}</span>)}
        </p>
      ))}
    </figure>
  );
}

function Download({ name, type, text }: { name: string; type: string; text: string }) {
  const blob = useMemo(() => new Blob([text], { type }), [text, type]);
  return <a class="button" download={name} href={useBlobUrl(blob)}>Download {name}</a>;
}

function Numbers({ rows }: { rows: Row[] }) {
  const used = columns.filter(column => rows.some(row => row[column] !== undefined && row[column] !== ""));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table of all numbers">
      <table class="numbers">
        <thead><tr>{used.map(column => <th scope="col" key={column}>{column}</th>)}</tr></thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {used.map((column, first) => {
                const value = row[column];
                const text = typeof value === "number" && !Number.isInteger(value) ? value.toFixed(column === "start" || column === "end" ? 1 : 4) : value;
                return first === 0 ? <th scope="row" key={column}>{text}</th> : <td key={column}>{text}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
