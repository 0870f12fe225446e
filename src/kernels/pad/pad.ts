import type { Device } from "../../gpu/device.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { scope } from "../../tensor/scope.ts";
import { checkShape, formatShape, type Shape, stridesOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { expectValue } from "../assign/fill.ts";
import { concat } from "../concat/concat.ts";
import { arange, full } from "../creation/creation.ts";
import { indexSelect } from "../index-select/index-select.ts";
import { placeView, takeView } from "../view/strided-view.ts";

type Pair = readonly [before: number, after: number];

export interface PadOptions {
  /**
   * What the new elements are: `value`; the tensor mirrored at its border elements, which are not repeated; copies of the
   * border elements; or those of the other end. "constant" by default.
   */
  mode?: "constant" | BorderMode;
  /** 0 by default. */
  value?: number;
}

type BorderMode = "reflect" | "replicate" | "circular";

/**
 * Adds elements before and after along each axis.
 *
 * @param pads [before, after] for every axis, from the first; "constant" takes negative ones too, which remove elements
 * @throws ShapeError unless there is a pair per axis
 * @throws ValueError for a pair that the mode cannot do: "reflect" adds fewer elements than the axis has,
 *   "circular" no more, and "replicate" needs an element to copy
 * @example
 * pad(images, [[0, 0], [0, 0], [1, 1], [1, 1]]);   // a border of zeros around [n, c, h, w]
 */
export function pad(x: Tensor, pads: readonly Pair[], options: PadOptions = {}): Tensor {
  checkOptions("pad", options, ["mode", "value"]);
  const { mode = "constant", value = 0 } = options;
  if (pads.length !== x.rank || pads.some((pair) => pair.length !== 2)) {
    throw new ShapeError(
      `pad: pads are ${JSON.stringify(pads)}, expected a pair [before, after] for each of the ${x.rank} axes of x of shape ${formatShape(x.shape)}`,
    );
  }
  const wrong = pads.flat().find((count) => !Number.isInteger(count));
  if (wrong !== undefined) throw new ValueError(`pad: pads have ${wrong}, expected whole numbers`);
  if (mode === "constant") return padConstant(x, pads, value);
  if (mode !== "reflect" && mode !== "replicate" && mode !== "circular")
    throw new ValueError(`pad: mode is "${mode}", expected constant, reflect, replicate or circular`);
  let y = x;
  for (const [axis, [before, after]] of pads.entries()) {
    if (before === 0 && after === 0) continue;
    const sources = borderSources(mode, axis, x.shape[axis]!, [before, after], x.device);
    y = indexSelect(y, axis, sources);
    sources.dispose();
  }
  return y;
}

function padConstant(x: Tensor, pads: readonly Pair[], value: number): Tensor {
  const shape = x.shape.map((n, axis) => n + pads[axis]![0] + pads[axis]![1]);
  checkShape("pad", shape);
  // What is left of x where pads are negative, and where it lies in the result.
  const first = x.shape.map((n, axis) => Math.min(Math.max(-pads[axis]![0], 0), n));
  const kept = x.shape.map((n, axis) => Math.max(Math.min(n, n + pads[axis]![1]) - first[axis]!, 0));
  const place = pads.map(([before]) => Math.max(before, 0));
  const viewAt = (outer: Shape, at: readonly number[]) => {
    const strides = stridesOf(outer);
    return { shape: kept, strides, offset: strides.reduce((sum, stride, axis) => sum + stride * at[axis]!, 0) };
  };
  const inner = takeView("pad", x, viewAt(x.shape, first));
  return placeView("pad", inner, shape, viewAt(shape, place), expectValue("pad", value, x.dtype));
}

// Where each element along the padded axis comes from, as an index.
function borderSources(mode: BorderMode, axis: number, n: number, pair: Pair, device: Device): Tensor {
  const [before, after] = pair;
  const most = { reflect: n - 1, circular: n, replicate: n > 0 ? Number.POSITIVE_INFINITY : 0 }[mode];
  if (pair.some((count) => count < 0 || count > most)) {
    const range = Number.isFinite(most) ? `from 0 to ${Math.max(most, 0)}` : "from 0 up";
    throw new ValueError(
      `pad: "${mode}" on axis ${axis} of size ${n} has ${formatShape(pair)}, expected whole numbers ${range}`,
    );
  }
  const sequence = (start: number, end: number, step: number) => arange(start, end, step, { dtype: "i32", device });
  const copies = (count: number, position: number) => full([count], position, { dtype: "i32", device });
  const borders = {
    reflect: [() => sequence(before, 0, -1), () => sequence(n - 2, n - 2 - after, -1)],
    replicate: [() => copies(before, 0), () => copies(after, n - 1)],
    circular: [() => sequence(n - before, n, 1), () => sequence(0, after, 1)],
  } as const;
  const [front, back] = borders[mode];
  return scope(() => {
    const parts = [sequence(0, n, 1)];
    if (before > 0) parts.unshift(front());
    if (after > 0) parts.push(back());
    return concat(parts);
  });
}
