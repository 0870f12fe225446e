/** What convolutions take: their options by axis, and their operands as batches of images. */
import { expectSameDevice } from "../../autograd/record.ts";
import { ShapeError, ValueError } from "../../gpu/errors.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { scope } from "../../tensor/scope.ts";
import { expectShape, formatShape, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { squeeze, unsqueeze } from "../view/reshape.ts";
import type { Pair } from "./geometry.ts";

/** One number for both axes, or [vertical, horizontal]. */
export type PerAxis = number | Pair;

/** @returns [vertical, horizontal] */
export function pairOf(value: PerAxis): Pair {
  return typeof value === "number" ? [value, value] : value;
}

/**
 * A number per axis of an option; for sequences, the least there is stands for the axis that they do not have.
 *
 * @param least what it may not be below
 * @param axes 1 for sequences, which take one number
 * @throws ValueError
 */
export function perAxis(op: string, name: string, value: PerAxis, least: 0 | 1, axes: 1 | 2): Pair {
  const values: readonly number[] = pairOf(value);
  const fits = Array.isArray(values) && values.length === 2 && values.every((x) => Number.isInteger(x) && x >= least);
  if (!fits || (axes === 1 && typeof value !== "number")) {
    const one = `a whole number${least === 0 ? " from 0 up" : " above 0"}`;
    const has = Array.isArray(value) ? formatShape(value) : String(value);
    throw new ValueError(`${op}: ${name} is ${has}, expected ${axes === 1 ? one : `${one}, or two of them`}`);
  }
  return axes === 1 ? [least, values[1]!] : (values as unknown as Pair);
}

/** @throws ValueError for a padding that is none, or "same" where the stride changes the size */
export function checkPadding(op: string, padding: PerAxis | string, stride: PerAxis, axes: 1 | 2): void {
  if (typeof padding !== "string") {
    perAxis(op, "padding", padding, 0, axes);
    return;
  }
  if (padding !== "same" && padding !== "valid") {
    throw new ValueError(`${op}: padding is "${padding}", expected numbers, "same" or "valid"`);
  }
  const steps = pairOf(stride);
  if (padding === "same" && (steps[0] !== 1 || steps[1] !== 1)) {
    throw new ValueError(
      `${op}: padding is "same" with a stride of ${steps.slice(-axes).join(", ")}, expected a stride of 1`,
    );
  }
}

/** The last sizes of a shape as an image's; a sequence is an image of one row. */
export function imageSizes(shape: Shape, axes: 1 | 2): Pair {
  return [axes === 1 ? 1 : shape.at(-2)!, shape.at(-1)!];
}

export interface Operands {
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | null;
}

const AXES = { 1: ["l", "k"], 2: ["h, w", "kh, kw"] } as const;

/**
 * Checks the operands of a convolution that do not depend on its options.
 *
 * @param channels what the first two axes of weight are
 * @throws ShapeError, DTypeError, DeviceError
 */
export function checkOperands(op: string, { x, weight, bias }: Operands, axes: 1 | 2, channels: string): void {
  const [sizes, kernel] = AXES[axes];
  if (x.rank !== axes + 1 && x.rank !== axes + 2) {
    throw new ShapeError(`${op}: x has shape ${formatShape(x.shape)}, expected [n, c, ${sizes}] or [c, ${sizes}]`);
  }
  if (weight.rank !== axes + 2) {
    throw new ShapeError(`${op}: weight has shape ${formatShape(weight.shape)}, expected [${channels}, ${kernel}]`);
  }
  if (weight.shape.slice(2).includes(0)) {
    throw new ShapeError(`${op}: weight has shape ${formatShape(weight.shape)}, expected kernel sizes above 0`);
  }
  for (const [name, tensor] of Object.entries({ x, weight, bias }))
    if (tensor) expectDType(op, name, tensor.dtype, ["f32"]);
  expectSameDevice(op, bias ? [x, weight, bias] : [x, weight]);
}

/** @throws ValueError unless groups is a whole number above 0; ShapeError unless it divides the channels */
export function checkGroups(op: string, groups: number, argument: string, channels: number): void {
  if (!Number.isInteger(groups) || groups < 1) {
    throw new ValueError(`${op}: groups is ${groups}, expected a whole number above 0`);
  }
  if (channels % groups !== 0) {
    throw new ShapeError(`${op}: ${argument} has ${channels} channels, expected a multiple of groups, ${groups}`);
  }
}

export function checkBias(op: string, bias: Tensor | null, channels: number): void {
  if (bias) expectShape(op, "bias", bias.shape, [channels]);
}

/**
 * Runs a convolution of batches of images on what may be one image, or sequences: signals one row high.
 *
 * @param axes 1 for sequences
 */
export function asImages({ x, weight, bias }: Operands, axes: 1 | 2, run: (operands: Operands) => Tensor): Tensor {
  const isOne = x.rank === axes + 1;
  if (!isOne && axes === 2) return run({ x, weight, bias });
  return scope(() => {
    const batch = isOne ? unsqueeze(x, 0) : x;
    const y =
      axes === 2
        ? run({ x: batch, weight, bias })
        : squeeze(run({ x: unsqueeze(batch, 2), weight: unsqueeze(weight, 2), bias }), 2);
    return isOne ? squeeze(y, 0) : y;
  });
}
