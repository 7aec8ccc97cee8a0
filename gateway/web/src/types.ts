// The messages of affect.v1 as proto JSON, limited to the fields that the page uses; see protos/affect/v1.
import type { Scores } from "./emotions";

/** Seconds such as "1.5s". */
export type Duration = string;

export interface Judgement {
  outcome: string;
  scores?: Scores;
  emotion: string;
  confidence: number;
}

export interface SpeechWindow {
  judgement: Judgement;
  start: Duration;
  end: Duration;
  channel: number;
}

export interface Segment {
  start: Duration;
  end: Duration;
  channel: number;
}

export interface SpeechResult {
  judgement: Judgement;
  model?: ModelReference;
  duration: Duration;
  windows: SpeechWindow[];
  segments: Segment[];
  /** Index counts from 0. */
  track?: { index: number; count: number };
  channels: { role: string; emotion: boolean; judgement: Judgement }[];
}

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface FaceFound {
  judgement: Judgement;
  box: Box;
  detection_confidence: number;
}

export interface ImageResult {
  outcome: string;
  width: number;
  height: number;
  faces: FaceFound[];
}

export interface FaceResult {
  judgement: Judgement;
  model?: ModelReference;
  images: ImageResult[];
}

export interface Fused {
  judgement: Judgement;
  speech_weight: number;
  face_weight: number;
}

export interface Analysis {
  fused: Fused;
  speech?: SpeechResult;
  face?: FaceResult;
  notice: string;
}

export interface ModelReference {
  name: string;
  version: string;
}

export interface Metrics {
  protocol: string;
  data: string;
  samples: number;
  accuracy: number;
  unweighted_average_recall: number;
  macro_f1: number;
  macro_precision: number;
  expected_calibration_error: number;
  confusion: { counts: number[] }[];
  condition: string;
  split: string;
  most_certain?: { coverage: number; accuracy: number };
  at_threshold?: { coverage: number; accuracy: number };
  reliability: { count: number; confidence: number; accuracy: number }[];
}

export interface Model {
  reference: ModelReference;
  modality: string;
  description: string;
  is_default: boolean;
  input: { features: string; window?: Duration; size: number };
  license: string;
  temperature: number;
  abstain_below: number;
  metrics: Metrics[];
  cost?: { parameters: string; file_bytes: string; latency: Duration };
  learning?: { loss: number[]; accuracy: number[]; validation_loss: number[]; validation_accuracy: number[] };
}

export interface StreamStarted {
  session_id: string;
  notice: string;
  speech_model?: ModelReference;
  face_model?: ModelReference;
  channels: { role: string; emotion: boolean }[];
  audio_position: string;
}

export interface StreamWindow {
  channel: number;
  index: string;
  start: Duration;
  end: Duration;
  voice?: SpeechWindow;
  face?: { judgement: Judgement; frames: number };
  fused: Fused;
  smoothed: Judgement;
}

export interface FrameResult {
  time: Duration;
  image: ImageResult;
}

export interface Alert {
  rule: string;
  channel: number;
  state: string;
  time: Duration;
  emotion: string;
}

export interface Checkpoint {
  audio_position: string;
  video_time: Duration;
  state: string;
}

export interface ChannelSummary {
  channel: number;
  role: string;
  talk?: Duration;
  silence?: Duration;
  interruptions: number;
  longest_monologue?: Duration;
  emotion?: { judgement: Judgement; windows: number; scored: number; empty: number; lost: number };
}

export interface CallSummary {
  end: string;
  duration: Duration;
  overlap?: Duration;
  channels: ChannelSummary[];
  missing_audio?: Duration;
  skipped_bytes: string;
}

/** Exactly one field is set. */
export interface StreamAnswer {
  started?: StreamStarted;
  window?: StreamWindow;
  activity?: { channel: number; segment: Segment };
  frame?: FrameResult;
  alert?: Alert;
  checkpoint?: Checkpoint;
  summary?: CallSummary;
}

/** An error of REST and the WebSocket (RFC 9457). */
export interface Problem {
  title: string;
  status: number;
  code: string;
  detail: string;
  errors?: Record<string, string[]>;
  retry_after?: number;
}
