/** Element types, and which type an op on several of them computes in. */
import type { ElementType } from "../gpu/device.ts";
import { DTypeError } from "../gpu/errors.ts";

/** `f32` is float64 on the `cpu:f64` device; `bool` is stored as u32 0 or 1. */
export type DType = "f32" | "i32" | "u32" | "bool";

export const DTYPES: readonly DType[] = ["f32", "i32", "u32", "bool"];

/** What `data()` resolves to. */
export type TypedArrayOf<D extends DType> = D extends "f32"
  ? Float32Array | Float64Array
  : D extends "i32"
    ? Int32Array
    : D extends "u32"
      ? Uint32Array
      : Uint8Array;

export function elementType(dtype: DType): ElementType {
  return dtype === "bool" ? "u32" : dtype;
}

export function isFloat(dtype: DType): boolean {
  return dtype === "f32";
}

/**
 * The dtype of a result: bool < i32, u32 < f32. A JavaScript number is weak: it takes the other's dtype, except that a
 * fraction makes integers f32, and any number makes bool i32.
 *
 * @throws DTypeError for i32 with u32
 */
export function promote(op: string, a: DType | number, b: DType | number): DType {
  if (typeof a === "number") return typeof b === "number" ? weak(a, weak(b, "bool")) : weak(a, b);
  if (typeof b === "number") return weak(b, a);
  if (a === b || b === "bool") return a;
  if (a === "bool") return b;
  if (a === "f32" || b === "f32") return "f32";
  throw new DTypeError(`${op}: i32 with u32 has no common dtype; convert one with .to("i32") or .to("u32")`);
}

function weak(value: number, dtype: DType): DType {
  if (dtype === "f32" || !Number.isInteger(value)) return "f32";
  return dtype === "bool" ? "i32" : dtype;
}

/** @throws DTypeError unless `dtype` is one of `allowed` */
export function expectDType(op: string, argument: string, dtype: DType, allowed: readonly DType[]): void {
  if (!allowed.includes(dtype))
    throw new DTypeError(`${op}: ${argument} has dtype ${dtype}, expected ${allowed.join(" or ")}`);
}
