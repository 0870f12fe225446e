/** How the kernels of products store an operand that they pack: in vec4s of f32, or as float16 in half the bytes. */
import type { Precision } from "../../autograd/autocast.ts";
import type { Device } from "../../gpu/device.ts";
import type { Shape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";

/** WGSL of `Quad`, `toQuad` and `fromQuad`. */
export const QUADS: Readonly<Record<Precision, URL>> = {
  f32: new URL("./quads-f32.wgsl", import.meta.url),
  f16: new URL("./quads-f16.wgsl", import.meta.url),
};

/** A kernel for each precision. */
export function perPrecision<T>(load: (quads: URL) => T): Readonly<Record<Precision, T>> {
  return { f32: load(QUADS.f32), f16: load(QUADS.f16) };
}

/** Scratch for `shape` of them. @returns the shape with a last axis of words */
export function emptyQuads(shape: Shape, precision: Precision, device: Device): Tensor {
  return precision === "f32"
    ? empty([...shape, 4], { device })
    : (empty([...shape, 2], { dtype: "u32", device }) as unknown as Tensor);
}
