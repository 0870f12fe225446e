// @ts-check
/** The script of the live page: hears of the runs in a folder and draws those that are chosen, one over the other. */
import { Chart } from "./charts.js";
import { compare } from "./comparison.js";
import { chartOptions, controls } from "./controls.js";
import { curvesOf, metricsOf, smooth } from "./curves.js";
import { element } from "./dom.js";
import { formatMetric, titleOf } from "./format.js";

/** @typedef {import("../runs-folder.ts").RunCard} RunCard */
/** @typedef {import("./curves.js").Point} Point */

/**
 * @typedef {object} Run
 * @property {RunCard} card
 * @property {Point[]} points
 * @property {number} order in which it appeared, which gives its colour
 * @property {boolean} isChosen
 */

/**
 * What stands in the list for a run.
 *
 * @typedef {object} Item
 * @property {HTMLElement} item
 * @property {HTMLInputElement} box
 * @property {HTMLElement} title
 * @property {HTMLElement} note
 * @property {HTMLElement} status
 * @property {HTMLElement} bar
 */

const COLORS = 10;
const CHOSEN_AT_FIRST = 10;

/** @type {Map<string, Run>} */
const runs = new Map();
/** @type {Map<string, Item>} */
const items = new Map();
/** @type {Map<string, Chart>} */
const charts = new Map();
/** What has been chosen or not by hand, kept when the page is loaded again. @type {Record<string, boolean>} */
const byHand = JSON.parse(sessionStorage.getItem("chosen") ?? "{}");
let appeared = 0;
let isPlanned = false;
/** @type {import("./comparison.js").Sort} */
let sort = { column: null, isDescending: false };

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const filter = /** @type {HTMLInputElement} */ (find("filter"));
const view = controls(/** @type {HTMLFormElement} */ (find("controls")), plan);

filter.addEventListener("input", plan);
find("all").addEventListener("click", () => choose(true));
find("none").addEventListener("click", () => choose(false));

listen();

function listen() {
  const source = new EventSource("/events");
  const on = (/** @type {string} */ event, /** @type {(data: any) => void} */ handle) =>
    source.addEventListener(event, (message) => {
      handle(JSON.parse(message.data));
      plan();
    });
  // The server tells everything anew whenever the page connects.
  on("hello", () => {
    runs.clear();
    appeared = 0;
    connected("finished", "Live");
  });
  on("run", (card) => {
    const known = runs.get(card.id);
    if (known) known.card = card;
    else {
      const isChosen = byHand[card.id] ?? [...runs.values()].filter((run) => run.isChosen).length < CHOSEN_AT_FIRST;
      runs.set(card.id, { card, points: [], order: appeared++, isChosen });
    }
  });
  on("points", ({ id, points }) => runs.get(id)?.points.push(...points));
  on("reset", ({ id }) => {
    const run = runs.get(id);
    if (run) run.points = [];
  });
  on("gone", ({ id }) => runs.delete(id));
  source.addEventListener("error", () => connected("stopped", "Disconnected; trying again"));
}

function connected(/** @type {string} */ kind, /** @type {string} */ text) {
  const status = find("connection");
  status.className = `status ${kind}`;
  status.textContent = text;
}

/** Draws once, however much has come, when the browser draws next. */
function plan() {
  if (isPlanned) return;
  isPlanned = true;
  requestAnimationFrame(() => {
    isPlanned = false;
    draw();
  });
}

function draw() {
  const listed = [...runs.values()].sort(
    (a, b) => (b.card.started ?? "").localeCompare(a.card.started ?? "") || a.card.name.localeCompare(b.card.name),
  );
  const chosen = listed.filter((run) => run.isChosen);
  drawList(listed);
  drawCharts(chosen);
  const empty = find("empty");
  empty.hidden = chosen.length > 0;
  empty.textContent = runs.size === 0 ? "There are no runs here yet. They appear as they begin." : "No run is chosen.";
  find("comparison").hidden = chosen.length === 0;
  compare(find("head"), find("rows"), chosen, sort, colorOf, (column) => {
    sort = { column, isDescending: sort.column === column ? !sort.isDescending : false };
    plan();
  });
}

/** @param {Run} run */
function colorOf({ order }) {
  return `--run-${order % COLORS}`;
}

