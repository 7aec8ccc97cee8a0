import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Model } from "./types";

/** State shared by all pages. */
export interface App {
  /** Null until loaded. */
  models: Model[] | null;
  /** Models of the Live page; an empty name is the default model. */
  choice: { speech: string; face: string };
  choose(choice: { speech: string; face: string }): void;
  /** Shows an error, or the key form if a key is required. */
  fail(error: unknown): void;
}

export const AppContext = createContext<App>(null!);
export const useApp = () => useContext(AppContext);

export const modalities = { speech: "MODALITY_SPEECH", face: "MODALITY_FACE" };

/** Metrics on unmodified data: on the test split, and on unseen speakers. */
export function headline(model: Model) {
  const clean = model.metrics.filter(metrics => !metrics.condition);
  return {
    test: clean.find(metrics => !metrics.protocol.startsWith("unseen")),
    unseen: clean.find(metrics => metrics.protocol.startsWith("unseen")),
  };
}
