/** A plain model of arrays for tests of ops that move elements: a shape, and an element for every position. */
import fc from "fast-check";
import { expect } from "vitest";
import { fromValues } from "../src/kernels/creation/creation.ts";
import type { DType } from "../src/tensor/dtype.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

export interface Model {
  readonly shape: Shape;
  readonly values: readonly number[];
}

export type Position = readonly number[];

/** The array whose element at each position is `element(position)`. */
export function model(shape: Shape, element: (position: Position) => number): Model {
  const values: number[] = [];
  const visit = (position: Position) => {
    if (position.length === shape.length) values.push(element(position));
    else for (let i = 0; i < shape[position.length]!; i++) visit([...position, i]);
  };
  visit([]);
  return { shape, values };
}

export function elementAt({ shape, values }: Model, position: Position): number {
  const value = values[position.reduce((offset, i, axis) => offset * shape[axis]! + i, 0)];
  const inside = position.length === shape.length && position.every((i, axis) => i >= 0 && i < shape[axis]!);
  if (!inside || value === undefined) throw new Error(`no element at [${position}] of [${shape}]`);
  return value;
}

/** 1, 2, 3, ... in `shape`; 0 and 1 in turns of irregular length for bool. */
export function counting(shape: Shape, dtype: DType = "f32"): Model {
  const values = Array.from({ length: sizeOf(shape) }, (_, i) => (dtype === "bool" ? Number(i % 3 === 1) : i + 1));
  return { shape, values };
}

export function toTensor({ shape, values }: Model, dtype: DType = "f32"): Tensor {
  return fromValues("test", values, shape, dtype, {});
}

/** Expects the tensor to have the model's shape and elements, and the dtype. */
export async function expectModel(y: Tensor, { shape, values }: Model, dtype: DType = "f32"): Promise<void> {
  expect({ shape: y.shape, dtype: y.dtype, values: Array.from(await y.data()) }).toEqual({ shape, dtype, values });
}

/** Shapes of up to `maxRank` axes, which may be empty. */
export function shapes({ minRank = 0, maxRank = 4, min = 0, max = 5 } = {}): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min, max }), { minLength: minRank, maxLength: maxRank });
}

export const dtypes: fc.Arbitrary<DType> = fc.constantFrom("f32", "i32", "u32", "bool");
