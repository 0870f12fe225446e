import { record } from "../../autograd/record.ts";
import { ShapeError, ValueError } from "../../gpu/errors.ts";
import { normalizeAxes, normalizeAxis, stridesOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { copyView } from "../strided-copy/strided-copy.ts";
import { reshape } from "./reshape.ts";
import { takeView } from "./strided-view.ts";

/**
 * Reverses the order along axes.
 *
 * @param axes which; all of them where left out
 * @returns a copy; it shares x's storage where no element moves
 * @throws ShapeError if an axis is out of range or repeated
 */
export function flip(x: Tensor, axes?: number | readonly number[]): Tensor {
  const view = { shape: x.shape, strides: stridesOf(x.shape), offset: 0 };
  for (const axis of normalizeAxes("flip", axes, x.rank)) {
    view.offset += Math.max(x.shape[axis]! - 1, 0) * view.strides[axis]!;
    view.strides[axis] = -view.strides[axis]!;
  }
  return takeView("flip", x, view);
}

/**
 * Moves every element by `shifts` along `axes`; those that leave at one end come in at the other.
 *
 * @param shifts how far towards higher positions: one number, or one per axis
 * @param axes where left out, the elements are rolled in their order in memory and keep the shape
 * @returns a copy; x itself where no element moves
 * @throws ShapeError unless there is one shift per axis, ValueError for a shift that is no whole number
 */
export function roll(x: Tensor, shifts: number | readonly number[], axes?: number | readonly number[]): Tensor {
  const distances = typeof shifts === "number" ? [shifts] : shifts;
  if (axes === undefined) {
    expectShifts(distances, 1);
    return reshape(rollAxis(reshape(x, [x.size]), distances[0]!, 0), x.shape);
  }
  const along = typeof axes === "number" ? [axes] : axes;
  expectShifts(distances, along.length);
  let y = x;
  for (const [i, axis] of along.entries()) y = rollAxis(y, distances[i]!, normalizeAxis("roll", axis, x.rank));
  return y;
}

function expectShifts(shifts: readonly number[], count: number): void {
  if (shifts.length !== count)
    throw new ShapeError(`roll: shifts has ${shifts.length} numbers, expected one per axis, ${count}`);
  const wrong = shifts.find((shift) => !Number.isInteger(shift));
  if (wrong !== undefined) throw new ValueError(`roll: shifts has ${wrong}, expected whole numbers`);
}

function rollAxis(x: Tensor, shift: number, axis: number): Tensor {
  const n = x.shape[axis]!;
  const moved = n === 0 ? 0 : ((shift % n) + n) % n;
  if (moved === 0) return x;
  const y = empty(x.shape, { dtype: x.dtype, device: x.device });
  const strides = stridesOf(x.shape);
  const part = (start: number, length: number) => ({
    shape: x.shape.with(axis, length),
    strides,
    offset: start * strides[axis]!,
  });
  copyView(x, part(0, n - moved), y, part(moved, n - moved));
  copyView(x, part(n - moved, moved), y, part(0, moved));
  return record(y, {
    op: "roll",
    inputs: [x],
    saved: {},
    backward: (dy) => [rollAxis(dy, -moved, axis)],
    composed: true,
  });
}
