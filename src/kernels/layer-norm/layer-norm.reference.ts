/** layer-norm.wgsl entry by entry, as the formulas say. */
import type { Reference } from "../../gpu/kernel.ts";
import { randomWord } from "../random/threefry.ts";

export const layerNormReference = {
  forward({ x, weight, bias, y, stats }, { rows, cols, eps, HAS_WEIGHT, HAS_BIAS }) {
    for (let row = 0; row < rows; row++) {
      const start = row * cols;
      const pivot = x[start];
      let sum = 0;
      for (let c = 0; c < cols; c++) sum += x[start + c] - pivot;
      const mean = sum / cols;

      let squares = 0;
      for (let c = 0; c < cols; c++) squares += (x[start + c] - pivot - mean) ** 2;
      const rstd = 1 / Math.sqrt(squares / cols + eps);

      for (let c = 0; c < cols; c++) {
        const n = (x[start + c] - pivot - mean) * rstd;
        y[start + c] = n * (HAS_WEIGHT ? weight[c] : 1) + (HAS_BIAS ? bias[c] : 0);
      }
      stats.set([pivot, mean, rstd], 4 * row);
    }
  },

  // With n the normalised row and g = dy * weight:  dx = rstd * (g - avg(g) - n * avg(g * n)) + dh
  backwardInput({ x, weight, dy, dh, saved, dx }, { rows, cols, HAS_WEIGHT, HAS_DH }) {
    for (let row = 0; row < rows; row++) {
      const start = row * cols;
      const [pivot, mean, rstd] = saved.subarray(4 * row);
      const n = (c: number) => (x[start + c] - pivot - mean) * rstd;
      const g = (c: number) => dy[start + c] * (HAS_WEIGHT ? weight[c] : 1);

      let sumG = 0;
      let sumGN = 0;
      for (let c = 0; c < cols; c++) {
        sumG += g(c);
        sumGN += g(c) * n(c);
      }
      for (let c = 0; c < cols; c++) {
        dx[start + c] = rstd * (g(c) - sumG / cols - n(c) * (sumGN / cols)) + (HAS_DH ? dh[start + c] : 0);
      }
    }
  },

  // dweight = Σ dy * n, dbias = Σ dy, over the rows of each part.
  backwardAffine({ x, dy, saved, weightParts, biasParts }, { rows, cols, parts }) {
    weightParts.fill(0);
    biasParts.fill(0);
    for (let row = 0; row < rows; row++) {
      const [pivot, mean, rstd] = saved.subarray(4 * row);
      for (let c = 0; c < cols; c++) {
        const at = row * cols + c;
        const i = (row % parts) * cols + c;
        weightParts[i] += dy[at] * (x[at] - pivot - mean) * rstd;
        biasParts[i] += dy[at];
      }
    }
  },
} satisfies Reference;

/** The same with sum.wgsl: of h = residual + dropout(branch). */
export const sumReference = {
  forward({ branch, residual, h, randomState, ...bind }, params) {
    for (let i = 0; i < h.length; i++) h[i] = residual[i] + dropped(branch[i], i, randomState, params);
    layerNormReference.forward({ ...bind, x: h }, params);
  },

  backwardInput({ dbranch, randomState, ...bind }, params) {
    layerNormReference.backwardInput(bind, params);
    for (let i = 0; i < dbranch.length; i++) dbranch[i] = dropped(bind.dx[i], i, randomState, params);
  },
} satisfies Reference;

function dropped(v: number, i: number, randomState: Uint32Array, params: Record<string, number>): number {
  const { stream, threshold, scale } = params as { stream: number; threshold: number; scale: number };
  if (threshold === 0) return v;
  return randomWord(randomState, stream, i) >= threshold ? v * scale : 0;
}
