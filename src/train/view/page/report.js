// @ts-check
/** The script of report.html: draws the curves, and tells what a cell of a large confusion matrix holds. */
import { Chart } from "./charts.js";
import { chartOptions, controls } from "./controls.js";
import { curvesOf, metricsOf, smooth } from "./curves.js";
import { titleOf } from "./format.js";

/** @type {{ points: import("./curves.js").Point[], stepsPerEpoch: number | null }} */
const { points, stepsPerEpoch } = JSON.parse(document.getElementById("data")?.textContent ?? "");

const charts = new Map(metricsOf(points).map((metric) => [metric, new Chart(titleOf(metric))]));
document.getElementById("charts")?.append(...[...charts.values()].map(({ element }) => element));

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("controls"));
if (form) {
  const view = controls(form, drawAll);
  drawAll();

  function drawAll() {
    const { axis, smoothing } = view();
    for (const [metric, chart] of charts) {
      const { steps, train, valid } = curvesOf(points, metric, axis, stepsPerEpoch);
      const hasEpochs = train.x.length + valid.x.length > 0;
      const lines = [
        {
          label: hasEpochs ? "training, step by step" : titleOf(metric),
          color: "--train",
          ...smooth(steps, smoothing),
        },
        { label: "training", color: "--train", marks: true, ...train },
        { label: "validation", color: "--valid", marks: true, ...valid },
      ].filter(({ x }) => x.length > 0);
      if (hasEpochs && steps.x.length > 0) Object.assign(lines[0] ?? {}, { width: 1.25, opacity: 0.55 });
      chart.draw(lines, chartOptions(view(), metric));
    }
  }
}

for (const matrix of document.querySelectorAll("svg.matrix")) {
  const told = matrix.parentElement?.parentElement?.querySelector("output");
  const tell = (/** @type {Event} */ event) => {
    const text = /** @type {Element} */ (event.target).querySelector("title")?.textContent;
    if (told && text) told.textContent = text;
  };
  matrix.addEventListener("pointerover", tell);
  matrix.addEventListener("click", tell);
}
