/** rms-norm.wgsl entry by entry, as the formulas say. */
import type { Reference } from "../../gpu/kernel.ts";

export const rmsNormReference = {
  forward({ x, weight, y, rrms }, { rows, cols, eps, HAS_WEIGHT }) {
    for (let row = 0; row < rows; row++) {
      const start = row * cols;
      let squares = 0;
      for (let c = 0; c < cols; c++) squares += x[start + c] ** 2;
      rrms[row] = 1 / Math.sqrt(squares / cols + eps);
      for (let c = 0; c < cols; c++) y[start + c] = x[start + c] * rrms[row] * (HAS_WEIGHT ? weight[c] : 1);
    }
  },

  // With n the normalised row and g = dy * weight:  dx = rrms * (g - n * avg(g * n))
  backwardInput({ x, weight, dy, saved, dx }, { rows, cols, HAS_WEIGHT }) {
    for (let row = 0; row < rows; row++) {
      const start = row * cols;
      const n = (c: number) => x[start + c] * saved[row];
      const g = (c: number) => dy[start + c] * (HAS_WEIGHT ? weight[c] : 1);
      let sumGN = 0;
      for (let c = 0; c < cols; c++) sumGN += g(c) * n(c);
      for (let c = 0; c < cols; c++) dx[start + c] = saved[row] * (g(c) - n(c) * (sumGN / cols));
    }
  },

  // dweight = Σ dy * n over the rows of each part.
  backwardWeight({ x, dy, saved, weightParts }, { rows, cols, parts }) {
    weightParts.fill(0);
    for (let row = 0; row < rows; row++) {
      for (let c = 0; c < cols; c++) {
        const at = row * cols + c;
        weightParts[(row % parts) * cols + c] += dy[at] * x[at] * saved[row];
      }
    }
  },
} satisfies Reference;
