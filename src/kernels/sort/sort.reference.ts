/** The entries of sort.wgsl that the cpu device runs: `ranks` is the whole order there. */
import type { Reference } from "../../gpu/kernel.ts";

// NaN above all others.
function compare(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : Number(a > b);
}

// Calls visit(index in a tensor of k per line, index in one of n per line) for every element of [outer, k, inner].
function walk(
  indices: Int32Array,
  { outer, n, inner, k }: Record<string, number>,
  visit: (i: number, at: number) => void,
) {
  for (let i = 0; i < outer! * k! * inner!; i++) {
    const o = Math.floor(i / (k! * inner!));
    visit(i, (o * n! + indices[i]!) * inner! + (i % inner!));
  }
}

export const sortReference: Reference = {
  ranks({ x, places }, { outer, n, inner, k, DESCENDING }) {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const value = (c: number) => x[(o * n + c) * inner + i];
        const order = Array.from({ length: n }, (_, c) => c);
        order.sort((a, b) => (DESCENDING ? compare(value(b), value(a)) : compare(value(a), value(b))) || a - b);
        for (let c = 0; c < k; c++) places[(o * k + c) * inner + i] = order[c];
      }
    }
  },
  take({ x, indices, y }, params) {
    walk(indices, params, (i, at) => (y[i] = x[at]));
  },
  put({ indices, dy, dx }, params) {
    walk(indices, params, (i, at) => (dx[at] = dy[i]));
  },
};
