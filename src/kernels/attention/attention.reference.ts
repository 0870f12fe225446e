/** attention.wgsl entry by entry, as the formulas say. */
import type { Reference, ReferenceArray } from "../../gpu/kernel.ts";
import { randomWord } from "../random/threefry.ts";

type Sizes = "pairs" | "heads" | "tq" | "tk" | "d" | "dv";
type Places = "qRow" | "kRow" | "vRow" | "dkOffset" | "dvOffset";

/** `struct Params` of attention.wgsl. */
export type AttentionParams = Readonly<Record<Sizes | Places | "flags" | "scale" | "stream" | "dropThreshold", number>>;

/** Bits of `flags`. */
export const FLAGS = {
  packed: 1,
  causal: 2,
  masked: 4,
  added: 8,
  maskBatch: 16,
  maskHead: 32,
  maskQuery: 64,
  maskKey: 128,
  one: 256,
} as const;

/** A score at or below it is that of a key that takes no part. */
export const HIDDEN = -1e30;
const LOWEST = -1e38;

type Bind = Record<string, ReferenceArray>;

/** Where things are, and the formulas that forward and backward share. */
function attention(bind: Bind, params: AttentionParams) {
  const { pairs, heads, tq, tk, d, dv, qRow, kRow, vRow, flags, scale, stream, dropThreshold } = params;
  const has = (flag: keyof typeof FLAGS) => (flags & FLAGS[flag]) !== 0;
  const row = (pair: number, i: number, t: number, stride: number, width: number) =>
    has("packed") ? (Math.floor(pair / heads) * t + i) * stride + (pair % heads) * width : (pair * t + i) * width;
  const third = has("one") ? heads * d : 0;
  const qAt = (pair: number, i: number) => row(pair, i, tq, qRow, d);
  const kAt = (pair: number, j: number) => third + row(pair, j, tk, kRow, d);
  const vAt = (pair: number, j: number) => 2 * third + row(pair, j, tk, vRow, dv);
  const yAt = (pair: number, i: number) => row(pair, i, tq, heads * dv, dv);
  const dkAt = (pair: number, j: number) => params.dkOffset + row(pair, j, tk, kRow, d);
  const dvAt = (pair: number, j: number) => params.dvOffset + row(pair, j, tk, vRow, dv);

  const maskAt = (pair: number, i: number, j: number) => {
    const sizes = [pairs / heads, heads, tq, tk];
    const at = [Math.floor(pair / heads), pair % heads, i, j];
    const axes = [has("maskBatch"), has("maskHead"), has("maskQuery"), has("maskKey")];
    const index = axes.reduce((index, is, axis) => (is ? index * sizes[axis]! + at[axis]! : index), 0);
    const value = bind.mask![index]!;
    return has("added") ? value : value === 0 ? Number.NEGATIVE_INFINITY : 0;
  };

  // -Infinity where the key takes no part.
  const score = (pair: number, i: number, j: number) => {
    const added = has("masked") ? maskAt(pair, i, j) : 0;
    if ((has("causal") && j > i) || added <= HIDDEN) return Number.NEGATIVE_INFINITY;
    let dot = 0;
    for (let c = 0; c < d; c++) dot += bind.q![qAt(pair, i) + c]! * bind.k![kAt(pair, j) + c]!;
    const s = scale * dot + added;
    return s <= HIDDEN ? Number.NEGATIVE_INFINITY : s;
  };

  // What dropout multiplies an element of p with.
  const kept = (pair: number, i: number, j: number) => {
    if (dropThreshold === 0) return 1;
    const word = randomWord(bind.randomState!, stream, ((pair * tq + i) * tk + j) % 2 ** 32);
    return word >= dropThreshold ? 2 ** 32 / (2 ** 32 - dropThreshold) : 0;
  };

  const visit = (fn: (pair: number, i: number, row: number) => void) => {
    for (let pair = 0; pair < pairs; pair++) for (let i = 0; i < tq; i++) fn(pair, i, pair * tq + i);
  };

  // Calls fn for every query and key that takes part, with p and ds there.
  const visitGradients = (fn: (pair: number, i: number, j: number, p: number, ds: number) => void) => {
    visit((pair, i, row) => {
      const [max, inverse, e] = bind.savedRowStats!.subarray(4 * row, 4 * row + 3) as unknown as number[];
      for (let j = 0; j < tk; j++) {
        const s = score(pair, i, j);
        if (s === Number.NEGATIVE_INFINITY) continue;
        const p = Math.exp(s - max!) * inverse!;
        let g = 0;
        for (let c = 0; c < dv; c++) g += bind.dy![yAt(pair, i) + c]! * bind.v![vAt(pair, j) + c]!;
        fn(pair, i, j, p, p * (g * kept(pair, i, j) - e!) * scale);
      }
    });
  };

  return { tk, d, dv, qAt, kAt, vAt, yAt, dkAt, dvAt, score, kept, visit, visitGradients };
}

