/** A run as one page that needs nothing else: `report.html`. */
import { join } from "node:path";
import { DataError } from "../../gpu/errors.ts";
import { writeFileAtomic } from "../../io/files-node.ts";
import { formatShape } from "../../tensor/shape.ts";
import { classScores, confusionMatrix, frequentConfusions, meanScore } from "./confusion.ts";
import { type Html, type HtmlValue, html } from "./html.ts";
import { metricsOf } from "./page/curves.js";
import { formatCount, formatDuration, formatMetric, formatNumber, formatPercent, titleOf } from "./page/format.js";
import { renderPage } from "./page.ts";
import type { Mistake, Predictions, Shown } from "./predictions.ts";
import { asObject, type Point, thin } from "./run-log.ts";
import { type RunView, readRunView, settingsOf } from "./run-view.ts";

/** About how many points of the curves the page holds. */
const MOST_POINTS = 6000;

/**
 * Writes a run's `report.html` from what its folder tells now.
 *
 * @returns the file's path
 * @throws DataError if the folder is not that of a run, or cannot be written to
 */
export async function writeReport(folder: string): Promise<string> {
  const file = join(folder, "report.html");
  const view = await readRunView(folder);
  if (view.points.length === 0 && Object.keys(view.config).length === 0) {
    throw new DataError(`${folder}: has neither config.json nor metrics.jsonl; expected the folder of a run`);
  }
  await writeFileAtomic(file, new TextEncoder().encode(renderReport(view)));
  return file;
}

/** @returns the page's HTML */
export function renderReport(run: RunView): string {
  const sections = [
    curves(run),
    results(run),
    epochs(run),
    run.predictions && classes(run.predictions),
    run.predictions && confusions(run.predictions),
    run.predictions && mistakes(run.predictions),
    layers(run),
    configuration(run),
    environment(run),
  ].filter((section) => section !== null);
  const body = html`<a class="skip" href="#curves">Skip to the curves</a>
<header class="top">
<div>
<h1>${run.name}</h1>
<p class="subtitle">${subtitle(run)}</p>
</div>
<span class="status ${run.status}">${STATUS[run.status]}</span>
</header>
<nav aria-label="Sections">${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a> `)}</nav>
<main>
${figures(run)}
${sections.map(({ id, title, note, content }) => html`<section id="${id}" aria-labelledby="${id}-title">\n<h2 id="${id}-title">${title}</h2>\n${note && html`<p class="note">${note}</p>`}\n${content}\n</section>\n`)}
</main>
<footer>Written by tilegrad. This page is complete in itself and loads nothing.</footer>`;
  const { stepsPerEpoch = null } = run.about;
  return renderPage({
    title: `${run.name} · tilegrad`,
    style: "report.css",
    script: "report.js",
    data: { points: thin(run.points, MOST_POINTS), stepsPerEpoch },
    body,
  });
}

const STATUS = { running: "Running", finished: "Finished", stopped: "Stopped" } as const;

interface Section {
  readonly id: string;
  readonly title: string;
  readonly note?: string;
  readonly content: Html;
}

function subtitle({ config, about, result }: RunView): HtmlValue {
  const model = result?.model ?? asObject(config.model)?.model;
  const parts = [
    typeof config.task === "string" && `${titleOf(config.task)} classification`,
    typeof model === "string" && model,
    about.started && `begun ${about.started.slice(0, 16).replace("T", " ")} UTC`,
  ];
  return parts.filter((part) => typeof part === "string").join(" · ");
}

/** The best epoch so far, or the last one where none is marked. */
function bestEpoch(points: readonly Point[]): Point | undefined {
  const ended = points.filter(({ kind }) => kind === "epoch");
  return ended.findLast(({ best }) => best) ?? ended.at(-1);
}

// What one wants to know first.
function figures({ points, result, about }: RunView): Html {
  const best = bestEpoch(points);
  const epochsDone = points.filter(({ kind }) => kind === "epoch").length;
  const splits = [
    ["test", "Test"],
    ["valid", "Validation"],
    ["train", "Training"],
  ] as const;
  const scores = splits.flatMap(([split, title]) => {
    const metrics = asObject(result?.[split]) ?? valuesOf(best, split);
    return ["accuracy", "loss"].flatMap((name) =>
      typeof metrics[name] === "number" ? [[`${title} ${name}`, formatMetric(name, metrics[name])] as const] : [],
    );
  });
  const seconds =
    result?.seconds ??
    points.reduce((sum, { kind, values }) => sum + (kind === "epoch" ? (values.seconds ?? 0) : 0), 0);
  const all = [
    ...scores.slice(0, 4),
    ["Best epoch", best ? `${best.epoch + 1} of ${epochsDone}` : "–"],
    ["Parameters", formatCountOf(result?.parameters ?? about.parameters)],
    ["Time", formatDuration(seconds || null)],
    ["Examples per second", formatCountOf(result?.examplesPerSecond)],
  ].filter(([, value]) => value !== "–");
  return html`<dl class="figures">${all.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>\n`)}</dl>`;
}

