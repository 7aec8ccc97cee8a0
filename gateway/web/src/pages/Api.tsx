import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import cli from "../../snippets/cli.sh";
import grpc from "../../snippets/grpc.cs";
import rest from "../../snippets/rest.sh";
import sdk from "../../snippets/sdk.cs";
import websocket from "../../snippets/websocket.txt";

/** The tests run each snippet. */
const ways = [
  { name: "REST", code: rest, text: <>Clips as a form or JSON, results as proto JSON. See the <a href="/docs">documentation of the REST API</a> and its <a href="/openapi.json">OpenAPI document</a>.</> },
  { name: "gRPC", code: grpc, text: <>The complete API, streams included, in any language with gRPC: the service <code>affect.v1.EmotionService</code> in <code>protos/affect/v1</code>, on the gRPC port (8081).</> },
  { name: "SDK", code: sdk, text: <>For .NET: one class with typed results, which retries requests, sets deadlines and resumes interrupted calls.</> },
  { name: "Command line", code: cli, text: <>For shells and archives; <code>--json</code> prints the results in the form of REST. <code>stream</code> shows a call while it lasts.</> },
  { name: "WebSocket", code: websocket, text: <>Calls from a browser, as on the Live page.</> },
];

export function Api() {
  return (
    <>
      <h1 tabIndex={-1}>Using the API</h1>
      <p>
        All interfaces return the same results. If the server requires a key, send it as <code>x-api-key</code>, a header or gRPC
        metadata; on a WebSocket as the subprotocol <code>affect.key.KEY</code> besides <code>affect.v1</code>.
      </p>
      {ways.map(way => <Way key={way.name} {...way} />)}
      <section class="panel" aria-label="Results">
        <h2>Results</h2>
        <p>
          Calibrated scores of seven emotions for each window of a voice, each face, and both fused, with an <strong>outcome</strong>.
          Only OK names an emotion:
        </p>
        <table class="numbers left">
          <thead><tr><th scope="col">Outcome</th><th scope="col">Meaning</th></tr></thead>
          <tbody>
            {[
              ["OK", "scores; the best one names the emotion"],
              ["UNCERTAIN", "scores; the best one is too low to name an emotion"],
              ["NO_SPEECH, NO_FACE", "no speech in the audio, no face in the picture"],
              ["TOO_SHORT", "less than 0.25 s of audio"],
              ["UNAVAILABLE", "the service did not answer; the other modality's result is kept"],
            ].map(([outcome, meaning]) => <tr key={outcome}><th scope="row"><code>{outcome}</code></th><td>{meaning}</td></tr>)}
          </tbody>
        </table>
      </section>
    </>
  );
}

function Way({ name, code, text }: { name: string; code: string; text: ComponentChildren }) {
  const [copied, setCopied] = useState(false);
  const here = code.replaceAll("http://localhost:8080", location.origin).replaceAll("ws://localhost:8080", location.origin.replace("http", "ws")).trim();
  return (
    <section class="panel way" aria-label={name}>
      <h2>{name}</h2>
      <p>{text}</p>
      <pre tabIndex={0} aria-label={`Code: ${name}`}><code>{here}</code></pre>
      <button type="button" onClick={() => void navigator.clipboard.writeText(here).then(() => setCopied(true))}>{copied ? "Copied" : "Copy"}</button>
    </section>
  );
}
