// @ts-check
/** Charts of curves: they follow their container's width and the page's colours, and tell the values under the cursor. */
import uPlot from "uplot";

/**
 * A curve with its looks.
 *
 * @typedef {object} Line
 * @property {string} label
 * @property {string} color a CSS variable, such as "--train"
 * @property {number} [width] in pixels
 * @property {number} [opacity]
 * @property {readonly number[]} [dash]
 * @property {boolean} [quiet] not told under the cursor
 * @property {boolean} [marks] with a mark at each point
 * @property {readonly number[]} x
 * @property {readonly number[]} y
 */

/**
 * @typedef {object} ChartOptions
 * @property {boolean} log whether the vertical axis is logarithmic
 * @property {"step" | "epoch"} axis
 * @property {(value: number | null | undefined) => string} format of values under the cursor
 * @property {(value: number) => string} formatTick of values on the axis
 */

const HEIGHT = 240;
const AWAY = 12; // pixels from the cursor to what is told

/** One chart, in a figure with the metric's name. */
export class Chart {
  /** @type {HTMLElement} */
  element;
  /** @type {HTMLElement} */
  #holder;
  /** @type {HTMLElement} */
  #tip;
  /** @type {uPlot | null} */
  #plot = null;
  #looks = "";
  /** @type {readonly Line[]} */
  #lines = [];
  /** @type {ChartOptions} */
  #options = { log: false, axis: "step", format: String, formatTick: String };

  /** @param {string} title */
  constructor(title) {
    this.element = document.createElement("figure");
    this.element.className = "chart";
    const caption = document.createElement("figcaption");
    caption.textContent = title;
    this.#holder = document.createElement("div");
    this.#holder.className = "plot";
    this.#holder.setAttribute("role", "img");
    this.#tip = document.createElement("div");
    this.#tip.className = "tip";
    this.#tip.hidden = true;
    this.element.append(caption, this.#holder);
    new ResizeObserver(() => this.#fit()).observe(this.#holder);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#plot?.redraw(false));
  }

  /**
   * @param {readonly Line[]} lines
   * @param {ChartOptions} options
   */
  draw(lines, options) {
    this.#lines = lines;
    this.#options = options;
    this.#holder.setAttribute("aria-label", describe(lines, options));
    const data = align(lines, options.log);
    const looks = JSON.stringify([options.log, options.axis, lines.map(({ x, y, ...look }) => look)]);
    if (this.#plot && looks === this.#looks) {
      this.#plot.setData(data, !this.#isZoomed());
      this.#plot.redraw();
      return;
    }
    this.#looks = looks;
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#plotOptions(), data, this.#holder);
    this.#plot.over.append(this.#tip);
    this.#tip.hidden = true;
  }

  #fit() {
    const { clientWidth: width } = this.#holder;
    if (this.#plot && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }

  // Whether a part has been picked with the mouse; a double click shows all again.
  #isZoomed() {
    const [x] = this.#plot?.data ?? [];
    const { min, max } = this.#plot?.scales.x ?? {};
    if (!x || x.length < 2 || min == null || max == null) return false;
    return min > /** @type {number} */ (x[0]) || max < /** @type {number} */ (x[x.length - 1]);
  }

  /** @returns {import("uplot").Options} */
  #plotOptions() {
    const { log, formatTick } = this.#options;
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const line = { stroke: () => cssColor("--line"), width: 1 };
    const axis = { font, stroke: () => cssColor("--muted"), grid: line, ticks: { show: false } };
    return {
      width: Math.max(this.#holder.clientWidth, 100),
      height: HEIGHT,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      scales: { x: { time: false, range: spread }, y: log ? { distr: 3, range: around } : { distr: 1 } },
      axes: [
        { ...axis, size: 28, space: 60, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en")) },
        {
          ...axis,
          size: widthOfTicks,
          gap: 6,
          values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : formatTick(tick))),
        },
      ],
      cursor: {
        sync: { key: "charts", scales: ["x", null] },
        y: false,
        points: { size: 7 },
        hover: { skip: [null, undefined] },
      },
      hooks: { setCursor: [() => this.#tell()] },
      series: [
        {},
        ...this.#lines.map(({ label, color, width = 2, opacity = 1, dash, marks = false, x }) => ({
          label,
          stroke: () => cssColor(color),
          width,
          alpha: opacity,
          spanGaps: true,
          ...(dash ? { dash: [...dash] } : {}),
          points: { show: marks ? x.length <= 40 : x.length === 1, size: 6, fill: () => cssColor(color) },
        })),
      ],
    };
  }

