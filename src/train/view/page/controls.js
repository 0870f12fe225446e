// @ts-check
/** How curves are shown: what the controls above the charts say. */
import { formatMetric, formatTick, isShare } from "./format.js";

/** @typedef {{ axis: "step" | "epoch", log: boolean, smoothing: number, train: boolean, valid: boolean }} View */

/**
 * @param {HTMLFormElement} form the controls
 * @param {() => void} onChange
 * @returns {() => View} reads what they say now
 */
export function controls(form, onChange) {
  const input = (/** @type {string} */ name) => /** @type {HTMLInputElement | null} */ (form.elements.namedItem(name));
  const read = () => {
    const smoothing = Number(input("smoothing")?.value ?? 0);
    return /** @type {View} */ ({
      axis: input("axis")?.value ?? "step",
      log: input("log")?.checked ?? false,
      smoothing,
      train: input("train")?.checked ?? true,
      valid: input("valid")?.checked ?? true,
    });
  };
  form.addEventListener("input", () => {
    const output = form.querySelector("output");
    if (output) output.value = read().smoothing.toFixed(2);
    onChange();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  return read;
}

/**
 * @param {View} view
 * @param {string} metric
 * @returns {import("./charts.js").ChartOptions}
 */
export function chartOptions({ axis, log }, metric) {
  return {
    axis,
    log: log && !isShare(metric),
    format: (value) => formatMetric(metric, value),
    formatTick: (value) => formatTick(metric, value),
  };
}
