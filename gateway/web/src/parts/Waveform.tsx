import { useEffect, useRef } from "preact/hooks";
import { readColors, likeliest } from "../emotions";
import { prepare, type Slice } from "./Ribbon";

interface Properties {
  sound: AudioBuffer;
  /** Index of the channel; null draws the first. */
  channel: number | null;
  slices: Slice[];
  /** Position of the player, in seconds. */
  position: number;
  seek: (time: number) => void;
}

/** Peaks of the audio in the color of the emotion. A click seeks; the player and the timeline handle keys. */
export function Waveform({ sound, channel, slices, position, seek }: Properties) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const draw = useRef<() => void>(() => {});
  draw.current = () => canvas.current && paint(canvas.current, sound, channel ?? 0, slices, position);
  useEffect(() => draw.current());
  useEffect(() => {
    const observer = new ResizeObserver(() => draw.current());
    observer.observe(canvas.current!);
    return () => observer.disconnect();
  }, []);
  return (
    <canvas class="waveform" ref={canvas} role="img" aria-label="Waveform, colored by emotion" onClick={event =>
      seek((event.offsetX / event.currentTarget.clientWidth) * sound.duration)} />
  );
}

function paint(canvas: HTMLCanvasElement, sound: AudioBuffer, channel: number, slices: Slice[], position: number) {
  const { context, width, height } = prepare(canvas);
  const palette = readColors();
  // The browser may decode other channels than the server, for example of a video with several tracks.
  const samples = sound.getChannelData(Math.min(channel, sound.numberOfChannels - 1));
  const plain = getComputedStyle(canvas).color;
  const step = 3;
  for (let x = 0; x < width; x += step) {
    const [first, last] = [x, x + step].map(edge => Math.floor((edge / width) * samples.length)) as [number, number];
    // In a long file, some samples of each bar are enough.
    const stride = Math.max(1, Math.floor((last - first) / 200));
    let peak = 0;
    for (let i = first; i < last && i < samples.length; i += stride)
      peak = Math.max(peak, Math.abs(samples[i]!));
    const time = ((x + step / 2) / width) * sound.duration;
    const scores = slices.find(slice => time >= slice.start && time < slice.end)?.scores;
    context.fillStyle = scores ? palette[likeliest(scores)] : plain;
    const bar = Math.max(1.5, peak * (height - 4));
    context.fillRect(x, (height - bar) / 2, step - 1, bar);
  }
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--text");
  context.fillRect((position / sound.duration) * width - 1, 0, 2, height);
}
