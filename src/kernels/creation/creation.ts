/** Tensors from data and from rules. */
import { Storage } from "../../gpu/device.ts";
import { checkOptions, ShapeError } from "../../gpu/errors.ts";
import { DTYPES, type DType, elementType, expectDType } from "../../tensor/dtype.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import { type NestedArray, resolveDevice, Tensor, type TensorOptions } from "../../tensor/tensor.ts";

export interface CreationOptions<D extends DType = DType> extends TensorOptions<D> {
  requiresGrad?: boolean;
}

export interface FromDataOptions<D extends DType = DType> extends CreationOptions<D> {
  /** The shape of flat data; nested arrays have their own. */
  shape?: Shape;
}

const OPTIONS = ["dtype", "device", "requiresGrad"] as const;

export type NumericArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array;

/**
 * Makes a tensor from a number, nested arrays or a typed array, which is copied.
 *
 * @param data nested arrays must be rectangular
 * @param options dtype: by default bool for booleans, the array's own for Int32Array and Uint32Array, i32 for the
 *   shorter integer arrays, else f32
 * @throws ShapeError if nested arrays are ragged or the data does not fill `shape`
 * @example
 * tensor([[1, 2], [3, 4]]);
 * tensor(new Float32Array(6), { shape: [2, 3], requiresGrad: true });
 */
export function tensor<D extends DType = "f32">(
  data: NestedArray | NumericArray,
  options: FromDataOptions<D> = {},
): Tensor<D> {
  checkOptions("tensor", options, [...OPTIONS, "shape"]);
  const flat = ArrayBuffer.isView(data) ? { values: data as NumericArray, shape: [data.length] } : flattenNested(data);
  const shape = options.shape ?? flat.shape;
  checkShape("tensor", shape);
  if (sizeOf(shape) !== flat.values.length) {
    throw new ShapeError(
      `tensor: data has ${flat.values.length} elements, expected ${sizeOf(shape)} for the shape ${formatShape(shape)}`,
    );
  }
  const dtype = options.dtype ?? (dtypeOf(data) as D);
  return fromValues("tensor", flat.values, shape, dtype, options);
}

/** Puts host values on a device in the layout of `dtype`. */
export function fromValues<D extends DType>(
  op: string,
  values: ArrayLike<number>,
  shape: Shape,
  dtype: D,
  { device, requiresGrad = false }: CreationOptions,
): Tensor<D> {
  expectDType(op, "dtype", dtype, DTYPES);
  const target = resolveDevice(device);
  const storage = Storage.from(target, elementType(dtype), encode(values, dtype, target.wordBytes));
  const result = new Tensor(storage, shape, dtype);
  if (requiresGrad) result.requiresGrad = true;
  return result;
}

function encode(values: ArrayLike<number>, dtype: DType, wordBytes: number) {
  if (dtype === "bool") return Uint32Array.from(values, (value) => (value === 0 ? 0 : 1));
  if (dtype === "i32") return values instanceof Int32Array ? values : Int32Array.from(values);
  if (dtype === "u32") return values instanceof Uint32Array ? values : Uint32Array.from(values);
  if (wordBytes === 8) return values instanceof Float64Array ? values : Float64Array.from(values);
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

function dtypeOf(data: NestedArray | NumericArray): DType {
  if (data instanceof Float32Array || data instanceof Float64Array) return "f32";
  if (data instanceof Uint32Array) return "u32";
  if (ArrayBuffer.isView(data)) return "i32";
  let first: NestedArray | undefined = data;
  while (Array.isArray(first)) first = first[0];
  return typeof first === "boolean" ? "bool" : "f32";
}

function flattenNested(data: NestedArray): { values: number[]; shape: number[] } {
  const shape: number[] = [];
  for (let level: NestedArray | undefined = data; Array.isArray(level); level = level[0]) shape.push(level.length);
  const values: number[] = [];
  const visit = (value: NestedArray, axis: number): void => {
    if (Array.isArray(value) !== axis < shape.length || (Array.isArray(value) && value.length !== shape[axis])) {
      throw new ShapeError(
        `tensor: the nested arrays are ragged at depth ${axis}, expected the shape ${formatShape(shape)}`,
      );
    }
    if (Array.isArray(value)) for (const element of value) visit(element, axis + 1);
    else values.push(Number(value));
  };
  visit(data, 0);
  return { values, shape };
}