function formatCountOf(value: number | undefined | null): string {
  return typeof value === "number" && Number.isFinite(value) ? formatCount(value) : "–";
}

function valuesOf(point: Point | undefined, split: string): Record<string, number> {
  const own = Object.entries(point?.values ?? {}).filter(([name]) => name.startsWith(`${split}.`));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(split.length + 1), value]));
}

function curves({ points }: RunView): Section {
  const content =
    points.length === 0
      ? html`<p class="note">Nothing has been logged yet.</p>`
      : html`<form id="controls" class="controls">
<fieldset><legend>Along</legend><label><input type="radio" name="axis" value="step" checked> steps</label> <label><input type="radio" name="axis" value="epoch"> epochs</label></fieldset>
<label><input type="checkbox" name="log"> Logarithmic</label>
<label>Smoothing <input type="range" name="smoothing" min="0" max="0.98" step="0.02" value="0"> <output>0.00</output></label>
<p class="key"><span><i class="train"></i>training</span> <span><i class="valid"></i>validation</span></p>
</form>
<div id="charts" class="charts"><noscript><p class="note">The curves need JavaScript; their numbers per epoch are in the table below.</p></noscript></div>`;
  return { id: "curves", title: "Curves", content };
}

function results({ result }: RunView): Section | null {
  const splits = (["train", "valid", "test"] as const).flatMap((split) => {
    const metrics = asObject(result?.[split]);
    return metrics ? [{ split, metrics }] : [];
  });
  if (splits.length === 0) return null;
  const names = [...new Set(splits.flatMap(({ metrics }) => Object.keys(metrics)))].filter((name) =>
    splits.some(({ metrics }) => typeof metrics[name] === "number"),
  );
  const titles = { train: "Training", valid: "Validation", test: "Test" };
  return {
    id: "results",
    title: "Results",
    note: "Of the parameters that were kept, those of the best epoch. Those of training were taken while it learned.",
    content: table(
      ["", ...names.map(titleOf)],
      splits.map(({ split, metrics }) => [
        titles[split],
        ...names.map((name) => formatMetric(name, metrics[name] as number | null)),
      ]),
    ),
  };
}

function epochs({ points }: RunView): Section | null {
  const ended = points.filter(({ kind }) => kind === "epoch");
  if (ended.length === 0) return null;
  const present = (name: string) => ended.some(({ values }) => name in values);
  const columns = metricsOf(ended)
    .flatMap((metric) => [`train.${metric}`, `valid.${metric}`, metric])
    .filter(present);
  const heading = (name: string) => {
    const [, split, metric] = /^(?:(train|valid)\.)?(.+)$/.exec(name)!;
    return split
      ? `${split === "train" ? "Training" : "Validation"} ${titleOf(metric!).toLowerCase()}`
      : titleOf(metric!);
  };
  const best = bestEpoch(points);
  return {
    id: "epochs",
    title: "Epochs",
    content: table(
      ["Epoch", "Step", ...columns.map(heading), "Seconds"],
      ended.map((point) => [
        html`${point.epoch + 1}${point === best && html` <b class="best">best</b>`}`,
        formatCount(point.step),
        ...columns.map((name) => formatMetric(name, point.values[name])),
        formatNumber(point.values.seconds && Number(point.values.seconds.toFixed(1))),
      ]),
      (row) => ended[row] === best && "chosen",
    ),
  };
}

