import { useEffect, useReducer, useState } from "preact/hooks";
import { events, Refusal } from "../api";
import { useApp } from "../app";
import { clock, emotionOf, inWords, percent, seconds } from "../emotions";
import { Glyph } from "../parts/Glyph";
import { Ribbon, type Slice } from "../parts/Ribbon";
import type { Alert, CallSummary, Judgement, StreamStarted, StreamWindow } from "../types";
import { alertInWords } from "./Live";

// What the page remembers at most, of calls that go on for hours and for as long as it is open.
const mostCalls = 50;
const mostSlices = 600;
const mostAlerts = 20;

interface Channel {
  role: string;
  judged: boolean;
  slices: Slice[];
  newest: StreamWindow | null;
}

interface Call {
  id: string;
  session: string;
  /** Index into StreamStarted.channels; those of a call that began before the page was open come with their first window. */
  channels: Channel[];
  alerts: Alert[];
  status: string;
  summary: CallSummary | null;
}

interface Happened {
  subject: string;
  data: { call: string; started?: StreamStarted; window?: StreamWindow; alert?: Alert; ended?: { status: string; summary?: CallSummary } };
}

const unknown = (): Channel => ({ role: "", judged: true, slices: [], newest: null });

/** The call after an event; itself where that says nothing new. */
function after(call: Call, { started, window, alert, ended }: Happened["data"]): Call {
  if (started)
    return { ...call, channels: started.channels.map(({ role, emotion }) => ({ ...unknown(), role, judged: emotion })) };
  if (alert)
    return { ...call, alerts: [...call.alerts, alert].slice(-mostAlerts) };
  if (ended)
    return { ...call, status: ended.status, summary: ended.summary ?? null };
  if (!window)
    return call;
  const channels = Array.from({ length: Math.max(call.channels.length, window.channel + 1) }, (_, index) => call.channels[index] ?? unknown());
  const channel = channels[window.channel]!;
  const end = seconds(window.end);
  const previous = channel.slices.at(-1)?.end ?? 0;
  if (end <= previous)
    return call; // told again behind a checkpoint
  const slice = { start: Math.max(previous, seconds(window.start)), end, scores: window.fused.judgement.scores ? window.smoothed.scores! : null };
  channels[window.channel] = { ...channel, slices: [...channel.slices, slice].slice(-mostSlices), newest: window };
  return { ...call, channels };
}

/** Running calls first, the newest before older ones; those that ended are forgotten first. */
function take(calls: Call[], happened: Happened): Call[] {
  const { call: id } = happened.data;
  const known = calls.find(call => call.id === id) ?? { id, session: happened.subject, channels: [], alerts: [], status: "", summary: null };
  const changed = after(known, happened.data);
  const all = calls.includes(known) ? calls.map(call => (call === known ? changed : call)) : [changed, ...calls];
  return [...all.filter(call => !call.status), ...all.filter(call => call.status)].slice(0, mostCalls);
}

export function Calls() {
  const { failed } = useApp();
  const [calls, tell] = useReducer(take, []);
  const [watching, setWatching] = useState<"connecting" | "on" | "lost">("connecting");
  const [dropped, setDropped] = useState(0);

  useEffect(() => {
    const abort = new AbortController();
    void watch(abort.signal);
    return () => abort.abort();

    async function watch(signal: AbortSignal) {
      while (!signal.aborted) {
        try {
          for await (const { name, data } of events("/v1/events", signal)) {
            setWatching("on");
            if (name === "dropped")
              setDropped(count => count + (JSON.parse(data) as { count: number }).count);
            else if (name !== "heartbeat")
              tell(JSON.parse(data) as Happened);
          }
        } catch (error) {
          if (signal.aborted)
            return;
          if (error instanceof Refusal && error.needsKey)
            return failed(error);
        }
        setWatching("lost");
        await new Promise(resolve => setTimeout(resolve, 1000));
      }
    }
  }, []);

  const alerts = calls.flatMap(call => call.alerts.map(alert => ({ call, alert }))).slice(-5);
  return (
    <>
      <h1 tabIndex={-1}>Calls</h1>
      <p>
        What happens in the calls that this server analyzes, as it happens: calls of programs, of the command line, and of the Live page
        in another tab. <span class={`pill ${watching === "on" ? "good" : watching === "lost" ? "bad" : ""}`} data-watching={watching}>
          {{ connecting: "Connecting", on: "Watching", lost: "Connection lost, trying again" }[watching]}
        </span>
      </p>
      <div role="log" aria-label="Alerts">
        {alerts.map(({ call, alert }) => (
          <p class={`message ${alert.state === "ALERT_STATE_RAISED" ? "bad" : ""}`} key={call.id + alert.rule + alert.time + alert.state}>
            <strong>{call.session}</strong> {alertInWords(alert)}
          </p>
        ))}
      </div>
      {dropped > 0 && <p class="meta">{dropped} events were left out, for this browser was too slow for them.</p>}
      {calls.length === 0 && (
        <section class="panel empty">
          <p>No call yet. Start one on the <a href="/">Live page</a> in another tab, or from a terminal:</p>
          <pre tabIndex={0} aria-label="Command"><code>deploy/affect stream call.wav --realtime</code></pre>
        </section>
      )}
      <ul class="calls">
        {calls.map(call => <li key={call.id}><CallPanel call={call} /></li>)}
      </ul>
    </>
  );
}

