import { reportIndexError } from "../../gpu/index-error.ts";
import type { Reference } from "../../gpu/kernel.ts";

const NONE = 0xffffffff;

export const selectReference = {
  forward({ x, index, y, indexErrors }, { size, n, count, inner, skip, site }) {
    for (let e = 0; e < size; e++) {
      const row = Math.floor(e / inner);
      const j = row % count;
      const at = index[j];
      y[e] = 0;
      if (!(at >= 0 && at < n)) reportIndexError(indexErrors, site, j, at);
      else if (at !== skip) y[e] = x[(Math.floor(row / count) * n + at) * inner + (e % inner)];
    }
  },
} satisfies Reference;

export const groupReference = {
  reset({ index, counts, owners, used, indexErrors }, { n, count, site }) {
    used[0] = 0;
    owners.fill(NONE);
    for (let p = 0; p < count; p++) {
      if (index[p] >= 0 && index[p] < n) counts[index[p]] = 0;
      else if (site !== NONE) reportIndexError(indexErrors, site, p, index[p]);
    }
  },
  rank({ index, ranks, counts }, { n, count, skip }) {
    for (let p = 0; p < count; p++) {
      const value = index[p];
      ranks[p] = value >= 0 && value < n && value !== skip ? counts[value]++ : NONE;
    }
  },
  allocate({ index, ranks, counts, starts, owners, used }, { count, CHUNK }) {
    for (let p = 0; p < count; p++) {
      if (ranks[p] !== 0) continue;
      const length = counts[index[p]];
      starts[index[p]] = used[0];
      if (length > CHUNK) owners[Math.floor(used[0] / CHUNK)] = index[p];
      used[0] += length > CHUNK ? Math.ceil(length / CHUNK) * CHUNK : length;
    }
  },
  place({ index, ranks, starts, order }, { count }) {
    for (let p = 0; p < count; p++) if (ranks[p] !== NONE) order[starts[index[p]] + ranks[p]] = p;
  },
} satisfies Reference;

export const addReference = {
  chunks({ index, ranks, counts, starts, order, src, y, partials }, { n, count, inner, columns, CHUNK }) {
    for (let p = 0; p < count; p++) {
      if (ranks[p] % CHUNK !== 0) continue;
      const value = index[p];
      const length = counts[value];
      const first = starts[value] + ranks[p];
      const last = first + Math.min(length - ranks[p], CHUNK);
      for (let c = 0; c < columns; c++) {
        const o = Math.floor(c / inner);
        let sum = 0;
        for (let s = first; s < last; s++) sum += src[(o * count + order[s]) * inner + (c % inner)];
        if (length > CHUNK) partials[Math.floor(first / CHUNK) * columns + c] = sum;
        else y[(o * n + value) * inner + (c % inner)] += sum;
      }
    }
  },
  totals({ counts, owners, y, partials }, { n, inner, columns, chunks, CHUNK }) {
    for (let first = 0; first < chunks; first++) {
      const value = owners[first];
      if (value === NONE) continue;
      for (let c = 0; c < columns; c++) {
        let sum = 0;
        for (let k = 0; k < counts[value] / CHUNK; k++) sum += partials[(first + k) * columns + c];
        y[(Math.floor(c / inner) * n + value) * inner + (c % inner)] += sum;
      }
    }
  },
} satisfies Reference;
