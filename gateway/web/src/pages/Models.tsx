import { useMemo, useState } from "preact/hooks";
import { headline, modalities, useApp } from "../app";
import { emotions, percent, seconds } from "../emotions";
import { Chart } from "../parts/Chart";
import type { Metrics, Model } from "../types";

const titles = { speech: "Voices", face: "Faces" };

export function Models() {
  const { models } = useApp();
  const [selected, select] = useState("");
  if (!models)
    return <h1 tabIndex={-1}>Models</h1>;
  const shown = models.find(model => model.reference.name === selected) ?? models.find(model => model.is_default)!;
  return (
    <>
      <h1 tabIndex={-1}>Models</h1>
      <p>
        Affect started from a study of five speech models and two face models. They were trained again here, and more models were added;
        this server serves all of them. “Study” is the figure that the study reports for its model of the same name on its own test
        split. The two figures are comparable, but not the same measurement.
      </p>
      {(["speech", "face"] as const).map(modality => (
        <Comparison key={modality} modality={modality} models={models.filter(model => model.modality === modalities[modality])} shown={shown} open={name => {
          select(name);
          document.getElementById("details")?.scrollIntoView({ block: "start" });
        }} />
      ))}
      <Details key={shown.reference.name} model={shown} />
    </>
  );
}

const measures = [
  { title: "Accuracy", ours: (m: Metrics) => m.accuracy, study: "accuracy" },
  { title: "Precision", ours: (m: Metrics) => m.macro_precision, study: "precision" },
  { title: "Recall", ours: (m: Metrics) => m.unweighted_average_recall, study: "recall" },
  { title: "F1", ours: (m: Metrics) => m.macro_f1, study: "f1" },
] as const;

