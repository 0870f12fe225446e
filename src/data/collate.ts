/** How examples become a batch where nobody says how: PyTorch's `default_collate`, for JavaScript's values. */

import { ShapeError, ValueError } from "../gpu/errors.ts";
import { stack } from "../kernels/concat/concat.ts";
import { type NumericArray, tensor } from "../kernels/creation/creation.ts";
import { formatShape, shapesEqual } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";

/** What `collate` makes of examples. */
export type Collated<T> = T extends Tensor
  ? T
  : T extends number | boolean | NumericArray
    ? Tensor
    : T extends string
      ? string[]
      : T extends readonly unknown[] | object
        ? { -readonly [K in keyof T]: Collated<T[K]> }
        : never;

/**
 * Puts examples of one kind together, along a new first axis:
 *
 * - numbers become a tensor [batch]: i32 where all are whole, else f32; booleans one of bool; strings a list;
 * - typed arrays [n] become a tensor [batch, n], tensors [...] one [batch, ...]: all have one size, see `padSequences`;
 * - lists and plain objects, looked into: lists of two become a list of two batches.
 *
 * @throws ShapeError for arrays, tensors or lists of different sizes
 * @throws ValueError for no examples, or values that cannot be put together, with the path to them
 * @see https://pytorch.org/docs/stable/data.html#torch.utils.data.default_collate
 *
 * @example
 * collate([{ x: Float32Array.of(1, 2), y: 0 }, { x: Float32Array.of(3, 4), y: 1 }]);   // { x: [2, 2], y: i32 [2] }
 */
export function collate<T>(examples: readonly T[]): Collated<T> {
  return collateAt(examples, "an example") as Collated<T>;
}

function collateAt(values: readonly unknown[], path: string): unknown {
  const [first] = values;
  if (values.length === 0) throw new ValueError("collate: there are no examples, expected one or more");
  const kind = kindOf(first);
  const other = values.findIndex((value) => kindOf(value) !== kind);
  if (other >= 0) {
    throw new ValueError(`collate: ${path} is ${kindOf(values[other])} where the first is ${kind}`);
  }
  switch (kind) {
    case "number": {
      const numbers = values as readonly number[];
      const dtype = numbers.every((value) => Number.isInteger(value) && Math.abs(value) < 2 ** 31) ? "i32" : "f32";
      return tensor([...numbers], { dtype });
    }
    case "boolean":
      return tensor([...(values as readonly boolean[])], { dtype: "bool" });
    case "string":
      return [...values];
    case "tensor":
      return collateTensors(values as readonly Tensor[], path);
    case "typed array":
      return collateArrays(values as readonly NumericArray[], path);
    case "list": {
      const lists = values as readonly unknown[][];
      expectSameSize(path, lists, "make it a typed array if it is one value, and pad it with padSequences");
      return lists[0]!.map((_, i) =>
        collateAt(
          lists.map((list) => list[i]),
          `${path}[${i}]`,
        ),
      );
    }
    case "object": {
      const objects = values as readonly Record<string, unknown>[];
      const entries = Object.keys(objects[0]!).map((key) => [
        key,
        collateAt(
          objects.map((object) => object[key]),
          `${path}.${key}`,
        ),
      ]);
      return Object.fromEntries(entries);
    }
    default:
      throw new ValueError(
        `collate: ${path} is ${kind}, expected numbers, booleans, strings, typed arrays, tensors, lists or plain ` +
          "objects of them; give the DataLoader a collate of your own",
      );
  }
}

function collateTensors(tensors: readonly Tensor[], path: string): Tensor {
  const [first] = tensors;
  const other = tensors.find(({ shape }) => !shapesEqual(shape, first!.shape));
  if (other) {
    throw new ShapeError(
      `collate: ${path} has shape ${formatShape(other.shape)}, expected ${formatShape(first!.shape)} as the first`,
    );
  }
  return stack(tensors);
}

function collateArrays(arrays: readonly NumericArray[], path: string): Tensor {
  expectSameSize(path, arrays, "pad them with padSequences");
  const [first] = arrays;
  const n = first!.length;
  const all = new (first!.constructor as new (length: number) => NumericArray)(arrays.length * n);
  for (const [i, array] of arrays.entries()) all.set(array, i * n);
  return tensor(all, { shape: [arrays.length, n] });
}

function expectSameSize(path: string, arrays: readonly ArrayLike<unknown>[], remedy: string): void {
  const n = arrays[0]!.length;
  const other = arrays.find(({ length }) => length !== n);
  if (other)
    throw new ShapeError(`collate: ${path} has ${other.length} elements, expected ${n} as the first; ${remedy}`);
}

function kindOf(value: unknown): string {
  if (value === null || typeof value !== "object") return value === null ? "null" : typeof value;
  if (value instanceof Tensor) return "tensor";
  if (Array.isArray(value)) return "list";
  if (
    ArrayBuffer.isView(value) &&
    "length" in value &&
    !(value instanceof BigInt64Array) &&
    !(value instanceof BigUint64Array)
  ) {
    return "typed array";
  }
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? "object" : (value.constructor?.name ?? "object");
}