const backwardQuery: Reference[string] = (bind, params) => {
  const { k, gradients } = bind;
  const { d, qAt, kAt, visit, visitGradients } = attention(bind, params as AttentionParams);
  visit((pair, i) => gradients.fill(0, qAt(pair, i), qAt(pair, i) + d));
  visitGradients((pair, i, j, _, ds) => {
    for (let c = 0; c < d; c++) gradients[qAt(pair, i) + c] += ds * k[kAt(pair, j) + c];
  });
};

const backwardKeyValue: Reference[string] = (bind, params) => {
  const { q, dy, gradients } = bind;
  const { tk, d, dv, qAt, yAt, dkAt, dvAt, kept, visitGradients } = attention(bind, params as AttentionParams);
  for (let pair = 0; pair < params.pairs!; pair++) {
    for (let j = 0; j < tk; j++) {
      gradients.fill(0, dkAt(pair, j), dkAt(pair, j) + d);
      gradients.fill(0, dvAt(pair, j), dvAt(pair, j) + dv);
    }
  }
  visitGradients((pair, i, j, p, ds) => {
    for (let c = 0; c < d; c++) gradients[dkAt(pair, j) + c] += ds * q[qAt(pair, i) + c];
    const weight = p * kept(pair, i, j);
    for (let c = 0; c < dv; c++) gradients[dvAt(pair, j) + c] += weight * dy[yAt(pair, i) + c];
  });
};

export const attentionReference: Reference = {
  forward(bind, params) {
    const { v, y, stats } = bind;
    const { tk, dv, vAt, yAt, score, kept, visit } = attention(bind, params as AttentionParams);
    visit((pair, i, row) => {
      const scores = Array.from({ length: tk }, (_, j) => score(pair, i, j));
      const max = scores.reduce((max, s) => (s > max ? s : max), Number.NEGATIVE_INFINITY);
      const weights = scores.map((s) => (s === Number.NEGATIVE_INFINITY ? 0 : Math.exp(s - max)));
      const sum = weights.reduce((sum, weight) => sum + weight, 0);
      const inverse = sum === 0 ? 0 : 1 / sum;
      stats[2 * row] = Math.max(max, LOWEST);
      stats[2 * row + 1] = inverse;
      for (let c = 0; c < dv; c++) {
        let total = 0;
        for (let j = 0; j < tk; j++) {
          if (weights[j] !== 0) total += weights[j]! * kept(pair, i, j) * v[vAt(pair, j) + c];
        }
        y[yAt(pair, i) + c] = total * inverse;
      }
    });
  },

  rowSums(bind, params) {
    const { dy, savedY, savedStats, rowStats } = bind;
    const { dv, yAt, visit } = attention(bind, params as AttentionParams);
    visit((pair, i, row) => {
      let e = 0;
      for (let c = 0; c < dv; c++) e += dy[yAt(pair, i) + c] * savedY[yAt(pair, i) + c];
      rowStats.set([savedStats[2 * row], savedStats[2 * row + 1], e, 0], 4 * row);
    });
  },

  backwardQuery,
  backwardKeyValue,
  backward(bind, params) {
    backwardQuery(bind, params);
    backwardKeyValue(bind, params);
  },
};
