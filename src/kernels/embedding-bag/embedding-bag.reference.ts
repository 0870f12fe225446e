/** embedding-bag.wgsl entry by entry, as the formulas say. */
import { reportIndexError } from "../../gpu/index-error.ts";
import type { Reference, ReferenceEntry } from "../../gpu/kernel.ts";

type Bind = Parameters<ReferenceEntry>[0];
type Params = Parameters<ReferenceEntry>[1];

function startOf({ offsets }: Bind, { bags, count, length, FIXED }: Params, bag: number): number {
  if (bag === 0) return 0;
  if (bag >= bags) return count;
  return FIXED ? bag * length : offsets[bag] >= 0 ? Math.min(offsets[bag], count) : count;
}

export const embeddingBagReference = {
  place(bind, params) {
    const { ids, offsets, bagOf, indexErrors } = bind;
    const { bags, count, n, offsets: offsetCount, idSite, offsetSite, firstSite } = params;
    for (let i = 0; i < offsetCount; i++) {
      if (i === 0 && offsets[i] !== 0) reportIndexError(indexErrors, firstSite, i, offsets[i]);
      if (!(offsets[i] >= 0 && offsets[i] <= count)) reportIndexError(indexErrors, offsetSite, i, offsets[i]);
    }
    for (let j = 0, bag = 0; j < count; j++) {
      if (!(ids[j] >= 0 && ids[j] < n)) reportIndexError(indexErrors, idSite, j, ids[j]);
      while (bag + 1 < bags && startOf(bind, params, bag + 1) <= j) bag++;
      bagOf[j] = bag;
    }
  },

  forward(bind, params) {
    const { weight, ids, scale, y, members, winners } = bind;
    const { bags, n, features, skip, MODE, SCALED } = params;
    for (let bag = 0; bag < bags; bag++) {
      const places: number[] = [];
      for (let j = startOf(bind, params, bag); j < startOf(bind, params, bag + 1); j++) {
        if (ids[j] >= 0 && ids[j] < n && ids[j] !== skip) places.push(j);
      }
      if (MODE === 1) members[bag] = Math.max(places.length, 1);
      for (let f = 0; f < features; f++) {
        const element = (j: number) => weight[ids[j] * features + f];
        if (MODE === 2) {
          const isAbove = (x: number, most: number) => x > most || Number.isNaN(x);
          const winner = places.reduce((best, j) => (isAbove(element(j), element(best)) ? j : best), places[0] ?? 0);
          winners[bag * features + f] = winner;
          y[bag * features + f] = places.length > 0 ? element(winner) : 0;
        } else {
          const total = places.reduce((sum, j) => sum + element(j) * (SCALED ? scale[j] : 1), 0);
          y[bag * features + f] = MODE === 1 ? total / members[bag] : total;
        }
      }
    }
  },
} satisfies Reference;
