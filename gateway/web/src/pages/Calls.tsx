import { useEffect, useReducer, useState } from "preact/hooks";
import { events, ServerError } from "../api";
import { useApp } from "../app";
import { clock, parseEmotion, describeJudgement, percent, seconds } from "../emotions";
import { Glyph } from "../parts/Glyph";
import { Ribbon, type Slice } from "../parts/Ribbon";
import type { Alert, CallSummary, Judgement, StreamStarted, StreamWindow } from "../types";
import { describeAlert } from "./Live";

// Limits of memory: calls may last for hours.
const maxCalls = 50;
const maxSlices = 600;
const maxAlerts = 20;

interface Channel {
  role: string;
  hasEmotion: boolean;
  slices: Slice[];
  newest: StreamWindow | null;
}

interface Call {
  id: string;
  session: string;
  /** By index into StreamStarted.channels. Channels of a call that started before the page was opened are added by their first window. */
  channels: Channel[];
  alerts: Alert[];
  status: string;
  summary: CallSummary | null;
}

interface CallEvent {
  subject: string;
  data: { call: string; started?: StreamStarted; window?: StreamWindow; alert?: Alert; ended?: { status: string; summary?: CallSummary } };
}

const unknown = (): Channel => ({ role: "", hasEmotion: true, slices: [], newest: null });

/** Applies an event to a call; returns the same object if nothing changes. */
function applyToCall(call: Call, { started, window, alert, ended }: CallEvent["data"]): Call {
  if (started)
    return { ...call, channels: started.channels.map(({ role, emotion }) => ({ ...unknown(), role, hasEmotion: emotion })) };
  if (alert)
    return { ...call, alerts: [...call.alerts, alert].slice(-maxAlerts) };
  if (ended)
    return { ...call, status: ended.status, summary: ended.summary ?? null };
  if (!window)
    return call;
  const channels = Array.from({ length: Math.max(call.channels.length, window.channel + 1) }, (_, index) => call.channels[index] ?? unknown());
  const channel = channels[window.channel]!;
  const end = seconds(window.end);
  const previous = channel.slices.at(-1)?.end ?? 0;
  if (end <= previous)
    return call; // repeated after a checkpoint
  const slice = { start: Math.max(previous, seconds(window.start)), end, scores: window.fused.judgement.scores ? window.smoothed.scores! : null };
  channels[window.channel] = { ...channel, slices: [...channel.slices, slice].slice(-maxSlices), newest: window };
  return { ...call, channels };
}

/** Applies an event. Running calls come first, then the latest; calls that ended are dropped first. */
function apply(calls: Call[], event: CallEvent): Call[] {
  const { call: id } = event.data;
  const known = calls.find(call => call.id === id) ?? { id, session: event.subject, channels: [], alerts: [], status: "", summary: null };
  const changed = applyToCall(known, event.data);
  const all = calls.includes(known) ? calls.map(call => (call === known ? changed : call)) : [changed, ...calls];
  return [...all.filter(call => !call.status), ...all.filter(call => call.status)].slice(0, maxCalls);
}

export function Calls() {
  const { fail } = useApp();
  const [calls, dispatch] = useReducer(apply, []);
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
              dispatch(JSON.parse(data) as CallEvent);
          }
        } catch (error) {
          if (signal.aborted)
            return;
          if (error instanceof ServerError && error.needsKey)
            return fail(error);
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
        Live events of the calls on this server: from programs, the command line, and the Live page in another tab. <span class={`pill ${watching === "on" ? "good" : watching === "lost" ? "bad" : ""}`} data-watching={watching}>
          {{ connecting: "Connecting", on: "Watching", lost: "Connection lost, reconnecting" }[watching]}
        </span>
      </p>
      <div role="log" aria-label="Alerts">
        {alerts.map(({ call, alert }) => (
          <p class={`message ${alert.state === "ALERT_STATE_RAISED" ? "bad" : ""}`} key={call.id + alert.rule + alert.time + alert.state}>
            <strong>{call.session}</strong> {describeAlert(alert)}
          </p>
        ))}
      </div>
      {dropped > 0 && <p class="meta">{dropped} events were dropped because this browser was too slow.</p>}
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
        const emotion = channel.newest?.fused.judgement.scores ? parseEmotion(channel.newest.smoothed.emotion) : null;
        const end = channel.slices.at(-1)?.end ?? 1;
        return (
          <div class="channel" key={index}>
            <p>
              <strong>{roles[channel.role] ?? `Channel ${index + 1}`}</strong>{" "}
              {!channel.hasEmotion ? "emotion inference is off"
                : emotion ? <><Glyph emotion={emotion} size={18} /> {emotion}</>
                  : channel.newest ? (channel.newest.fused.judgement.scores ? "Uncertain" : describeJudgement(channel.newest.fused.judgement)) : "no window yet"}
              {channel.hasEmotion && channel.slices.length > 0 && <span class="meta"> {clock(end)}</span>}
            </p>
            {channel.hasEmotion && <Ribbon slices={channel.slices} from={channel.slices[0]?.start ?? 0} to={end} label={`Emotional arc of ${call.session}`} />}
          </div>
        );
      })}
      {call.alerts.length > 0 && <ul class="alerts">{call.alerts.map(alert => <li key={alert.rule + alert.time + alert.state}>{describeAlert(alert)}</li>)}</ul>}
      {call.summary && <Summary summary={call.summary} />}
    </section>
  );
}

const withConfidence = (judgement: Judgement) => describeJudgement(judgement) + (judgement.scores ? ` ${percent(judgement.confidence)}` : "");

function Summary({ summary }: { summary: CallSummary }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Summary of the call">
      <table class="numbers summary">
        <caption>Summary of {clock(seconds(summary.duration), 1)}{seconds(summary.overlap) > 0 && `, ${clock(seconds(summary.overlap), 1)} of it overlapping speech`}</caption>
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
