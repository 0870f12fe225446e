import type { ElementType } from "../../gpu/device.ts";
import { ValueError } from "../../gpu/errors.ts";
import { type Bindable, ceilDiv, dispatch, type Kernel, loadKernel, type Reference } from "../../gpu/kernel.ts";
import type { DType } from "../../tensor/dtype.ts";

const THREADS = 64;

const reference: Reference = {
  fill({ y }, { size, value }) {
    for (let i = 0; i < size; i++) y[i] = value;
  },
};

function declareKernel(type: ElementType, width: 1 | 4): Kernel {
  return loadKernel(new URL("./fill.wgsl", import.meta.url), {
    append: `alias R = ${type};
alias T = ${width === 4 ? `vec4<${type}>` : type};
const WIDTH = ${width}u;
`,
    reference,
  });
}

const single = { f32: declareKernel("f32", 1), i32: declareKernel("i32", 1), u32: declareKernel("u32", 1) };
const fours = { f32: declareKernel("f32", 4), i32: declareKernel("i32", 4), u32: declareKernel("u32", 4) };

const RANGES = { i32: [-(2 ** 31), 2 ** 31 - 1], u32: [0, 2 ** 32 - 1] } as const;

/** A number as an element of `dtype`; for bool, anything but 0 is 1. @throws ValueError if the dtype does not have it */
export function expectValue(op: string, value: number, dtype: DType): number {
  if (dtype === "bool") return Number(value !== 0);
  if (dtype === "f32") return value;
  const [least, most] = RANGES[dtype];
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new ValueError(`${op}: value is ${value}, expected a whole number from ${least} to ${most} for ${dtype}`);
}

/** Sets every element of a storage to a value of its element type. */
export function fillStorage({ storage }: Bindable, value: number): void {
  const { length: size, type } = storage;
  const inFours = size % 4 === 0;
  dispatch((inFours ? fours : single)[type], "fill", {
    bind: { y: storage },
    params: { size, value },
    groups: ceilDiv(inFours ? size / 4 : size, THREADS),
  });
}
