// @ts-check
/** The table that compares runs: how they did, and in which settings they differ. */
import { element } from "./dom.js";
import { formatDuration, formatMetric, formatNumber, titleOf } from "./format.js";

/** @typedef {import("./watch.js").Run} Run */
/** @typedef {{ column: string | null, isDescending: boolean }} Sort */

/**
 * A column: what a run has in it, to sort by, and how that is written.
 *
 * @typedef {object} Column
 * @property {string} title
 * @property {(run: Run) => string | number | null | undefined} value
 * @property {(value: any) => string} [format]
 */

const SPLITS = { valid: "Validation", test: "Test", train: "Training" };

/**
 * @param {HTMLElement} head the table's row of headings
 * @param {HTMLElement} rows
 * @param {readonly Run[]} runs
 * @param {Sort} sort
 * @param {(run: Run) => string} colorOf
 * @param {(column: string) => void} onSort
 */
export function compare(head, rows, runs, sort, colorOf, onSort) {
  const columns = columnsOf(runs);
  fillHead(head, columns, sort, onSort);
  const by = columns.find(({ title }) => title === sort.column);
  rows.replaceChildren(
    ...sorted(runs, by, sort.isDescending).map((run) =>
      element(
        "tr",
        {},
        ...columns.map(({ value, format = String }, k) => {
          const found = value(run);
          const text = found == null ? "–" : format(found);
          if (k > 0) return element("td", {}, text);
          const swatch = element("i", { className: "swatch" });
          swatch.style.background = `var(${colorOf(run)})`;
          return element("th", { scope: "row" }, swatch, text);
        }),
      ),
    ),
  );
}

/**
 * The headings stay the same elements as long as the columns do, so that no click or focus is lost while runs go on.
 *
 * @param {HTMLElement} head
 * @param {readonly Column[]} columns
 * @param {Sort} sort
 * @param {(column: string) => void} onSort
 */
function fillHead(head, columns, sort, onSort) {
  const titles = columns.map(({ title }) => title);
  const old = [...head.children].map(({ textContent }) => textContent);
  if (titles.length !== old.length || titles.some((title, k) => title !== old[k])) {
    head.replaceChildren(
      ...titles.map((title) =>
        element("th", { scope: "col" }, element("button", { type: "button", onclick: () => onSort(title) }, title)),
      ),
    );
  }
  for (const cell of head.children) {
    if (cell.textContent !== sort.column) cell.removeAttribute("aria-sort");
    else cell.ariaSort = sort.isDescending ? "descending" : "ascending";
  }
}

/**
 * @param {readonly Run[]} runs
 * @returns {Column[]}
 */
function columnsOf(runs) {
  const names = [...new Set(runs.flatMap((run) => Object.keys(scoresOf(run))))];
  const rank = (/** @type {string} */ name) => Object.keys(SPLITS).indexOf(name.split(".")[0] ?? "");
  const metrics = names.sort((a, b) => rank(a) - rank(b));
  return [
    { title: "Run", value: ({ card }) => card.name },
    { title: "Status", value: ({ card }) => card.status },
    { title: "Model", value: ({ card }) => card.model },
    { title: "Epochs", value: ({ points }) => points.filter(({ kind }) => kind === "epoch").length },
    ...metrics.map((name) => ({
      title: headingOf(name),
      value: (/** @type {Run} */ run) => scoresOf(run)[name],
      format: (/** @type {number} */ value) => formatMetric(name, value),
    })),
    { title: "Time", value: secondsOf, format: formatDuration },
    { title: "Parameters", value: ({ card }) => card.parameters, format: formatNumber },
    ...differing(runs).map((name) => ({ title: name, value: (/** @type {Run} */ run) => settingOf(run, name) })),
  ];
}

/** @param {string} name such as "valid.loss" */
function headingOf(name) {
  const [split = "", metric = ""] = name.split(".");
  return `${SPLITS[/** @type {keyof typeof SPLITS} */ (split)]} ${titleOf(metric).toLowerCase()}`;
}

/**
 * Metrics by name with their part of the data: of the result, or else of the best epoch so far.
 *
 * @param {Run} run
 * @returns {Record<string, number>}
 */
function scoresOf({ card: { result }, points }) {
  const ended = points.filter(({ kind }) => kind === "epoch");
  const best = (ended.findLast((point) => point.best) ?? ended.at(-1))?.values ?? {};
  const own = Object.entries(best).filter(([name]) => name.includes("."));
  const measured = Object.entries(SPLITS).flatMap(([split]) =>
    Object.entries(result?.[/** @type {keyof typeof SPLITS} */ (split)] ?? {}).map(([name, value]) => [
      `${split}.${name}`,
      value,
    ]),
  );
  return Object.fromEntries([...own, ...measured].filter(([, value]) => typeof value === "number"));
}

/** @param {Run} run */
function secondsOf({ card, points }) {
  const sum = points.reduce((total, { kind, values }) => total + (kind === "epoch" ? (values.seconds ?? 0) : 0), 0);
  return card.result?.seconds ?? (sum > 0 ? sum : null);
}

/**
 * @param {Run} run
 * @param {string} name
 */
function settingOf({ card }, name) {
  const text = card.settings.find(([key]) => key === name)?.[1];
  return text !== undefined && text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

/**
 * The settings that are not the same in all runs.
 *
 * @param {readonly Run[]} runs
 * @returns {string[]}
 */
export function differing(runs) {
  const names = [...new Set(runs.flatMap(({ card }) => card.settings.map(([name]) => name)))];
  return names.filter((name) => new Set(runs.map((run) => settingOf(run, name))).size > 1);
}

/**
 * @param {readonly Run[]} runs
 * @param {Column | undefined} by
 * @param {boolean} isDescending
 */
function sorted(runs, by, isDescending) {
  if (!by) return runs;
  const order = (/** @type {Run} */ a, /** @type {Run} */ b) => {
    const [x, y] = [by.value(a), by.value(b)];
    if (x == null || y == null) return Number(x == null) - Number(y == null); // what is not there comes last
    const difference = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    return isDescending ? -difference : difference;
  };
  return [...runs].sort(order);
}
