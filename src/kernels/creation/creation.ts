/** Tensors from data and from rules. The dtype is f32 unless it is given or, for data, told by the array's own type. */
import { Storage } from "../../gpu/device.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel, type ReferenceArray } from "../../gpu/kernel.ts";
import { DTYPES, type DType, elementType, expectDType } from "../../tensor/dtype.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import { empty, type NestedArray, resolveDevice, Tensor, type TensorOptions } from "../../tensor/tensor.ts";
import { expectValue, fillStorage } from "../assign/fill.ts";

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
  const flat = hostElements("tensor", data);
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

/** Host values in the layout of `dtype`, for `Device.write`. */
export function encode(values: ArrayLike<number>, dtype: DType, wordBytes: number): ReferenceArray {
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

/** The elements of host data in row-major order, and the shape it has by itself. @throws ShapeError if it is ragged */
export function hostElements(
  op: string,
  data: NestedArray | NumericArray,
): { values: ArrayLike<number>; shape: number[] } {
  if (ArrayBuffer.isView(data)) return { values: data as NumericArray, shape: [data.length] };
  const shape: number[] = [];
  for (let level: NestedArray | undefined = data; Array.isArray(level); level = level[0]) shape.push(level.length);
  const values: number[] = [];
  const visit = (value: NestedArray, axis: number): void => {
    if (Array.isArray(value) !== axis < shape.length || (Array.isArray(value) && value.length !== shape[axis])) {
      throw new ShapeError(
        `${op}: the nested arrays are ragged at depth ${axis}, expected the shape ${formatShape(shape)}`,
      );
    }
    if (Array.isArray(value)) for (const element of value) visit(element, axis + 1);
    else values.push(Number(value));
  };
  visit(data, 0);
  return { values, shape };
}

const THREADS = 64;

const kernels = { f32: declareKernel("f32"), i32: declareKernel("i32"), u32: declareKernel("u32") };

function declareKernel(type: "f32" | "i32" | "u32"): Kernel {
  return loadKernel(new URL("./creation.wgsl", import.meta.url), {
    append: `alias T = ${type};\n`,
    reference: {
      sequence({ y }, { size, half, start, step, end }) {
        for (let i = 0; i < size; i++) y[i] = i < half ? start + i * step : end - (size - 1 - i) * step;
      },
      identity({ y }, { size, cols }) {
        for (let i = 0; i < size; i++) y[i] = Number(Math.floor(i / cols) === i % cols);
      },
    },
  });
}

function generate<D extends DType>(
  shape: Shape,
  entry: "sequence" | "identity",
  params: { half?: number; start?: number; step?: number; end?: number; cols?: number },
  { requiresGrad = false, ...options }: CreationOptions<D>,
): Tensor<D> {
  const y = empty(shape, options);
  dispatch(kernels[elementType(y.dtype)], entry, {
    bind: { y },
    params: { size: y.size, half: y.size, start: 0, step: 0, end: 0, cols: 1, ...params },
    groups: ceilDiv(y.size, THREADS),
  });
  if (requiresGrad) y.requiresGrad = true;
  return y;
}

function filled<D extends DType>(
  op: string,
  shape: Shape,
  value: number,
  { requiresGrad = false, ...options }: CreationOptions<D>,
): Tensor<D> {
  const y = empty(shape, options);
  fillStorage(y, expectValue(op, value, y.dtype));
  if (requiresGrad) y.requiresGrad = true;
  return y;
}

/** Fills `shape` with one value; for bool, anything but 0 is true. @throws ValueError for a value the dtype does not have */
export function full<D extends DType = "f32">(
  shape: Shape,
  value: number,
  options: CreationOptions<D> = {},
): Tensor<D> {
  checkOptions("full", options, OPTIONS);
  return filled("full", shape, value, options);
}

/** Fills `shape` with 0. */
export function zeros<D extends DType = "f32">(shape: Shape, options: CreationOptions<D> = {}): Tensor<D> {
  checkOptions("zeros", options, OPTIONS);
  return filled("zeros", shape, 0, options);
}

/** Fills `shape` with 1. */
export function ones<D extends DType = "f32">(shape: Shape, options: CreationOptions<D> = {}): Tensor<D> {
  checkOptions("ones", options, OPTIONS);
  return filled("ones", shape, 1, options);
}

/** The identity matrix [rows, cols]; square where `cols` is left out. */
export function eye<D extends DType = "f32">(rows: number, cols = rows, options: CreationOptions<D> = {}): Tensor<D> {
  checkOptions("eye", options, OPTIONS);
  return generate([rows, cols], "identity", { cols }, options);
}

/**
 * Numbers from `start` up to, not including, `end`; `arange(n)` is 0 to n - 1.
 *
 * @throws ValueError if `step` is 0 or leads away from `end`
 */
export function arange<D extends DType = "f32">(
  start: number,
  end?: number,
  step = 1,
  options: CreationOptions<D> = {},
): Tensor<D> {
  checkOptions("arange", options, OPTIONS);
  const [from, to] = end === undefined ? [0, start] : [start, end];
  if (!(step !== 0 && (to - from) / step >= 0)) {
    throw new ValueError(`arange: the step ${step} does not lead from ${from} to ${to}`);
  }
  return generate([Math.ceil((to - from) / step)], "sequence", { start: from, step }, options);
}

/**
 * `steps` numbers at equal distances, both ends included.
 *
 * @returns [steps]
 */
export function linspace(
  start: number,
  end: number,
  steps: number,
  options: CreationOptions<"f32"> = {},
): Tensor<"f32"> {
  checkOptions("linspace", options, OPTIONS);
  const step = steps > 1 ? (end - start) / (steps - 1) : 0;
  return generate([steps], "sequence", { start, step, end, half: Math.ceil(steps / 2) }, options);
}

/** Zeros of x's shape, dtype and device. */
export function zerosLike<D extends DType>(x: Tensor<D>): Tensor<D> {
  return zeros(x.shape, { dtype: x.dtype, device: x.device });
}

/** Ones of x's shape, dtype and device. */
export function onesLike<D extends DType>(x: Tensor<D>): Tensor<D> {
  return ones(x.shape, { dtype: x.dtype, device: x.device });
}

/** One value in x's shape, dtype and device. */
export function fullLike<D extends DType>(x: Tensor<D>, value: number): Tensor<D> {
  return full(x.shape, value, { dtype: x.dtype, device: x.device });
}
