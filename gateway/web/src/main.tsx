import { render } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { apiKey, listModels, ServerError, setApiKey } from "./api";
import { AppContext, type App as Shared } from "./app";
import { Analyze } from "./pages/Analyze";
import { Api } from "./pages/Api";
import { Calls } from "./pages/Calls";
import { Live } from "./pages/Live";
import { Models } from "./pages/Models";
import type { Model } from "./types";

const pages = [
  { path: "/", title: "Live", Page: Live },
  { path: "/analyze", title: "Analyze", Page: Analyze },
  { path: "/calls", title: "Calls", Page: Calls },
  { path: "/models", title: "Models", Page: Models },
  { path: "/api", title: "API", Page: Api },
];

function App() {
  const [path, setPath] = useState(location.pathname);
  const [models, setModels] = useState<Model[] | null>(null);
  const [choice, choose] = useState({ speech: "", face: "" });
  const [error, setError] = useState("");
  const [needsKey, setNeedsKey] = useState(false);
  const [keys, setKeys] = useState(0); // remounts the page with a new key
  const main = useRef<HTMLElement>(null);
  const page = pages.find(candidate => candidate.path === path) ?? pages[0]!;

  const fail = useCallback((reason: unknown) => {
    if (reason instanceof ServerError && reason.needsKey)
      setNeedsKey(true);
    else
      setError(reason instanceof ServerError ? reason.message : "The server is unreachable. Is it running?");
  }, []);

  useEffect(() => {
    listModels().then(found => {
      setModels(found);
      setError("");
      setNeedsKey(false);
    }, fail);
  }, [keys]);

  useEffect(() => {
    const onPopState = () => setPath(location.pathname);
    addEventListener("popstate", onPopState);
    return () => removeEventListener("popstate", onPopState);
  }, []);

  useEffect(() => {
    document.title = `${page.title} · Affect`;
  }, [page]);

  // Handles links between pages; leaves all others to the browser.
  const navigate = (event: MouseEvent) => {
    const link = (event.target as Element).closest("a");
    if (!link || link.origin !== location.origin || link.hash || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey
      || !pages.some(candidate => candidate.path === link.pathname))
      return;
    event.preventDefault();
    history.pushState(null, "", link.pathname);
    setPath(link.pathname);
    scrollTo(0, 0);
    // Screen readers start here, as after loading a page.
    requestAnimationFrame(() => main.current?.querySelector("h1")?.focus());
  };

  const shared: Shared = useMemo(() => ({ models, choice, choose, fail }), [models, choice, fail]);
  return (
    <AppContext.Provider value={shared}>
      <div onClick={navigate}>
        <a class="skip" href="#main">Skip to the content</a>
        <header>
          <a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28" /> Affect</a>
          <nav aria-label="Pages">
            {pages.map(({ path, title }) => <a key={path} href={path} aria-current={path === page.path ? "page" : undefined}>{title}</a>)}
          </nav>
        </header>
        <main id="main" ref={main}>
          {error && <p class="message bad" role="alert">{error} <button type="button" onClick={() => setKeys(keys + 1)}>Try again</button></p>}
          {needsKey && <KeyForm done={() => setKeys(keys + 1)} />}
          <page.Page key={`${page.path} ${keys}`} />
        </main>
        <footer>
          <p>
            <strong>Nothing is stored.</strong> Audio and pictures are sent to this server, analyzed and discarded, as are the scores.
            Nothing is loaded from other hosts.
          </p>
          <p>
            An AI system infers emotions here. The persons concerned must be informed (EU AI Act, Art. 50(3)); emotion inference at the
            workplace and in education is prohibited (Art. 5(1)(f)). Scores are probabilities, not facts, and must not be the sole basis
            of a decision.
          </p>
        </footer>
      </div>
    </AppContext.Provider>
  );
}

function KeyForm({ done }: { done: () => void }) {
  const [value, setValue] = useState(apiKey());
  return (
    <form class="panel key" onSubmit={event => {
      event.preventDefault();
      setApiKey(value.trim());
      done();
    }}>
      <label>
        This server requires an API key
        <input type="password" autocomplete="off" value={value} onInput={event => setValue(event.currentTarget.value)} />
      </label>
      <button type="submit" class="primary">Use this key</button>
      <p class="meta">The key is kept until this tab is closed.</p>
    </form>
  );
}

render(<App />, document.getElementById("app")!);
