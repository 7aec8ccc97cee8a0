/** In the order of the label schema. */
export const emotions = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"] as const;

export type Emotion = (typeof emotions)[number];

/** Probabilities, each in [0, 1], sum 1. */
export type Scores = Record<Emotion, number>;

/** Parses "EMOTION_HAPPY"; null for EMOTION_UNSPECIFIED. */
export function parseEmotion(name: string): Emotion | null {
  const label = name.replace("EMOTION_", "").toLowerCase();
  return (emotions as readonly string[]).includes(label) ? (label as Emotion) : null;
}

export function likeliest(scores: Scores): Emotion {
  return emotions.reduce((best, emotion) => (scores[emotion] > scores[best] ? emotion : best));
}

/** The theme's colors, for canvases, which cannot read CSS variables. */
export function readColors(): Record<Emotion, string> {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(emotions.map(emotion => [emotion, style.getPropertyValue(`--${emotion}`)])) as Record<Emotion, string>;
}

const outcomes: Record<string, string> = {
  OUTCOME_NO_SPEECH: "No speech",
  OUTCOME_TOO_SHORT: "Too short",
  OUTCOME_NO_FACE: "No face",
  OUTCOME_UNCERTAIN: "Uncertain",
  OUTCOME_UNAVAILABLE: "Unavailable",
  OUTCOME_NOT_PERMITTED: "Not permitted",
};

/** The emotion or outcome of a judgement: "happy", "No speech". */
export function describeJudgement(judgement: { outcome: string; emotion: string }): string {
  return parseEmotion(judgement.emotion) ?? outcomes[judgement.outcome] ?? "No result yet";
}

export const percent = (fraction: number, digits = 0) => `${(100 * fraction).toFixed(digits)} %`;

/** Parses a duration such as "1.5s". */
export const seconds = (duration: string | undefined) => (duration ? parseFloat(duration) : 0);

/** Formats a time as "1:02", with decimals if digits is set. */
export function clock(time: number, digits = 0): string {
  const whole = Math.max(0, time);
  const rest = (whole % 60).toFixed(digits);
  // 59.96 rounds to a minute.
  return parseFloat(rest) >= 60 ? `${Math.floor(whole / 60) + 1}:00` : `${Math.floor(whole / 60)}:${rest.padStart(digits ? 3 + digits : 2, "0")}`;
}
