import { emotionOf, inWords, percent } from "../emotions";
import type { ImageResult } from "../types";

const at = (share: number) => `${100 * share}%`;

/** Over a picture of any size: a frame and a label for each face. */
export function FaceBoxes({ image, mirrored = false }: { image: ImageResult; mirrored?: boolean }) {
  return (
    <>
      {image.faces.map(({ box: { left, top, width, height }, judgement }, index) => {
        const start = mirrored ? image.width - left - width : left;
        const emotion = emotionOf(judgement.emotion);
        return (
          <div key={index} class={`face ${emotion ?? "unnamed"} ${top < image.height / 10 ? "high" : ""}`} style={{
            left: at(start / image.width),
            top: at(top / image.height),
            width: at(width / image.width),
            height: at(height / image.height),
          }}>
            <span>{emotion ? `${emotion} ${percent(judgement.confidence)}` : judgement.outcome === "OUTCOME_UNCERTAIN" ? "uncertain" : inWords(judgement)}</span>
          </div>
        );
      })}
    </>
  );
}
