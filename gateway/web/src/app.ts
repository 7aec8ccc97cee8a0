import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Model } from "./types";

/** What all pages share. */
export interface App {
  /** Null until the server has told them. */
  models: Model[] | null;
  /** Who answers on the Live page; empty names are the default models. */
  choice: { speech: string; face: string };
  choose(choice: { speech: string; face: string }): void;
  /** Shows an error, or asks for the key where one is missing. */
  failed(error: unknown): void;
}

export const AppContext = createContext<App>(null!);
export const useApp = () => useContext(AppContext);

export const modalities = { speech: "MODALITY_SPEECH", face: "MODALITY_FACE" };

/** What was measured on data as they come: of test samples like those it learnt from, and of speakers it never heard. */
export function headline(model: Model) {
  const clean = model.metrics.filter(metrics => !metrics.condition);
  return {
    known: clean.find(metrics => !metrics.protocol.startsWith("unseen")),
    strangers: clean.find(metrics => metrics.protocol.startsWith("unseen")),
  };
}