const SPLITS = { valid: "validation", test: "test" } as const;

function about({ split, examples }: Predictions): string {
  return `On ${formatCount(examples)} ${SPLITS[split] ?? split} examples, with the parameters of the best epoch.`;
}

function classes(predictions: Predictions): Section {
  const scores = classScores(predictions);
  const correct = predictions.confusion.reduce((sum, [a, b, count]) => sum + (a === b ? count : 0), 0);
  const bar = (value: number | null) =>
    value === null
      ? html`–`
      : html`<span class="bar" style="--share:${value.toFixed(3)}">${formatPercent(value)}</span>`;
  const names = ["precision", "recall", "f1"] as const;
  const mean = (title: string, weigh: (row: (typeof scores)[number]) => number) => [
    html`<i>${title}</i>`,
    ...names.map((name) => bar(meanScore(scores, name, weigh))),
    formatCount(predictions.examples),
  ];
  return {
    id: "classes",
    title: "Classes",
    note: `${about(predictions)} ${formatCount(correct)} of them are right.`,
    content: table(
      ["Class", "Precision", "Recall", "F1", "Examples"],
      [
        ...scores.map((row) => [row.label, ...names.map((name) => bar(row[name])), formatCount(row.support)]),
        mean("mean over the classes", () => 1),
        mean("mean over the examples", ({ support }) => support),
      ],
      (row) => row >= scores.length && "mean",
    ),
  };
}

// Of so many classes, the matrix leaves room for a table beside it.
const BESIDE = 10;

function confusions(predictions: Predictions): Section {
  const frequent = frequentConfusions(predictions, 10);
  return {
    id: "confusion",
    title: "Confusion matrix",
    note: "A row is a label; its cells say what the examples with that label were taken for.",
    content: html`<div class="${predictions.labels.length <= BESIDE && "beside"}">
<div>${confusionMatrix(predictions)}</div>
${
  frequent.length > 0 &&
  html`<div><h3>Most frequent confusions</h3>
${table(
  ["Label", "Taken for", "Examples"],
  frequent.map(({ label, predicted, count }) => [label, predicted, formatCount(count)]),
)}</div>`
}
</div>`,
  };
}

function mistakes({ worst, confident, labels }: Predictions): Section {
  if (worst.length === 0) {
    return { id: "mistakes", title: "Mistakes", content: html`<p class="note">There are none.</p>` };
  }
  const list = (title: string, note: string, of: Predictions["worst"]) =>
    of.length > 0 &&
    html`<h3>${title}</h3>
<p class="note">${note}</p>
<ol class="mistakes">${of.map((mistake) => mistakeCard(mistake, labels))}</ol>`;
  return {
    id: "mistakes",
    title: "Mistakes",
    content: html`${list("Worst", "The label was held for the least likely. Some may be labelled wrongly.", worst)}
${list("Most confident", "The model was most sure of another class; without those above.", confident)}`,
  };
}

