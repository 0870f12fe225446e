// @ts-check
/** From the points of a run's log to the curves of its metrics. */

/** @typedef {import("../run-log.ts").Point} Point */

/**
 * @typedef {object} Curve
 * @property {readonly number[]} x
 * @property {readonly number[]} y
 */

/**
 * The curves of one metric: over the steps, and of whole epochs.
 *
 * @typedef {{ steps: Curve, train: Curve, valid: Curve }} MetricCurves
 */

// Numbers of a line that are no metric to plot.
const NOT_PLOTTED = ["seconds"];
// Those first, then all other metrics, then those.
const FIRST = ["loss", "accuracy"];
const LAST = ["learningRate", "gradientNorm", "examplesPerSecond"];

/**
 * The metrics that points tell of, in the order in which they are shown.
 *
 * @param {readonly Point[]} points
 * @returns {string[]}
 */
export function metricsOf(points) {
  const names = points.flatMap(({ values }) => Object.keys(values).map((name) => name.replace(/^(train|valid)\./, "")));
  const rank = (/** @type {string} */ name) =>
    FIRST.includes(name) ? FIRST.indexOf(name) - FIRST.length : LAST.indexOf(name) + 1;
  return [...new Set(names)]
    .filter((name) => !NOT_PLOTTED.includes(name))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

/**
 * @param {readonly Point[]} points
 * @param {string} metric
 * @param {"step" | "epoch"} axis what lies on the horizontal axis
 * @param {number | null} stepsPerEpoch where it is known
 * @returns {MetricCurves}
 */
export function curvesOf(points, metric, axis, stepsPerEpoch) {
  const perEpoch = stepsPerEpoch ?? firstEpochLength(points);
  const place = (/** @type {Point} */ { step, kind, epoch }) => {
    if (axis === "step") return step;
    if (kind === "epoch") return epoch + 1;
    return perEpoch === null ? epoch : step / perEpoch;
  };
  const curve = (/** @type {string} */ name) => {
    const all = points.filter(({ values }) => name in values);
    const having = all.filter(({ step }, i) => i === 0 || step !== all[i - 1]?.step); // an epoch may end with a step that is told
    return { x: having.map(place), y: having.map(({ values }) => /** @type {number} */ (values[name])) };
  };
  return { steps: curve(metric), train: curve(`train.${metric}`), valid: curve(`valid.${metric}`) };
}

/** @param {readonly Point[]} points */
function firstEpochLength(points) {
  const first = points.find(({ kind }) => kind === "epoch");
  return first ? first.step / (first.epoch + 1) : null;
}

/**
 * An exponential moving average that starts unbiased: s' = w s + (1 - w) y, divided by 1 - w^n.
 *
 * @param {Curve} curve
 * @param {number} weight of the past, from 0 (as it is) to below 1
 * @returns {Curve}
 */
export function smooth({ x, y }, weight) {
  if (weight === 0) return { x, y };
  let sum = 0;
  let share = 0;
  return {
    x,
    y: y.map((value) => {
      sum = weight * sum + (1 - weight) * value;
      share = weight * share + (1 - weight);
      return sum / share;
    }),
  };
}
