/** clip-grad.wgsl and scale-grad.wgsl as the formulas say. */
import type { Reference, ReferenceArray } from "../../gpu/kernel.ts";

const BLOCK = 1024;

function term(x: number, power: number, LARGEST: number): number {
  return LARGEST === 1 ? Math.abs(x) : Math.abs(x) ** power;
}

// Math.max gives NaN where a value is NaN.
function join(values: number[], LARGEST: number): number {
  return LARGEST === 1 ? Math.max(0, ...values) : values.reduce((a, b) => a + b, 0);
}

export const clipGradReference = {
  blocks(bind, { ends, sizes, first, blocks, power, LARGEST }) {
    let block = 0;
    for (let j = 0; block < blocks; j++) {
      const g: ReferenceArray = bind[`g${j}`];
      for (let from = 0; block < ends[j]; from += BLOCK, block++) {
        const terms = Array.from(g.slice(from, Math.min(from + BLOCK, sizes[j])), (x) => term(x, power, LARGEST));
        bind.partials[first + block] = join(terms, LARGEST);
      }
    }
  },
  finish({ partials, result }, { blocks, power, maxNorm, LARGEST }) {
    const total = join(Array.from(partials.subarray(0, blocks)), LARGEST);
    const norm = LARGEST === 1 ? total : total ** (1 / power);
    result[0] = norm;
    result[1] = Math.min(1, maxNorm / (norm + 1e-6));
  },
} satisfies Reference;

export const scaleGradReference = {
  scaleAll(bind, { sizes }) {
    const coefficient = bind.result[1];
    for (const [j, size] of sizes.entries()) {
      const g = bind[`g${j}`];
      for (let i = 0; i < size; i++) g[i] *= coefficient;
    }
  },
  unscaleAll(bind, { sizes }) {
    for (const [j, size] of sizes.entries()) {
      const g = bind[`g${j}`];
      for (let i = 0; i < size; i++) {
        if (!Number.isFinite(g[i])) bind.found[0] = 1;
        g[i] /= bind.scaler[0];
      }
    }
  },
  clampAll(bind, { sizes, limit }) {
    for (const [j, size] of sizes.entries()) {
      const g = bind[`g${j}`];
      for (let i = 0; i < size; i++) g[i] = Math.min(Math.max(g[i], -limit), limit);
    }
  },
} satisfies Reference;
