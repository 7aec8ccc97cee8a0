import type { Emotion } from "../emotions";

// Brows and mouth on a face of 24×24, to distinguish emotions without color.
const features: Record<Emotion, { brows?: string; mouth: string; open?: boolean }> = {
  neutral: { mouth: "M8 16h8" },
  happy: { mouth: "M7.5 14.5q4.5 4.5 9 0" },
  sad: { brows: "M6.5 8.5l3-1.5M17.5 8.5l-3-1.5", mouth: "M8 17.5q4-4 8 0" },
  angry: { brows: "M6.5 7l3.5 2M17.5 7l-3.5 2", mouth: "M8 16.5q4-2.5 8 0" },
  fear: { brows: "M6.5 7.5l3-1.5M17.5 7.5l-3-1.5", mouth: "M7.5 16.5l2.2-1.5 2.3 1.5 2.3-1.5 2.2 1.5" },
  disgust: { brows: "M6.5 7.5l3.5 1M14 7.5l3.5-.5", mouth: "M8 16.5q2.5-3 4.5-.5t4-1.5" },
  surprise: { brows: "M6.5 6.5q1.5-1.5 3 0M14.5 6.5q1.5-1.5 3 0", mouth: "M12 14a2.2 2.6 0 1 0 .01 0", open: true },
};

/** A small face next to the emotion's name. */
export function Glyph({ emotion, size = 20 }: { emotion: Emotion; size?: number }) {
  const { brows, mouth, open } = features[emotion];
  return (
    <svg class={`glyph ${emotion}`} width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <circle cx="12" cy="12" r="10.5" />
      <g fill="none" stroke="#111" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">
        {brows && <path d={brows} />}
        <path d="M8.5 10.5v.5M15.5 10.5v.5" stroke-width="2.4" />
        <path d={mouth} fill={open ? "#111" : "none"} />
      </g>
    </svg>
  );
}
