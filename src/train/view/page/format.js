// @ts-check
/** Numbers as people read them, in the pages and where the report is written. */

/**
 * A number with about four significant digits: 0.0001234, 0.4711, 12.35, 1,234.
 *
 * @param {number | null | undefined} value
 * @returns {string} "–" where there is none
 */
export function formatNumber(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(2).replace("e+", "e");
  if (Number.isInteger(value) || size >= 1000) return formatCount(value);
  return String(Number(value.toPrecision(4)));
}

/**
 * @param {number} value
 * @returns {string} whole, with a comma for each thousand
 */
export function formatCount(value) {
  return Math.round(value).toLocaleString("en");
}

/**
 * @param {number | null | undefined} share 0.8125 for 81.3 %
 * @returns {string} "–" where there is none
 */
export function formatPercent(share) {
  if (typeof share !== "number" || !Number.isFinite(share)) return "–";
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

/**
 * @param {number | null | undefined} seconds
 * @returns {string} such as "0.8 s", "42 s", "3 min 05 s", "2 h 10 min"; "–" where there is none
 */
export function formatDuration(seconds) {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return "–";
  if (seconds < 9.95) return `${seconds.toFixed(1)}\u00a0s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}\u00a0s`;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}\u00a0min ${two(whole % 60)}\u00a0s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)}\u00a0h ${two(minutes % 60)}\u00a0min`;
}

/**
 * What a metric's name is on a page: "learningRate" is "Learning rate", "f1" is "F1".
 *
 * @param {string} name
 * @returns {string}
 */
export function titleOf(name) {
  if (/^(auc|f1|r2|mae|mse|rmse)$/i.test(name)) return name.toUpperCase();
  const words = name.replace(/([a-z0-9])([A-Z])/g, (_, end, start) => `${end} ${start.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1).replaceAll("_", " ");
}

// Metrics that are shares of a whole, as far as their names tell.
const SHARES = /^(accuracy|precision|recall|f1|auc|top)/i;

/**
 * @param {string} metric
 * @returns {boolean} whether it is a share of a whole, by its name
 */
export function isShare(metric) {
  return SHARES.test(metric);
}

/**
 * A metric's value as its name asks for: shares in percent.
 *
 * @param {string} name with or without the part of the data, as in "valid.accuracy"
 * @param {number | null | undefined} value
 * @returns {string}
 */
export function formatMetric(name, value) {
  const metric = name.slice(name.lastIndexOf(".") + 1);
  if (isShare(metric)) return formatPercent(value);
  return typeof value === "number" && metric === "loss" && Math.abs(value) >= 1e-4 && value < 1000
    ? value.toFixed(4)
    : formatNumber(value);
}

/**
 * The same for an axis, where the values are round.
 *
 * @param {string} metric
 * @param {number} value
 * @returns {string}
 */
export function formatTick(metric, value) {
  return isShare(metric) ? `${Number((100 * value).toPrecision(4))}\u00a0%` : formatNumber(value);
}