const roles: Record<string, string> = {
  SPEAKER_ROLE_CUSTOMER: "Customer",
  SPEAKER_ROLE_AGENT: "Agent",
};

function CallPanel({ call }: { call: Call }) {
  return (
    <section class="panel" aria-label={`Call ${call.session}`} data-call={call.session} data-status={call.status}>
      <h2>
        {call.session} <span class={`pill ${call.status ? "" : "good"}`}>{call.status === "" ? "running" : call.status === "OK" ? "ended" : call.status.toLowerCase()}</span>
      </h2>
      {call.channels.map((channel, index) => {
        const emotion = channel.newest?.fused.judgement.scores ? emotionOf(channel.newest.smoothed.emotion) : null;
        const end = channel.slices.at(-1)?.end ?? 1;
        return (
          <div class="channel" key={index}>
            <p>
              <strong>{roles[channel.role] ?? `Channel ${index + 1}`}</strong>{" "}
              {!channel.judged ? "emotion is not looked for"
                : emotion ? <><Glyph emotion={emotion} size={18} /> {emotion}</>
                  : channel.newest ? (channel.newest.fused.judgement.scores ? "Not sure enough to name one" : inWords(channel.newest.fused.judgement)) : "no window yet"}
              {channel.judged && channel.slices.length > 0 && <span class="meta"> {clock(end)}</span>}
            </p>
            {channel.judged && <Ribbon slices={channel.slices} from={channel.slices[0]?.start ?? 0} to={end} label={`Emotional arc of ${call.session}`} />}
          </div>
        );
      })}
      {call.alerts.length > 0 && <ul class="alerts">{call.alerts.map(alert => <li key={alert.rule + alert.time + alert.state}>{alertInWords(alert)}</li>)}</ul>}
      {call.summary && <Summary summary={call.summary} />}
    </section>
  );
}

const withConfidence = (judgement: Judgement) => inWords(judgement) + (judgement.scores ? ` ${percent(judgement.confidence)}` : "");

function Summary({ summary }: { summary: CallSummary }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Summary of the call">
      <table class="numbers summary">
        <caption>Summary of {clock(seconds(summary.duration), 1)}{seconds(summary.overlap) > 0 && `, ${clock(seconds(summary.overlap), 1)} of it spoken at once`}</caption>
        <thead>
          <tr>{["Channel", "Emotion", "Talk", "Silence", "Interruptions", "Longest monologue", "Windows scored"].map(title => <th scope="col" key={title}>{title}</th>)}</tr>
        </thead>
        <tbody>
          {summary.channels.map(channel => (
            <tr key={channel.channel}>
              <th scope="row">{roles[channel.role] ?? channel.channel + 1}</th>
              <td>{channel.emotion ? withConfidence(channel.emotion.judgement) : "–"}</td>
              <td>{clock(seconds(channel.talk), 1)}</td>
              <td>{clock(seconds(channel.silence), 1)}</td>
              <td>{channel.interruptions}</td>
              <td>{clock(seconds(channel.longest_monologue), 1)}</td>
              <td>{channel.emotion ? `${channel.emotion.scored} of ${channel.emotion.windows}` : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
