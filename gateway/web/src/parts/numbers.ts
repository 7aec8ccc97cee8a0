import { parseEmotion, emotions, seconds } from "../emotions";
import type { Analysis, Judgement } from "../types";

export const columns = ["what", "channel", "start", "end", "left", "top", "width", "height", "outcome", "emotion", "confidence", ...emotions] as const;

/** A row of the table and of the CSV file: one judgement. */
export type Row = Partial<Record<(typeof columns)[number], string | number>>;

export function createRows(analysis: Analysis): Row[] {
  const { fused, speech, face } = analysis;
  const row = (what: string, judgement: Judgement, where: Row = {}): Row => ({
    what, ...where,
    outcome: judgement.outcome.replace("OUTCOME_", ""),
    emotion: parseEmotion(judgement.emotion) ?? "",
    ...(judgement.scores && { confidence: judgement.confidence, ...judgement.scores }),
  });
  const between = ({ start, end }: { start: string; end: string }) => ({ start: seconds(start), end: seconds(end) });
  return [
    row("together", fused.judgement),
    ...(speech ? [row("voice", speech.judgement), ...speech.channels.flatMap((channel, index) => {
      const where: Row = speech.channels.length > 1 ? { channel: index + 1 } : {};
      return [
        ...(speech.channels.length > 1 ? [row("channel", channel.judgement, where)] : []),
        ...speech.windows.filter(window => window.channel === index).map(window => row("window", window.judgement, { ...where, ...between(window) })),
      ];
    })] : []),
    ...(face ? [row("faces", face.judgement)] : []),
    ...(face?.images ?? []).flatMap((image, index) =>
      image.faces.length > 0
        ? image.faces.map(found => row(`picture ${index + 1}`, found.judgement, { ...found.box }))
        : [{ what: `picture ${index + 1}`, outcome: image.outcome.replace("OUTCOME_", "") }]),
  ];
}

/** RFC 4180. */
export function toCsv(rows: Row[]): string {
  return [columns.join(","), ...rows.map(row => columns.map(column => row[column] ?? "").join(","))].join("\r\n") + "\r\n";
}
