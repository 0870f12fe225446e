import type { Reference } from "../../gpu/kernel.ts";
import type { Pair } from "../pool/windows.ts";

interface Params {
  readonly size: Pair;
  readonly out: Pair;
  readonly scale: Pair;
  readonly planes: number;
  readonly MODE: number;
}

const NEAREST = 0;
const CENTRES = 1;

/** Where element o of y is in x along an axis: elements and their weights. */
function sources({ size, scale, MODE }: Params, o: number, axis: 0 | 1): (readonly [number, number])[] {
  const last = size[axis] - 1;
  // Which element is nearest must not depend on the precision.
  if (MODE === NEAREST) return [[Math.min(Math.floor(Math.fround(o * Math.fround(scale[axis]))), last), 1]];
  const point = MODE === CENTRES ? Math.max((o + 0.5) * scale[axis] - 0.5, 0) : o * scale[axis];
  const before = Math.min(Math.floor(point), last);
  const t = point - before;
  return [
    [before, 1 - t],
    [Math.min(before + 1, last), t],
  ];
}

/** Calls `visit` for all elements of y, with each element of x that they are made of and its weight. */
function eachShare(params: Params, visit: (o: number, i: number, weight: number) => void): void {
  const [height, width] = params.size;
  const [rows, columns] = params.out;
  for (let o = 0; o < params.planes * rows * columns; o++) {
    const row = Math.floor(o / columns) % rows;
    const plane = Math.floor(o / (rows * columns));
    for (const [r, down] of sources(params, row, 0)) {
      for (const [c, across] of sources(params, o % columns, 1)) {
        if (down * across > 0) visit(o, (plane * height + r) * width + c, down * across);
      }
    }
  }
}

export const interpolateReference: Reference = {
  forward({ x, y }, params) {
    y.fill(0);
    eachShare(params as Params, (o, i, weight) => {
      y[o] += weight * x[i];
    });
  },

  backward({ dy, dx }, params) {
    dx.fill(0);
    eachShare(params as Params, (o, i, weight) => {
      dx[i] += weight * dy[o];
    });
  },
};