  // Writes the values beside the cursor.
  #tell() {
    const plot = this.#plot;
    const { left = -1, idx } = plot?.cursor ?? {};
    if (!plot || left < 0 || idx == null || !this.element.matches(":hover")) {
      this.#tip.hidden = true;
      return;
    }
    const { axis, format } = this.#options;
    const x = /** @type {number} */ (plot.data[0][idx]);
    const rows = this.#lines.flatMap(({ label, color, quiet }, k) => {
      const at = plot.cursor.idxs?.[k + 1];
      const value = at == null ? null : plot.data[k + 1]?.[at];
      return quiet || value == null ? [] : [{ label, color, value }];
    });
    const head = document.createElement("div");
    head.textContent = `${axis} ${axis === "step" ? x.toLocaleString("en") : Number(x.toFixed(2))}`;
    this.#tip.replaceChildren(
      head,
      ...rows.map(({ label, color, value }) => {
        const row = document.createElement("div");
        const swatch = document.createElement("i");
        swatch.style.background = `var(${color})`;
        const name = document.createElement("span");
        name.textContent = label;
        const number = document.createElement("b");
        number.textContent = format(value);
        row.append(swatch, name, number);
        return row;
      }),
    );
    this.#tip.hidden = rows.length === 0;
    const { offsetWidth: width } = this.#tip;
    const isRoom = left + AWAY + width <= plot.over.clientWidth;
    this.#tip.style.left = `${isRoom ? left + AWAY : Math.max(0, left - AWAY - width)}px`;
  }
}

/**
 * The lines on one horizontal axis.
 *
 * @param {readonly Line[]} lines
 * @param {boolean} log whether only what is above 0 can be drawn
 * @returns {import("uplot").AlignedData}
 */
function align(lines, log) {
  if (lines.length === 0) return [[]];
  return uPlot.join(
    lines.map(({ x, y }) => [[...x], y.map((value) => (log && value <= 0 ? null : value))]),
    lines.map(() => [0, 0]),
  );
}

/**
 * The range of the horizontal axis; a single point lies in its middle.
 *
 * @type {import("uplot").Range.Function}
 */
const spread = (_, min, max) => (min === max ? [min - 1, max + 1] : [min, max]);

/**
 * The range of a logarithmic axis; the usual one goes to the next powers of ten.
 *
 * @type {import("uplot").Range.Function}
 */
const around = (_, min, max) => (min === null || max === null ? [0.1, 1] : [min / 1.2, max * 1.2]);

/**
 * As wide as the widest of the numbers on the vertical axis.
 *
 * @param {uPlot} plot
 * @param {readonly string[] | null} ticks
 */
function widthOfTicks(plot, ticks) {
  if (!ticks?.length) return 40;
  plot.ctx.font = `${12 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
  const widest = Math.max(...ticks.map((tick) => plot.ctx.measureText(tick).width));
  return Math.ceil(widest / devicePixelRatio) + 12;
}

/** @param {string} name a variable */
function cssColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * A chart in words: where each line begins, ends, and has its extremes.
 *
 * @param {readonly Line[]} lines
 * @param {ChartOptions} options
 * @returns {string}
 */
export function describe(lines, { format, axis }) {
  const told = lines.filter(({ quiet, y }) => !quiet && y.length > 0);
  if (told.length === 0) return "No values yet";
  return told
    .map(({ label, x, y }) => {
      const lowest = y.reduce((a, b) => Math.min(a, b));
      const highest = y.reduce((a, b) => Math.max(a, b));
      return `${label}: from ${format(y[0])} at ${axis} ${x[0]} to ${format(y.at(-1))} at ${axis} ${x.at(-1)}, between ${format(lowest)} and ${format(highest)}`;
    })
    .join(". ");
}
