/** softmax.wgsl entry by entry, as the formulas say. */
import type { Reference, ReferenceEntry } from "../../gpu/kernel.ts";

const forward: ReferenceEntry = ({ x, y }, { outer, n, inner, LOG }) => {
  for (let at = 0; at < outer * inner; at++) {
    const index = (c: number) => (Math.floor(at / inner) * n + c) * inner + (at % inner);
    let max = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < n; c++) max = Math.max(max, x[index(c)]);
    let sum = 0;
    for (let c = 0; c < n; c++) sum += Math.exp(x[index(c)] - max);
    for (let c = 0; c < n; c++) {
      const d = x[index(c)] - max;
      y[index(c)] = LOG ? d - Math.log(sum) : Math.exp(d) / sum;
    }
  }
};

const backward: ReferenceEntry = ({ saved, dy, dx }, { outer, n, inner, LOG }) => {
  for (let at = 0; at < outer * inner; at++) {
    const index = (c: number) => (Math.floor(at / inner) * n + c) * inner + (at % inner);
    let sum = 0;
    for (let c = 0; c < n; c++) sum += (LOG ? 1 : saved[index(c)]) * dy[index(c)];
    for (let c = 0; c < n; c++) {
      const i = index(c);
      dx[i] = LOG ? dy[i] - Math.exp(saved[i]) * sum : saved[i] * (dy[i] - sum);
    }
  }
};

export const softmaxReference: Reference = {
  rowsForward: forward,
  linesForward: forward,
  rowsBackward: backward,
  linesBackward: backward,
};
