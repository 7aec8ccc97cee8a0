// What build.mjs puts in.

/** Where recorder.worklet.ts lies. */
declare const RECORDER: string;

/** The study's figures, by the names that its models have here: fractions, macro averages. */
declare const STUDY: Record<string, { precision: number; recall: number; f1: number; accuracy: number } | undefined>;

/** The models that have a card. */
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
