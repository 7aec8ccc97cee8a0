// The gateway's REST API. The key, where one is asked for, stays in this tab: it is gone with it.
import type { Analysis, Model, Problem } from "./types";

const storedKey = "affect.key";
let key = sessionStorage.getItem(storedKey) ?? "";

export const apiKey = () => key;

export function setApiKey(value: string) {
  key = value;
  sessionStorage.setItem(storedKey, value);
}

/** What the server refused, in its own words. */
export class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(inPlainWords(problem));
  }

  get needsKey() {
    return this.problem.status === 401;
  }
}

/** "audio: It is no audio that can be read." */
export function inPlainWords(problem: Problem): string {
  if (problem.status === 401)
    return "This server asks for an API key.";
  const errors = Object.entries(problem.errors ?? {}).flatMap(([field, texts]) => texts.map(text => `${field}: ${text}`));
  const text = errors.length > 0 ? errors.join(" ") : problem.detail || problem.title;
  return problem.retry_after ? `${text} Try again in ${Math.ceil(problem.retry_after)} s.` : text;
}

const headers = (): Record<string, string> => (key ? { "x-api-key": key } : {});

export async function listModels(): Promise<Model[]> {
  const response = await get("/v1/models");
  return ((await response.json()) as { models: Model[] }).models;
}

/** @throws Refusal, or TypeError where nobody answers. */
async function get(path: string, abort?: AbortSignal): Promise<Response> {
  const response = await fetch(path, { headers: headers(), signal: abort });
  if (!response.ok)
    throw new Refusal(problemOf(response.status, await response.text()));
  return response;
}

function problemOf(status: number, body: string): Problem {
  try {
    return JSON.parse(body) as Problem;
  } catch {
    // From a proxy in between.
    return { title: "", status, code: "", detail: `The server answered with ${status}.` };
  }
}

/**
 * Sends a clip. XMLHttpRequest, for fetch does not tell how much has been sent.
 * @param progress Share of the upload, [0, 1].
 * @throws Refusal; AbortError where it was given up.
 */
export function analyze(form: FormData, progress: (share: number) => void, abort: AbortSignal): Promise<Analysis> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/analyze");
    for (const [name, value] of Object.entries(headers()))
      request.setRequestHeader(name, value);
    request.upload.onprogress = event => progress(event.loaded / event.total);
    request.onload = () =>
      request.status === 200
        ? resolve(JSON.parse(request.responseText) as Analysis)
        : reject(new Refusal(problemOf(request.status, request.responseText)));
    request.onerror = () => reject(new Error("The server cannot be reached."));
    request.onabort = () => reject(new DOMException("given up", "AbortError"));
    abort.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

export interface ServerEvent {
  name: string;
  data: string;
}

/** Server-sent events; EventSource cannot send a key. Ends where the connection does. */
export async function* events(path: string, abort: AbortSignal): AsyncGenerator<ServerEvent> {
  const response = await get(path, abort);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (true) {
    const { value, done } = await reader.read();
    if (done)
      return;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = text.slice(0, end).split("\n").map(line => line.split(/: ?(.*)/s));
      text = text.slice(end + 2);
      const all = (name: string) => fields.filter(field => field[0] === name).map(field => field[1] ?? "").join("\n");
      yield { name: all("event"), data: all("data") };
    }
  }
}
