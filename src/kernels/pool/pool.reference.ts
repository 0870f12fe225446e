/** The entries of max-pool.wgsl and avg-pool.wgsl as plain loops. */
import type { Reference } from "../../gpu/kernel.ts";
import type { Windows } from "./windows.ts";

type Axis = 0 | 1;
type Params = Windows & { readonly ADAPTIVE: number; readonly INCLUDE_PADDING: number; readonly divisor: number };

/** From where to where window `o` reaches along an axis, the padding included. */
function reach({ size, out, kernel, stride, padding, dilation, ADAPTIVE }: Params, o: number, axis: Axis) {
  const n = size[axis];
  if (ADAPTIVE === 1) return { start: Math.floor((o * n) / out[axis]), end: Math.ceil(((o + 1) * n) / out[axis]) };
  const start = o * stride[axis] - padding[axis];
  return { start, end: start + (kernel[axis] - 1) * dilation[axis] + 1 };
}

/** Its positions in the input. */
function positions(params: Params, o: number, axis: Axis): number[] {
  const { start, end } = reach(params, o, axis);
  const step = params.ADAPTIVE === 1 ? 1 : params.dilation[axis];
  const all = Array.from({ length: Math.ceil((end - start) / step) }, (_, k) => start + k * step);
  return all.filter((i) => i >= 0 && i < params.size[axis]);
}

interface Window {
  readonly row: number;
  readonly column: number;
  /** The elements of x in it, in order. */
  readonly inside: readonly number[];
  /** Where its plane begins. */
  readonly plane: number;
}

/** Calls `visit` for each element of y, with its window. */
function eachWindow(params: Params, visit: (o: number, window: Window) => void): void {
  const [height, width] = params.size;
  const [rows, columns] = params.out;
  let o = 0;
  for (let plane = 0; plane < params.planes * height * width; plane += height * width) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const across = positions(params, column, 1);
        const inside = positions(params, row, 0).flatMap((r) => across.map((c) => plane + r * width + c));
        visit(o++, { row, column, inside, plane });
      }
    }
  }
}

export const maxPoolReference: Reference = {
  forward({ x, y, indices }, params) {
    eachWindow(params as Params, (o, { inside, plane }) => {
      let best = inside[0] ?? -1;
      for (const i of inside) if (x[i] > x[best] || Number.isNaN(x[i])) best = i;
      y[o] = best < 0 ? Number.NEGATIVE_INFINITY : x[best];
      indices[o] = best < 0 ? -1 : best - plane;
    });
  },

  backward({ dy, chosen, dx }, params) {
    dx.fill(0);
    eachWindow(params as Params, (o, { plane }) => {
      if (chosen[o] >= 0) dx[plane + chosen[o]] += dy[o];
    });
  },

  take({ x, chosen, y }, params) {
    eachWindow(params as Params, (o, { plane }) => {
      y[o] = chosen[o] < 0 ? 0 : x[plane + chosen[o]];
    });
  },
};

/** What the sum over a window is divided by. */
function divisorOf(params: Params, { row, column, inside }: Window): number {
  if (params.divisor !== 0) return params.divisor;
  if (params.INCLUDE_PADDING === 0 || params.ADAPTIVE === 1) return inside.length;
  const along = (o: number, axis: Axis) => {
    const { start, end } = reach(params, o, axis);
    return Math.min(end, params.size[axis] + params.padding[axis]) - start;
  };
  return along(row, 0) * along(column, 1);
}

export const avgPoolReference: Reference = {
  forward({ x, y }, params) {
    eachWindow(params as Params, (o, window) => {
      y[o] = window.inside.reduce((sum, i) => sum + x[i], 0) / divisorOf(params as Params, window);
    });
  },

  backward({ dy, dx }, params) {
    dx.fill(0);
    eachWindow(params as Params, (o, window) => {
      for (const i of window.inside) dx[i] += dy[o] / divisorOf(params as Params, window);
    });
  },
};
