import { parseEmotion, describeJudgement, percent } from "../emotions";
import type { ImageResult } from "../types";

const toPercent = (share: number) => `${100 * share}%`;

/** A frame and a label per face, over a picture of any size. */
export function FaceBoxes({ image, mirrored = false }: { image: ImageResult; mirrored?: boolean }) {
  return (
    <>
      {image.faces.map(({ box: { left, top, width, height }, judgement }, index) => {
        const start = mirrored ? image.width - left - width : left;
        const emotion = parseEmotion(judgement.emotion);
        return (
          <div key={index} class={`face ${emotion ?? "unnamed"} ${top < image.height / 10 ? "high" : ""}`} style={{
            left: toPercent(start / image.width),
            top: toPercent(top / image.height),
            width: toPercent(width / image.width),
            height: toPercent(height / image.height),
          }}>
            <span>{emotion ? `${emotion} ${percent(judgement.confidence)}` : describeJudgement(judgement)}</span>
          </div>
        );
      })}
    </>
  );
}
