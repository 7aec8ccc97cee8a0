import { emotions, describeJudgement, percent } from "../emotions";
import type { Judgement } from "../types";
import { Glyph } from "./Glyph";

export interface Column {
  title: string;
  /** Absent if the modality is off. */
  judgement?: Judgement;
  /** Text without a judgement. */
  idle: string;
}

/** Seven bars and the outcome per column. */
export function ScoreTable({ columns, label }: { columns: Column[]; label: string }) {
  return (
    <table class="scores" aria-label={label}>
      <thead>
        <tr>
          <th scope="col"><span class="hidden">Emotion</span></th>
          {columns.map(({ title, judgement, idle }) => (
            <th scope="col" key={title}>
              {title}
              <small class="outcome">{judgement ? describeJudgement(judgement) : idle}</small>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {emotions.map(emotion => (
          <tr key={emotion}>
            <th scope="row"><Glyph emotion={emotion} /> {emotion}</th>
            {columns.map(({ title, judgement }) => {
              const score = judgement?.scores?.[emotion];
              return (
                <td key={title} data-score={score === undefined ? "" : score.toFixed(4)}>
                  <div class="bar">
                    <div class={emotion} style={{ transform: `scaleX(${score ?? 0})` }} />
                  </div>
                  <span class="number">{score === undefined ? "–" : percent(score)}</span>
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
