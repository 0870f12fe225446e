/** How often each class was taken for each other: the numbers, and the matrix as HTML. */
import { type Html, html } from "./html.ts";
import { formatCount, formatPercent } from "./page/format.js";
import type { Predictions } from "./predictions.ts";

export interface ClassScores {
  readonly label: string;
  /** Examples of the class. */
  readonly support: number;
  /** Of those taken for the class, the share that is; null if none was. */
  readonly precision: number | null;
  /** Of those of the class, the share that was taken for it; null if there is none. */
  readonly recall: number | null;
  /** 2 correct / (support + taken for it); null without either. */
  readonly f1: number | null;
}

/** Scores of each class, in the order of the labels. */
export function classScores({ labels, confusion }: Pick<Predictions, "labels" | "confusion">): ClassScores[] {
  const support = new Float64Array(labels.length);
  const taken = new Float64Array(labels.length);
  const correct = new Float64Array(labels.length);
  for (const [label, predicted, count] of confusion) {
    support[label]! += count;
    taken[predicted]! += count;
    if (label === predicted) correct[label]! += count;
  }
  return labels.map((label, k) => ({
    label,
    support: support[k]!,
    precision: share(correct[k]!, taken[k]!),
    recall: share(correct[k]!, support[k]!),
    f1: share(2 * correct[k]!, support[k]! + taken[k]!),
  }));
}

/** The mean of a score over the classes that have it, each as much as `weigh` says; null if none has it. */
export function meanScore(
  scores: readonly ClassScores[],
  name: "precision" | "recall" | "f1",
  weigh: (scores: ClassScores) => number,
): number | null {
  const having = scores.filter((each) => each[name] !== null);
  const sum = (value: (scores: ClassScores) => number) => having.reduce((total, each) => total + value(each), 0);
  return share(
    sum((each) => weigh(each) * each[name]!),
    sum(weigh),
  );
}

// The most classes whose counts can be read in a table, and the most that a picture has room for.
const LARGEST_TABLE = 20;
const LARGEST_PICTURE = 100;

/** The matrix: a table for few classes, a picture for many; of very many, those with the most mistakes. */
export function confusionMatrix({ labels, confusion }: Pick<Predictions, "labels" | "confusion">): Html {
  const counts = new Map(confusion.map(([label, predicted, count]) => [label * labels.length + predicted, count]));
  const support = classScores({ labels, confusion }).map((scores) => scores.support);
  const shown = mostConfused(labels.length, confusion);
  const cell = (label: number, predicted: number): Cell => {
    const count = counts.get(label * labels.length + predicted) ?? 0;
    return { count, share: share(count, support[label]!) ?? 0, isRight: label === predicted };
  };
  const names = shown.map((label) => labels[label]!);
  const matrix = shown.map((label) => shown.map((predicted) => cell(label, predicted)));
  const left = labels.length - shown.length;
  return html`${left > 0 && html`<p class="note">The ${shown.length} of ${labels.length} classes with the most mistakes.</p>`}
<div class="matrix-holder" tabindex="0" role="region" aria-label="Confusion matrix">
${shown.length <= LARGEST_TABLE ? tableOf(names, matrix) : pictureOf(names, matrix)}
</div>
${shown.length > LARGEST_TABLE && html`<output class="told">Point at a cell to see what it holds.</output>`}
${legend()}`;
}

/** The pairs of classes that are confused most often. */
export function frequentConfusions(
  { labels, confusion }: Pick<Predictions, "labels" | "confusion">,
  most: number,
): { label: string; predicted: string; count: number }[] {
  return confusion
    .filter(([label, predicted]) => label !== predicted)
    .sort((a, b) => b[2] - a[2])
    .slice(0, most)
    .map(([label, predicted, count]) => ({ label: labels[label]!, predicted: labels[predicted]!, count }));
}

interface Cell {
  readonly count: number;
  /** Of the examples of its row's class. */
  readonly share: number;
  readonly isRight: boolean;
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

function mostConfused(classes: number, confusion: Predictions["confusion"]): number[] {
  const all = Array.from({ length: classes }, (_, k) => k);
  if (classes <= LARGEST_PICTURE) return all;
  const mistakes = new Float64Array(classes);
  for (const [label, predicted, count] of confusion) {
    if (label === predicted) continue;
    mistakes[label]! += count;
    mistakes[predicted]! += count;
  }
  return all
    .sort((a, b) => mistakes[b]! - mistakes[a]!)
    .slice(0, LARGEST_PICTURE)
    .sort((a, b) => a - b);
}

const WIDE_NAME = 6; // has no room above a narrow column

function tableOf(names: readonly string[], matrix: readonly (readonly Cell[])[]): Html {
  const isCrowded = names.length > 5 && names.some((name) => name.length > WIDE_NAME);
  return html`<table class="matrix${isCrowded && " crowded"}">
<caption class="hidden">Rows: the label. Columns: what it was taken for.</caption>
<thead><tr><td class="corner"><span>label</span> <span>taken for</span></td>${names.map((name) => html`<th scope="col"><span>${name}</span></th>`)}</tr></thead>
<tbody>${names.map((name, row) => html`<tr><th scope="row">${name}</th>${matrix[row]!.map(tableCell)}</tr>\n`)}</tbody>
</table>`;
}

function tableCell({ count, share, isRight }: Cell): Html {
  if (count === 0) return html`<td class="none">0</td>`;
  const kind = `${isRight ? "right" : "wrong"}${share > 0.75 ? " strong" : ""}`;
  return html`<td class="${kind}" style="--share:${share.toFixed(3)}">${formatCount(count)}<small>${formatPercent(share)}</small></td>`;
}

const CELL = 10;
const LONGEST_NAME = 22;
const LETTER = 4.8; // the width of one, about

function pictureOf(names: readonly string[], matrix: readonly (readonly Cell[])[]): Html {
  const short = (name: string) => (name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name);
  const gutter = 10 + LETTER * Math.max(...names.map((name) => short(name).length));
  const size = gutter + CELL * names.length;
  const at = (k: number) => gutter + CELL * k;
  const middle = (k: number) => at(k) + 0.75 * CELL;
  return html`<svg class="matrix" viewBox="0 0 ${size} ${size}" style="min-width:${Math.round(0.85 * size)}px;max-width:${2 * size}px" role="img" aria-label="Confusion matrix of ${names.length} classes; rows: the label, columns: what it was taken for">
<rect class="ground" x="${gutter}" y="${gutter}" width="${CELL * names.length}" height="${CELL * names.length}"/>
${names.map((name, k) => html`<text x="${gutter - 4}" y="${middle(k)}" text-anchor="end">${short(name)}</text><text transform="translate(${middle(k)} ${gutter - 4}) rotate(-90)">${short(name)}</text>\n`)}
${matrix.map((cells, row) =>
  cells.map(
    ({ count, share, isRight }, column) =>
      count > 0 &&
      html`<rect class="${isRight ? "right" : "wrong"}" style="--share:${share.toFixed(3)}" x="${at(column)}" y="${at(row)}" width="${CELL - 0.5}" height="${CELL - 0.5}"><title>${names[row]} taken for ${names[column]}: ${formatCount(count)}, ${formatPercent(share)} of ${names[row]}</title></rect>`,
  ),
)}
</svg>`;
}

function legend(): Html {
  const scale = (kind: string) => html`<span class="from">0 % <i class="scale ${kind}"></i> 100 % ${kind}</span> `;
  return html`<p class="legend">${scale("right")}${scale("wrong")}<span>of the examples of a row's class</span></p>`;
}
