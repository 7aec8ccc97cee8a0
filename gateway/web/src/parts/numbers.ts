import { emotionOf, emotions, seconds } from "../emotions";
import type { Analysis, Judgement } from "../types";

export const columns = ["what", "start", "end", "left", "top", "width", "height", "outcome", "emotion", "confidence", ...emotions] as const;

/** One line for each thing that was judged: the table, and the CSV. */
export type Row = Partial<Record<(typeof columns)[number], string | number>>;

export function rowsOf(analysis: Analysis): Row[] {
  const { fused, speech, face } = analysis;
  const judged = (what: string, judgement: Judgement, where: Row = {}): Row => ({
    what, ...where,
    outcome: judgement.outcome.replace("OUTCOME_", ""),
    emotion: emotionOf(judgement.emotion) ?? "",
    ...(judgement.scores && { confidence: judgement.confidence, ...judgement.scores }),
  });
  const between = ({ start, end }: { start: string; end: string }) => ({ start: seconds(start), end: seconds(end) });
  return [
    judged("together", fused.judgement),
    ...(speech ? [judged("voice", speech.judgement), ...speech.windows.map(window => judged("window", window.judgement, between(window)))] : []),
    ...(face ? [judged("faces", face.judgement)] : []),
    ...(face?.images ?? []).flatMap((image, index) =>
      image.faces.length > 0
        ? image.faces.map(found => judged(`picture ${index + 1}`, found.judgement, { ...found.box }))
        : [{ what: `picture ${index + 1}`, outcome: image.outcome.replace("OUTCOME_", "") }]),
  ];
}

/** RFC 4180. */
export function csvOf(rows: Row[]): string {
  return [columns.join(","), ...rows.map(row => columns.map(column => row[column] ?? "").join(","))].join("\r\n") + "\r\n";
}
