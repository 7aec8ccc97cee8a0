import { useEffect, useRef } from "preact/hooks";
import { clock, readColors, emotions, likeliest, percent, type Emotion, type Scores } from "../emotions";

/** The scores of a time span; null without scores. */
export interface Slice {
  start: number;
  end: number;
  scores: Scores | null;
}

/** A time span in seconds. */
export interface Span {
  start: number;
  end: number;
}

interface Properties {
  slices: Slice[];
  from: number;
  to: number;
  /** Description for screen readers. */
  label: string;
  /** Speech, drawn as a line below. */
  voice?: Span[];
}

const voiceHeight = 6;
const minLabelWidth = 66;

/** Seven scores over time as a stacked chart. */
export function Ribbon({ slices, from, to, label, voice }: Properties) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const draw = useRef<() => void>(() => {});
  draw.current = () => canvas.current && paint(canvas.current, slices, from, to, voice);
  useEffect(() => draw.current());
  useEffect(() => {
    const redraw = () => draw.current();
    const observer = new ResizeObserver(redraw);
    observer.observe(canvas.current!);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    return () => {
      observer.disconnect();
      dark.removeEventListener("change", redraw);
    };
  }, []);
  return <canvas class="ribbon" ref={canvas} role="img" aria-label={`${label}: ${summary(slices)}`} data-slices={slices.length} />;
}

/** "to 0:12 neutral, to 0:15 happy 93 %". */
function summary(slices: Slice[]): string {
  const named = runs(slices).filter(run => run.emotion).slice(-5);
  return named.length > 0 ? named.map(run => `to ${clock(run.end)} ${run.emotion} ${percent(run.score)}`).join(", ") : "no result yet";
}

interface Run extends Span {
  emotion: Emotion | null;
  /** Mean score. */
  score: number;
}

/** Merges adjacent slices with the same likeliest emotion. */
export function runs(slices: Slice[]): Run[] {
  const all: (Run & { count: number })[] = [];
  for (const { start, end, scores } of slices) {
    const emotion = scores ? likeliest(scores) : null;
    const score = scores && emotion ? scores[emotion] : 0;
    const last = all.at(-1);
    if (last && last.emotion === emotion && start - last.end < 0.01) {
      last.end = end;
      last.score = (last.score * last.count + score) / ++last.count;
    } else {
      all.push({ start, end, emotion, score, count: 1 });
    }
  }
  return all;
}

/** Resizes the canvas to its box in device pixels and clears it. */
export function prepare(canvas: HTMLCanvasElement): { context: CanvasRenderingContext2D; width: number; height: number } {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

function paint(canvas: HTMLCanvasElement, slices: Slice[], from: number, to: number, voice: Span[] | undefined) {
  const { context, width, height: full } = prepare(canvas);
  const height = full - (voice ? voiceHeight + 3 : 0);
  const palette = readColors();
  const x = (time: number) => ((time - from) / (to - from)) * width;
  for (const { start, end, scores } of slices) {
    if (!scores || end < from || start > to)
      continue;
    let y = height;
    for (const emotion of emotions) {
      const share = scores[emotion] * height;
      y -= share;
      context.fillStyle = palette[emotion];
      // Half a pixel wider, to avoid a seam to the next slice.
      context.fillRect(x(start), y, x(end) - x(start) + 0.5, share);
    }
  }
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const run of runs(slices)) {
    const [left, right] = [Math.max(0, x(run.start)), Math.min(width, x(run.end))];
    if (!run.emotion || run.score < 0.5 || right - left < minLabelWidth)
      continue;
    context.fillStyle = "#000a";
    const [cx, cy] = [(left + right) / 2, height / 2];
    context.beginPath();
    const half = context.measureText(run.emotion).width / 2 + 8;
    context.roundRect(cx - half, cy - 10, 2 * half, 20, 10);
    context.fill();
    context.fillStyle = "#fff";
    context.fillText(run.emotion, cx, cy + 0.5);
  }
  if (voice) {
    context.fillStyle = getComputedStyle(canvas).color;
    for (const { start, end } of voice)
      context.fillRect(x(start), full - voiceHeight, Math.max(1, x(end) - x(start)), voiceHeight);
  }
}
