/** In the order of the label schema. */
export const emotions = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"] as const;

export type Emotion = (typeof emotions)[number];

/** Probabilities, each in [0, 1], sum 1. */
export type Scores = Record<Emotion, number>;

/** From "EMOTION_HAPPY"; null where none was named. */
export function emotionOf(name: string): Emotion | null {
  const label = name.replace("EMOTION_", "").toLowerCase();
  return (emotions as readonly string[]).includes(label) ? (label as Emotion) : null;
}

export function likeliest(scores: Scores): Emotion {
  return emotions.reduce((best, emotion) => (scores[emotion] > scores[best] ? emotion : best));
}

/** As the theme has it: canvases cannot read CSS variables. */
export function colours(): Record<Emotion, string> {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(emotions.map(emotion => [emotion, style.getPropertyValue(`--${emotion}`)])) as Record<Emotion, string>;
}

const outcomes: Record<string, string> = {
  OUTCOME_NO_SPEECH: "No voice heard",
  OUTCOME_TOO_SHORT: "Too short to judge",
  OUTCOME_NO_FACE: "No face in view",
  OUTCOME_UNCERTAIN: "Not sure enough to name one",
  OUTCOME_UNAVAILABLE: "This service does not answer just now",
};

/** What a judgement came to, in plain words: "happy", "No voice heard". */
export function inWords(judgement: { outcome: string; emotion: string }): string {
  return emotionOf(judgement.emotion) ?? outcomes[judgement.outcome] ?? "Nothing yet";
}

export const percent = (fraction: number, digits = 0) => `${(100 * fraction).toFixed(digits)} %`;

/** Of a duration, "1.5s". */
export const seconds = (duration: string | undefined) => (duration ? parseFloat(duration) : 0);

/** "1:02", with tenths where asked. */
export function clock(time: number, digits = 0): string {
  const whole = Math.max(0, time);
  const rest = (whole % 60).toFixed(digits);
  // 59.96 is a minute once it is rounded.
  return parseFloat(rest) >= 60 ? `${Math.floor(whole / 60) + 1}:00` : `${Math.floor(whole / 60)}:${rest.padStart(digits ? 3 + digits : 2, "0")}`;
}