function Comparison({ modality, models, shown, open }: { modality: "speech" | "face"; models: Model[]; shown: Model; open: (name: string) => void }) {
  const { choice, choose } = useApp();
  const sorted = [...models].sort((a, b) => (headline(b).test?.accuracy ?? 0) - (headline(a).test?.accuracy ?? 0));
  const withUnseen = models.some(model => headline(model).unseen);
  return (
    <section class="panel" aria-label={titles[modality]}>
      <h2>{titles[modality]}</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Comparison: ${titles[modality]}`}>
        <table class="numbers comparison">
          <thead>
            <tr>
              <th scope="col" rowSpan={2}>Model</th>
              <th scope="col" rowSpan={2}>On Live</th>
              {measures.map(({ title }) => <th scope="colgroup" colSpan={2} key={title}>{title}</th>)}
              {withUnseen && <th scope="col" rowSpan={2}>Unseen speakers</th>}
              <th scope="col" rowSpan={2}>ECE</th>
            </tr>
            <tr>{measures.map(({ title }) => [<th scope="col" key={title}>here</th>, <th scope="col" class="study" key={`${title} study`}>study</th>])}</tr>
          </thead>
          <tbody>
            {sorted.map(model => {
              const { name } = model.reference;
              const { test, unseen } = headline(model);
              const study = STUDY[name];
              const inUse = choice[modality] ? choice[modality] === name : model.is_default;
              return (
                <tr key={name} data-model={name} class={model === shown ? "shown" : ""}>
                  <th scope="row">
                    <button type="button" class="link" aria-pressed={model === shown} onClick={() => open(name)}>{name}</button>
                    {model.is_default && <small class="pill">default</small>}
                  </th>
                  <td>
                    <button type="button" aria-pressed={inUse} aria-label={`${inUse ? "In use" : "Use"} on Live: ${name}`}
                      onClick={() => choose({ ...choice, [modality]: model.is_default ? "" : name })}>{inUse ? "In use" : "Use"}</button>
                  </td>
                  {measures.map(({ title, ours, study: key }) => [
                    <td key={title} data-measure={title}>{test ? percent(ours(test), 1) : "–"}</td>,
                    <td key={`${title} study`} class="study" data-study={title}>{study ? percent(study[key], 1) : "–"}</td>,
                  ])}
                  {withUnseen && <td data-measure="Unseen">{unseen ? percent(unseen.accuracy, 1) : "–"}</td>}
                  <td>{test ? percent(test.expected_calibration_error, 1) : "–"}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <p class="meta">
        {headline(sorted[0]!).test && `${headline(sorted[0]!).test!.samples} samples, ${headline(sorted[0]!).test!.data}, ${headline(sorted[0]!).test!.protocol}. `}
        {withUnseen && "Unseen speakers: speaker-independent accuracy, on actors who were not in training; the figure to expect for new speakers. "}
        Precision, recall and F1 are unweighted means over the seven emotions; this recall is the UAR. ECE is the expected calibration error in 15 bins.
      </p>
    </section>
  );
}

function Details({ model }: { model: Model }) {
  const { name, version } = model.reference;
  const [chosen, choose] = useState(0);
  const metrics = model.metrics[chosen];
  const curves = useMemo(() => learningOf(model), [model]);
  const reliability = useMemo(() => (metrics ? reliabilityOf(metrics) : null), [metrics]);
  return (
    <section class="panel" id="details" aria-label={`Model ${name}`}>
      <h2>{name} {version}</h2>
      <p>{model.description}</p>
      <dl class="card">
        <div><dt>Input</dt><dd>{model.input.window ? `${seconds(model.input.window)} s of audio` : `a face of ${model.input.size}×${model.input.size} pixels`} as {model.input.features.replace("FEATURE_KIND_", "").toLowerCase().replaceAll("_", ", ")}</dd></div>
        <div><dt>Uncertain below</dt><dd>{percent(model.abstain_below, 1)}</dd></div>
        <div><dt>Temperature</dt><dd>{model.temperature.toFixed(2)}</dd></div>
        {model.cost && <div><dt>Size</dt><dd>{parseInt(model.cost.parameters).toLocaleString("en")} parameters, {(parseInt(model.cost.file_bytes) / 1e6).toFixed(1)} MB</dd></div>}
        {model.cost && <div><dt>Latency</dt><dd>{(1000 * seconds(model.cost.latency)).toFixed(2)} ms</dd></div>}
        <div><dt>License</dt><dd>{model.license}</dd></div>
      </dl>
      <p class="meta">Latency is the CPU time of one inference on one core, without feature extraction.</p>
      {CARDS.includes(name) && <p><a class="button" href={`/cards/${name}.html`}>Model card: data, protocol, limits</a></p>}
      {metrics && reliability && (
        <>
          <label class="select">
            Measured on
            <select value={chosen} onChange={event => choose(parseInt(event.currentTarget.value))}>
              {model.metrics.map((one, index) => <option key={index} value={index}>{[one.data, one.condition, one.protocol].filter(text => text).join(" · ")}</option>)}
            </select>
          </label>
          <p>
            <strong>{percent(metrics.accuracy, 1)}</strong> of {metrics.samples} samples correct.
            {metrics.at_threshold && <> At its threshold: coverage {percent(metrics.at_threshold.coverage)}, accuracy <strong>{percent(metrics.at_threshold.accuracy, 1)}</strong>.</>}
          </p>
          <div class="charts">
            <Confusion metrics={metrics} />
            <Chart title="Reliability: accuracy by score" {...reliability} />
          </div>
        </>
      )}
      {curves && (
        <div class="charts">
          <Chart title="Learning: accuracy" {...curves.accuracy} />
          <Chart title="Learning: loss, in nats" {...curves.loss} />
        </div>
      )}
    </section>
  );
}

function learningOf({ learning }: Model) {
  if (!learning?.loss.length)
    return null;
  const x = { label: "epoch", values: learning.loss.map((_, index) => index + 1) };
  const lines = (training: number[], validation: number[]) => [
    { label: "training", values: training, color: "--muted", dashed: true },
    { label: "validation", values: validation, color: "--accent" },
  ];
  return {
    accuracy: { x, lines: lines(learning.accuracy, learning.validation_accuracy) },
    loss: { x, lines: lines(learning.loss, learning.validation_loss) },
  };
}

function reliabilityOf({ reliability }: Metrics) {
  const bins = reliability.filter(bin => bin.count > 0);
  // The diagonal spans the whole range.
  return {
    range: [0, 1] as [number, number],
    x: { label: "score", values: [0, ...bins.map(bin => bin.confidence), 1] },
    lines: [
      { label: "perfect", values: [0, ...bins.map(bin => bin.confidence), 1], color: "--muted", dashed: true },
      { label: "accuracy", values: [null, ...bins.map(bin => bin.accuracy), null], color: "--accent" },
    ],
  };
}

function Confusion({ metrics }: { metrics: Metrics }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Confusion matrix">
      <table class="confusion">
        <caption>Confusion matrix in percent: true emotion (row), predicted emotion (column)</caption>
        <thead>
          <tr><th scope="col"><span class="hidden">True emotion</span></th>{emotions.map(emotion => <th scope="col" key={emotion}>{emotion.slice(0, 3)}<span class="hidden">{emotion.slice(3)}</span></th>)}</tr>
        </thead>
        <tbody>
          {metrics.confusion.map(({ counts }, row) => {
            const total = counts.reduce((sum, count) => sum + count, 0);
            return (
              <tr key={row}>
                <th scope="row">{emotions[row]}</th>
                {counts.map((count, column) => {
                  const share = total > 0 ? count / total : 0;
                  return (
                    <td key={column} title={`${count} of ${total}`} data-count={count}
                      style={{ backgroundColor: `rgb(from var(--accent) r g b / ${(0.55 * share).toFixed(3)})` }}>{(100 * share).toFixed(0)}</td>
                  );
                })}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