function mistakeCard(mistake: Mistake & Shown, labels: readonly string[]): Html {
  const { label, loss, guesses, example } = mistake;
  const content =
    "image" in mistake
      ? html`<img src="${mistake.image}" alt="Example ${example}, labelled ${labels[label]}">`
      : html`<blockquote>${mistake.text}</blockquote>`;
  const likeliest = guesses.some(([guess]) => guess === label)
    ? guesses
    : [...guesses, [label, Math.exp(-loss)] as const];
  return html`<li>${content}
<dl>${likeliest.map(([guess, probability]) => html`<div class="${guess === label ? "right" : "wrong"}"><dt>${labels[guess]}${guess === label && html` <small class="badge">label</small>`}</dt><dd><span class="bar" style="--share:${probability.toFixed(3)}">${formatPercent(probability)}</span></dd></div>`)}</dl>
<p class="note">example ${formatCount(example)} · loss ${loss.toFixed(2)}</p></li>\n`;
}

function layers({ about }: RunView): Section | null {
  if (!about.layers?.length) return null;
  const { parameters = 0, trainable = 0, parameterBytes = 0, bufferBytes = 0 } = about;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
  const frozen = parameters - trainable;
  return {
    id: "model",
    title: "Model",
    note:
      `${formatCount(parameters)} parameters (${megabytes(parameterBytes)})` +
      `${frozen > 0 ? `, ${formatCount(frozen)} of them frozen` : ""}${bufferBytes > 0 ? `, and ${megabytes(bufferBytes)} of buffers` : ""}.`,
    content: table(
      ["Layer", "Output", "Parameters"],
      about.layers.map(({ name, type, depth, outputs, parameters, trainable }) => [
        html`<span style="padding-left:${depth}em">${name !== "" && html`<code>${name.split(".").at(-1)}</code> `}${type}</span>`,
        outputs.map(formatShape).join(", ") || "–",
        html`${parameters === 0 ? "–" : formatCount(parameters)}${trainable < parameters && " frozen"}`,
      ]),
    ),
  };
}

function configuration({ config }: RunView): Section | null {
  const settings = settingsOf(config);
  if (settings.length === 0) return null;
  return {
    id: "configuration",
    title: "Configuration",
    content: html`<dl class="settings">${settings.map(([name, value]) => html`<div><dt><code>${name}</code></dt><dd>${value}</dd></div>\n`)}</dl>`,
  };
}

function environment({ about, points, result }: RunView): Section | null {
  const { started, device, adapter, tuned, processor, platform, versions, examples } = about;
  const known = points.filter(({ kind }) => kind === "epoch").map(({ values }) => values.seconds ?? 0);
  const inEpochs = known.reduce((sum, seconds) => sum + seconds, 0);
  const rows = [
    ["Device", [device ?? result?.device, adapter].filter(Boolean).join(": ")],
    ["Kernels", tuned ? `${formatCount(tuned)} measured choices (tilegrad tune)` : null],
    ["Processor", processor],
    ["Platform", platform],
    [
      "Versions",
      versions &&
        Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(", "),
    ],
    [
      "Examples",
      examples &&
        `${formatCount(examples.train)} training, ${formatCount(examples.valid)} validation${examples.test === null ? "" : `, ${formatCount(examples.test)} test`}`,
    ],
    ["Begun", started?.replace("T", " ").replace(/\.\d+Z$/, " UTC")],
    ["Time in epochs", known.length > 0 && formatDuration(inEpochs)],
    ["Time in all", result?.seconds !== undefined && formatDuration(result.seconds)],
  ].filter((row): row is [string, string] => typeof row[1] === "string" && row[1] !== "");
  if (rows.length === 0) return null;
  return {
    id: "environment",
    title: "Device and times",
    content: html`<dl class="settings">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>\n`)}</dl>`,
  };
}

/** A table that scrolls by itself where it is too wide or too long. */
function table(
  head: readonly string[],
  rows: readonly (readonly HtmlValue[])[],
  kind: (row: number) => string | false = () => false,
): Html {
  return html`<div class="scroll" tabindex="0"><table>
<thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map((cells, row) => html`<tr class="${kind(row)}">${cells.map((cell, column) => (column === 0 ? html`<th scope="row">${cell}</th>` : html`<td>${cell}</td>`))}</tr>\n`)}</tbody>
</table></div>`;
}
