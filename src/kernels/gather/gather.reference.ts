import { reportIndexError } from "../../gpu/index-error.ts";
import type { Reference, ReferenceArray } from "../../gpu/kernel.ts";

/** Elements of an index along an axis of size n. */
interface Lines {
  size: number;
  n: number;
  m: number;
  inner: number;
  site: number;
}

interface Arrays {
  index: ReferenceArray;
  indexErrors: Uint32Array;
}

// Where element e of the index points in x, or -1.
function key({ index, indexErrors }: Arrays, { n, m, inner, site }: Lines, e: number): number {
  const at = index[e]!;
  if (at >= 0 && at < n) return (Math.floor(e / (m * inner)) * n + at) * inner + (e % inner);
  reportIndexError(indexErrors, site, e, at);
  return -1;
}

export const reference = {
  forward(bind, params) {
    for (let e = 0; e < params.size; e++) {
      const from = key(bind as Arrays, params as Lines, e);
      bind.y[e] = from < 0 ? 0 : bind.x[from];
    }
  },
  addLines(bind, params) {
    const { m, inner } = params as Lines;
    for (let line = 0; line < params.size; line++) {
      for (let j = 0; j < m; j++) {
        const e = (Math.floor(line / inner) * m + j) * inner + (line % inner);
        const to = key(bind as Arrays, params as Lines, e);
        if (to >= 0) bind.sum[to] += bind.src[e];
      }
    }
  },
  findKeys(bind, params) {
    for (let e = 0; e < params.size; e++) bind.keys[e] = key(bind as Arrays, params as Lines, e);
  },
  oneHot({ index, hot, indexErrors }, { size, n, site }) {
    for (let e = 0; e < size; e++) {
      const at = index[Math.floor(e / n)];
      if (!(at >= 0 && at < n)) reportIndexError(indexErrors, site, Math.floor(e / n), at);
      hot[e] = Number(at === e % n);
    }
  },
} satisfies Reference;
