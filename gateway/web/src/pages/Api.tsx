import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import cli from "../../snippets/cli.sh";
import grpc from "../../snippets/grpc.cs";
import rest from "../../snippets/rest.sh";
import sdk from "../../snippets/sdk.cs";
import websocket from "../../snippets/websocket.txt";

/** What is shown here is run by the tests as it stands. */
const ways = [
  { name: "REST", code: rest, text: <>For everything that speaks HTTP: a clip goes in as a form or as JSON, proto JSON comes out. <a href="/docs">Browse the REST API</a>, or take its <a href="/openapi.json">OpenAPI document</a>.</> },
  { name: "gRPC", code: grpc, text: <>The whole API, streams included, in every language that has gRPC: the service <code>affect.v1.EmotionService</code> of <code>protos/affect/v1</code>, on the gRPC port (8081).</> },
  { name: "SDK", code: sdk, text: <>For .NET: one class with typed results, which repeats what is lost, keeps deadlines and resumes calls that break off.</> },
  { name: "Command line", code: cli, text: <>For shells and archives; <code>--json</code> prints what REST answers. <code>stream</code> shows a call while it is spoken.</> },
  { name: "WebSocket", code: websocket, text: <>A call while it is spoken, from a browser: what the Live page does.</> },
];

export function Api() {
  return (
    <>
      <h1 tabIndex={-1}>How to call it</h1>
      <p>
        All ways give the same answers. Where the server asks for a key, send it as <code>x-api-key</code>, a header or gRPC metadata; on a
        WebSocket as the subprotocol <code>affect.key.KEY</code> beside <code>affect.v1</code>.
      </p>
      {ways.map(way => <Way key={way.name} {...way} />)}
      <section class="panel" aria-label="What comes back">
        <h2>What comes back</h2>
        <p>
          Calibrated scores of seven emotions for each window of a voice, each face, and both as one, and an <strong>outcome</strong>. A label
          is never forced:
        </p>
        <table class="numbers left">
          <thead><tr><th scope="col">Outcome</th><th scope="col">Means</th></tr></thead>
          <tbody>
            {[
              ["OK", "scores, and the best is clear enough to name"],
              ["UNCERTAIN", "scores, but the best is too low to name"],
              ["NO_SPEECH, NO_FACE", "there is nobody to hear, or to see"],
              ["TOO_SHORT", "less than 0.25 s of sound"],
              ["UNAVAILABLE", "that service did not answer; what did answer is kept"],
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
