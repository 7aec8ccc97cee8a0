// The gateway's REST API. The key is kept in sessionStorage, until the tab is closed.
import type { Analysis, Model, Problem } from "./types";

const storedKey = "affect.key";
let key = sessionStorage.getItem(storedKey) ?? "";

export const apiKey = () => key;

export function setApiKey(value: string) {
  key = value;
  sessionStorage.setItem(storedKey, value);
}

/** An error response of the server. */
export class ServerError extends Error {
  constructor(readonly problem: Problem) {
    super(describe(problem));
  }

  get needsKey() {
    return this.problem.status === 401;
  }
}

/** "audio: Must be an audio file." */
export function describe(problem: Problem): string {
  if (problem.status === 401)
    return "This server requires an API key.";
  const errors = Object.entries(problem.errors ?? {}).flatMap(([field, texts]) => texts.map(text => `${field}: ${text}`));
  const text = errors.length > 0 ? errors.join(" ") : problem.detail || problem.title;
  return problem.retry_after ? `${text} Try again in ${Math.ceil(problem.retry_after)} s.` : text;
}

const headers = (): Record<string, string> => (key ? { "x-api-key": key } : {});

export async function listModels(): Promise<Model[]> {
  const response = await get("/v1/models");
  return ((await response.json()) as { models: Model[] }).models;
}

/** @throws ServerError; TypeError if the server is unreachable. */
async function get(path: string, abort?: AbortSignal): Promise<Response> {
  const response = await fetch(path, { headers: headers(), signal: abort });
  if (!response.ok)
    throw new ServerError(parseProblem(response.status, await response.text()));
  return response;
}

function parseProblem(status: number, body: string): Problem {
  try {
    return JSON.parse(body) as Problem;
  } catch {
    // The response of a proxy.
    return { title: "", status, code: "", detail: `The server answered with ${status}.` };
  }
}

/**
 * Sends a clip. Uses XMLHttpRequest, because fetch does not report the progress of an upload.
 * @param progress Share of the upload, [0, 1].
 * @throws ServerError; AbortError if canceled.
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
        : reject(new ServerError(parseProblem(request.status, request.responseText)));
    request.onerror = () => reject(new Error("The server is unreachable."));
    request.onabort = () => reject(new DOMException("canceled", "AbortError"));
    abort.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

export interface ServerEvent {
  name: string;
  data: string;
}

/** Server-sent events, until the connection ends. EventSource cannot send a key. */
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
      const join = (name: string) => fields.filter(field => field[0] === name).map(field => field[1] ?? "").join("\n");
      yield { name: join("event"), data: join("data") };
    }
  }
}
