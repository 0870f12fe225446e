/** What layerNorm and rmsNorm share: which axes make a row, and how the sums over many rows are split. */
import { expectSameDevice } from "../../autograd/record.ts";
import { ShapeError } from "../../gpu/errors.ts";
import { ceilDiv } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { expectShape, formatShape, type Shape, shapesEqual, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";

const MIN_ROWS_PER_PART = 16;
const MAX_PARTS = 256;
const ELEMENTS_OF_PARTS = 2 ** 17;

export type NormalizedRows = {
  readonly rows: number;
  readonly cols: number;
  /** How many sums each column is split into. */
  readonly parts: number;
};

/**
 * The rows that are normalised: x's last axes.
 *
 * @param affine weight and bias by name, null where there is none
 * @throws ShapeError unless x ends in `normalizedShape`, and weight and bias have it
 */
export function normalizedRows(
  op: string,
  x: Tensor,
  normalizedShape: number | Shape,
  affine: Readonly<Record<string, Tensor | null>>,
): NormalizedRows {
  const shape = typeof normalizedShape === "number" ? [normalizedShape] : normalizedShape;
  const axes = shape.length;
  if (axes === 0 || axes > x.rank || !shapesEqual(x.shape.slice(-axes), shape)) {
    const expected = axes === 0 ? "at least one axis in normalizedShape" : `it to end in ${formatShape(shape)}`;
    throw new ShapeError(`${op}: x has shape ${formatShape(x.shape)}, expected ${expected}`);
  }
  expectDType(op, "x", x.dtype, ["f32"]);
  for (const [name, tensor] of Object.entries(affine)) {
    if (!tensor) continue;
    expectShape(op, name, tensor.shape, shape);
    expectDType(op, name, tensor.dtype, ["f32"]);
    expectSameDevice(op, [x, tensor]);
  }
  const cols = sizeOf(shape);
  const rows = sizeOf(x.shape.slice(0, -axes));
  const enough = Math.min(MAX_PARTS, ceilDiv(ELEMENTS_OF_PARTS, Math.max(cols, 1)));
  return { rows, cols, parts: Math.min(enough, ceilDiv(rows, MIN_ROWS_PER_PART)) };
}
