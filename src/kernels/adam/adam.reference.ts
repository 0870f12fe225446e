/** adam.wgsl and adam-steps.wgsl as the formulas say. */
import type { Reference } from "../../gpu/kernel.ts";

export const adamReference = {
  update(bind, { sizes, offsets, indices, beta1, beta2, eps, weightDecay, DECOUPLED }) {
    const { p, m, v, steps, hyper } = bind;
    const lr = hyper[0];
    for (const [j, size] of sizes.entries()) {
      const g = bind[`g${j}`];
      const [correction1, correction2] = [steps[4 * indices[j] + 1], steps[4 * indices[j] + 2]];
      for (let i = 0; i < size; i++) {
        const at = offsets[j] + i;
        const weight = DECOUPLED === 1 ? p[at] - lr * weightDecay * p[at] : p[at];
        const gradient = DECOUPLED === 1 ? g[i] : g[i] + weightDecay * p[at];
        m[at] = beta1 * m[at] + (1 - beta1) * gradient;
        v[at] = beta2 * v[at] + (1 - beta2) * gradient ** 2;
        p[at] = weight - ((lr / correction1) * m[at]) / (Math.sqrt(v[at] / correction2) + eps);
      }
    }
  },
} satisfies Reference;

export const adamStepsReference = {
  advance({ steps, enabled }, { tensors, logBeta1, logBeta2 }) {
    for (let i = 0; i < tensors; i++) {
      if (enabled[i] === 0) continue;
      const t = steps[4 * i] + 1;
      steps.set([t, -Math.expm1(t * logBeta1), -Math.expm1(t * logBeta2), 0], 4 * i);
    }
  },
} satisfies Reference;
