/**
 * How elementwise kernels walk tensors: in vec4s where there are many elements and their number is a multiple of four, else
 * one by one; and where they read operands that were stretched to the result's shape.
 */
import type { Device } from "../../gpu/device.ts";
import { ceilDiv, STEP } from "../../gpu/kernel.ts";
import { broadcastStrides, collapse, type Shape, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { expand } from "../view/expand.ts";

/** Elements that are read and written at once. */
export type Width = 1 | 4;

export interface Pace {
  readonly width: Width;
  /** How many of these a thread takes at a time, which are neighbours. */
  readonly step: number;
}

const THREADS = 64;
const MAX_DIMENSIONS = 4;
// Below this, a second pipeline costs more than it saves.
const PACKED_FROM = 4096;

// As in lib/broadcast.wgsl.
const WHOLE = 0;
const SINGLE = 1;
const STRIDED = 2;

/**
 * The pace for `size` elements that are written in order.
 *
 * @param line how many of them are read in order
 */
export function paceFor(device: Device, size: number, line = size): Pace {
  const isPacked = device.kind === "webgpu" && size >= PACKED_FROM && line % 4 === 0;
  return isPacked ? { width: 4, step: 1 } : { width: 1, step: STEP[device.family] };
}

export function groupsFor(size: number, { width, step }: Pace): number {
  return ceilDiv(size, THREADS * width * step);
}

/** The WGSL type of `width` elements of `type`. */
export function vectorOf(type: string, width: Width): string {
  return width === 4 ? `vec4<${type}>` : type;
}

/**
 * WGSL of a function that applies the scalar function `f` to every component of its arguments.
 *
 * @param parameters types by name
 */
export function lift(
  width: Width,
  name: string,
  f: string,
  parameters: Record<string, string>,
  result: string,
): string {
  const names = Object.keys(parameters);
  const declared = names.map((parameter) => `${parameter}: ${parameters[parameter]}`).join(", ");
  const applied = (component: string) => `${f}(${names.map((parameter) => parameter + component).join(", ")})`;
  const body = width === 1 ? applied("") : `${result}(${[".x", ".y", ".z", ".w"].map(applied).join(", ")})`;
  return `fn ${name}(${declared}) -> ${result} { return ${body}; }\n`;
}

/** The walk over operands a, b, c, ... that were broadcast to one shape. */
export interface Iteration {
  readonly width: Width;
  /** Per operand, whether it is read `width` elements at a time; else one element stands for them. */
  readonly packed: readonly boolean[];
  readonly groups: number;
  readonly params: Readonly<Record<string, readonly number[]>>;
  readonly constants: Readonly<Record<string, number>>;
}

/**
 * Plans the walk over operands that broadcast to `shape`.
 *
 * @returns the walk, and the operands: expanded where the kernel has too few dimensions for the way they stretch
 */
export function plan<T extends readonly Tensor[]>(operands: T, shape: Shape): { operands: T; iteration: Iteration } {
  const iteration = iterate(operands, shape);
  if (iteration) return { operands, iteration };
  const expanded = operands.map((x) => expand(x, shape)) as unknown as T;
  return { operands: expanded, iteration: iterate(expanded, shape)! };
}

/** Whether each operand is read element by element in the result's order, or has one element. */
export function isInOrder({ constants }: Iteration): boolean {
  return [constants.A_ACCESS, constants.B_ACCESS, constants.C_ACCESS].every((access) => access !== STRIDED);
}

function iterate(operands: readonly Tensor[], shape: Shape): Iteration | null {
  const size = sizeOf(shape);
  const merged = collapse(
    shape,
    operands.map((x) => broadcastStrides(x.shape, shape)),
  );
  const rank = merged.shape.length;
  if (rank > MAX_DIMENSIONS) return null;
  // The innermost stride of an operand is 1, or 0 where it is stretched.
  const pace = paceFor(operands[0]!.device, size, merged.shape.at(-1) ?? 1);
  const { width } = pace;
  const packed = merged.strides.map((strides) => width === 4 && strides.at(-1) === 1);
  const params: Record<string, number[]> = { shape: outermostFirst(merged.shape) };
  const constants: Record<string, number> = { RANK: rank, STEP: pace.step };
  params.shape![0] = size / width;
  if (rank > 1) params.shape![MAX_DIMENSIONS - 1]! /= width;
  for (const [k, x] of operands.entries()) {
    const letter = "abc"[k]!;
    const strides = outermostFirst(merged.strides[k]!);
    // In vec4s, the innermost stride stays 1.
    params[`${letter}Strides`] = packed[k] ? strides.map((stride) => Math.ceil(stride / 4)) : strides;
    constants[`${letter.toUpperCase()}_ACCESS`] = x.size === size ? WHOLE : x.size === 1 ? SINGLE : STRIDED;
  }
  return { width, packed, groups: groupsFor(size, pace), params, constants };
}

// The outermost dimension in component x, the others aligned at w: [r] -> r___, [p, r] -> p__r, [p, q, r] -> p_qr.
function outermostFirst(values: readonly number[]): number[] {
  const [outermost = 0, ...inner] = values;
  return [outermost, ...new Array<number>(MAX_DIMENSIONS - 1 - inner.length).fill(0), ...inner];
}

/** For references: calls `visit` with every element of the result and where it reads each operand. Width 1 only. */
export function walk(params: Record<string, unknown>, count: number, visit: (i: number, at: number[]) => void): void {
  const { shape, RANK } = params as { shape: number[]; RANK: number };
  const letters = ["a", "b", "c"].slice(0, count);
  const strides = letters.map((letter) => params[`${letter}Strides`] as number[]);
  const access = letters.map((letter) => params[`${letter.toUpperCase()}_ACCESS`]);
  const at = new Array<number>(count);
  const coordinates = new Array<number>(MAX_DIMENSIONS).fill(0);
  for (let i = 0; i < shape[0]!; i++) {
    coordinates[0] = i;
    for (let axis = MAX_DIMENSIONS - 1; axis > MAX_DIMENSIONS - RANK; axis--) {
      const n = shape[axis]!;
      coordinates[axis] = coordinates[0]! % n;
      coordinates[0] = Math.floor(coordinates[0]! / n);
    }
    for (let k = 0; k < count; k++) {
      if (access[k] === WHOLE) at[k] = i;
      else if (access[k] === SINGLE) at[k] = 0;
      else at[k] = dot(coordinates, strides[k]!);
    }
    visit(i, at);
  }
}

function dot(c: readonly number[], s: readonly number[]): number {
  return c[0]! * s[0]! + c[1]! * s[1]! + c[2]! * s[2]! + c[3]! * s[3]!;
}