/** @param {readonly Run[]} listed */
function drawList(listed) {
  const list = find("runs");
  const wanted = filter.value.toLowerCase();
  const shown = listed.filter(({ card }) => card.name.toLowerCase().includes(wanted));
  for (const [id, { item }] of items) {
    if (runs.has(id)) continue;
    item.remove();
    items.delete(id);
  }
  for (const [place, run] of listed.entries()) {
    const parts = items.get(run.card.id) ?? newItem(run.card.id);
    fill(parts, run);
    parts.item.hidden = !shown.includes(run);
    if (list.children[place] !== parts.item) list.insertBefore(parts.item, list.children[place] ?? null);
  }
}

/**
 * @param {string} id
 * @returns {Item}
 */
function newItem(id) {
  const box = element("input", { type: "checkbox" });
  const title = element("span", { className: "name" });
  const note = element("span", { className: "note" });
  const status = element("span", { className: "dot" });
  const bar = element("i", { className: "progress" });
  const report = element(
    "a",
    { href: `/report?run=${encodeURIComponent(id)}`, target: "_blank", rel: "noopener" },
    "report",
  );
  const item = element("li", {}, element("label", {}, box, title, status, note), report, bar);
  box.addEventListener("change", () => set(id, box.checked));
  const parts = { item, box, title, note, status, bar };
  items.set(id, parts);
  return parts;
}

/**
 * @param {Item} parts
 * @param {Run} run
 */
function fill({ item, box, title, note, status, bar }, run) {
  const { card, points } = run;
  item.style.setProperty("--run", `var(${colorOf(run)})`);
  box.checked = run.isChosen;
  title.textContent = card.name;
  title.title = card.name;
  status.className = `dot ${card.status}`;
  status.title = card.status;
  const ended = points.filter(({ kind }) => kind === "epoch");
  const epochs = card.epochs === null ? `${ended.length}` : `${ended.length}/${card.epochs}`;
  const last = ended.at(-1)?.values;
  const score = ["valid.accuracy", "valid.loss", "train.accuracy", "train.loss"].find((name) => last && name in last);
  const told = [card.status, `epoch ${epochs}`, score && formatMetric(score, last?.[score])];
  note.textContent = told.filter(Boolean).join(" · ");
  const all = (card.epochs ?? 0) * (card.stepsPerEpoch ?? 0);
  const isGoing = card.status === "running" && all > 0;
  bar.hidden = !isGoing;
  if (isGoing) bar.style.setProperty("--share", String(Math.min(1, (points.at(-1)?.step ?? 0) / all)));
}

/** @param {readonly Run[]} chosen */
function drawCharts(chosen) {
  const holder = find("charts");
  const { axis, smoothing, train: hasTrain, valid: hasValid } = view();
  const metrics = metricsOf(chosen.flatMap(({ points }) => points));
  for (const [metric, chart] of charts) chart.element.hidden = !metrics.includes(metric);
  for (const metric of metrics) {
    const chart = charts.get(metric) ?? new Chart(titleOf(metric));
    charts.set(metric, chart);
    holder.append(chart.element); // in the order of the metrics
    const lines = chosen.flatMap((run) => {
      const { card, points, order } = run;
      const { steps, train, valid } = curvesOf(points, metric, axis, card.stepsPerEpoch);
      const look = { color: colorOf(run), ...(order >= COLORS ? { dash: [6, 4] } : {}) };
      const learned = smooth(steps.x.length > 0 ? steps : train, smoothing);
      if (train.x.length + valid.x.length === 0) return [{ ...look, label: card.name, ...learned }];
      return [
        hasTrain && { ...look, label: `${card.name}, training`, width: 1.25, opacity: hasValid ? 0.6 : 1, ...learned },
        hasValid && { ...look, label: card.name, marks: true, ...valid },
      ].filter((line) => line !== false);
    });
    const drawn = lines.filter(({ x }) => x.length > 0);
    chart.draw(drawn, chartOptions(view(), metric));
  }
}

/**
 * @param {string} id
 * @param {boolean} isChosen
 */
function set(id, isChosen) {
  const run = runs.get(id);
  if (run) run.isChosen = isChosen;
  byHand[id] = isChosen;
  sessionStorage.setItem("chosen", JSON.stringify(byHand));
  plan();
}

/** Chooses all that are listed, or none of them. @param {boolean} isChosen */
function choose(isChosen) {
  for (const [id, { item }] of items) if (!item.hidden) set(id, isChosen);
}
