// Constants that build.mjs defines.

/** URL of recorder.worklet.ts. */
declare const RECORDER: string;

/** The study's figures by model name: fractions, macro averages. */
declare const STUDY: Record<string, { precision: number; recall: number; f1: number; accuracy: number } | undefined>;

/** Models with a card. */
declare const CARDS: string[];

declare module "*.sh" {
  const text: string;
  export default text;
}

declare module "*.cs" {
  const text: string;
  export default text;
}

declare module "*.txt" {
  const text: string;
  export default text;
}
