/** Positions as angles: RoPE, which makes attention's scores depend on how far apart query and key are. */
import { record } from "../../autograd/record.ts";
import { type Device, Storage } from "../../gpu/device.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel, type Reference } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { formatShape, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { MATH, TRIGONOMETRY } from "../lib/lib.ts";

const reference = {
  forward({ x, turns, y }, { rows, positions, heads, rotated, half, offset, sign, INTERLEAVED }) {
    for (let row = 0; row < rows; row++) {
      const position = offset + (row % positions);
      for (let i = 0; i < half; i++) {
        const angle = sign * position * 2 * Math.PI * (turns[i] * 2 ** -32 + turns[half + i] * 2 ** -64);
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        for (let head = 0; head < heads; head++) {
          const at = (row * heads + head) * 2 * half;
          const first = at + (INTERLEAVED ? 2 * i : i);
          const second = at + (INTERLEAVED ? 2 * i + 1 : i + half);
          const [a, b] = [x[first], x[second]];
          y[first] = head < rotated ? a * cos - b * sin : a;
          y[second] = head < rotated ? a * sin + b * cos : b;
        }
      }
    }
  },
} satisfies Reference;

function kernelWith(pairs: URL): Kernel {
  const source = new URL("./rotary-embedding.wgsl", import.meta.url);
  return loadKernel(source, { lib: [pairs, MATH, TRIGONOMETRY], reference });
}

const KERNELS = {
  scalar: kernelWith(new URL("./pairs-scalar.wgsl", import.meta.url)),
  vec4: kernelWith(new URL("./pairs-vec4.wgsl", import.meta.url)),
};
const THREADS = 64;

export interface RotaryOptions {
  /** What the angles per position are powers of: pair i turns by base^(-2 i / d). Default 10000. */
  base?: number;
  /** The position of the first row; default 0. */
  offset?: number;
  /** Whether features 2 i and 2 i + 1 are a pair, as in the paper, or i and i + d / 2, as in most models; default false. */
  interleaved?: boolean;
  /** How many heads of d features lie side by side on the last axis; default 1. */
  heads?: number;
  /** How many of them are turned, from the first; the others stay as they are. Default all. */
  rotatedHeads?: number;
}

const OPTIONS = ["base", "offset", "interleaved", "heads", "rotatedHeads"] as const;

interface Rotation {
  readonly params: Readonly<Record<"rows" | "positions" | "heads" | "rotated" | "half" | "offset", number>>;
  readonly base: number;
  readonly interleaved: boolean;
}

/**
 * Turns pairs of features by angles in proportion to the position, so that the product of a query and a key depends on
 * their distance:
 *
 *     (a, b) -> (a cos θ - b sin θ, a sin θ + b cos θ)      θ = (offset + t) * base^(-2 i / d) for pair i
 *
 * @param x f32 [..., t, heads * d]
 * @returns x's shape
 * @throws ShapeError unless x has two axes at least and the last splits into `heads` of an even number of features
 * @throws DTypeError; ValueError unless base > 0, and offset, heads and rotatedHeads are whole numbers in range
 * @see Su et al. 2021, RoFormer, https://arxiv.org/abs/2104.09864
 * @example
 * rotaryEmbedding(q);                                                    // q: [b, heads, t, d]
 * rotaryEmbedding(qkv, { heads: 3 * heads, rotatedHeads: 2 * heads });   // qkv: [b, t, 3 * heads * d], as selfAttention takes it
 */
export function rotaryEmbedding(x: Tensor, options: RotaryOptions = {}): Tensor {
  const op = "rotaryEmbedding";
  checkOptions(op, options, OPTIONS);
  const { base = 10000, offset = 0, interleaved = false, heads = 1, rotatedHeads = heads } = options;
  expectDType(op, "x", x.dtype, ["f32"]);
  checkBase(op, base);
  expectWhole(op, "heads", heads, [1, Number.MAX_SAFE_INTEGER]);
  expectWhole(op, "rotatedHeads", rotatedHeads, [0, heads]);
  const [positions, width] = x.shape.slice(-2) as [number, number];
  if (x.rank < 2 || width % (2 * heads) !== 0) {
    const features = heads === 1 ? "an even number of" : `a multiple of 2 * heads, ${2 * heads},`;
    throw new ShapeError(
      `${op}: x has shape ${formatShape(x.shape)}, expected [..., t, features] with ${features} features`,
    );
  }
  expectWhole(op, "offset", offset, [0, 2 ** 32 - positions]);
  const rows = sizeOf(x.shape.slice(0, -1));
  const params = { rows, positions, heads, rotated: rotatedHeads, half: width / heads / 2, offset };
  return rotate(x, { params, base, interleaved }, 1);
}

/** @throws ValueError unless `base` is a number above 0 */
export function checkBase(op: string, base: number): void {
  if (!(base > 0 && base < Infinity)) throw new ValueError(`${op}: base is ${base}, expected a number above 0`);
}

function expectWhole(op: string, name: string, value: number, [least, most]: readonly [number, number]): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} up` : `from ${least} to ${most}`;
  throw new ValueError(`${op}: ${name} is ${value}, expected a whole number ${range}`);
}

// A rotation's transpose is the rotation backwards, so its backward is itself with the other sign.
function rotate(x: Tensor, rotation: Rotation, sign: 1 | -1): Tensor {
  const { params, base, interleaved } = rotation;
  const { rows, half } = params;
  const y = empty(x.shape, { device: x.device });
  const width = half % 4 === 0 ? 4 : 1;
  dispatch(KERNELS[width === 4 ? "vec4" : "scalar"], "forward", {
    bind: { x, turns: turnsOf(x.device, base, half), y },
    params: { ...params, sign },
    constants: { INTERLEAVED: Number(interleaved) },
    groups: ceilDiv((rows * half) / width, THREADS),
  });
  return record(y, {
    op: "rotaryEmbedding",
    inputs: [x],
    saved: {},
    backward: (dy) => [rotate(dy, rotation, sign === 1 ? -1 : 1)],
    composed: true,
  });
}

const tables = new WeakMap<Device, Map<string, Storage>>();

// The turns per position of each pair, modulo 1, as binary fractions: the upper words of all, then the lower ones.
function turnsOf(device: Device, base: number, half: number): Storage {
  let ofDevice = tables.get(device);
  if (!ofDevice) tables.set(device, (ofDevice = new Map()));
  const key = `${base} ${half}`;
  let table = ofDevice.get(key);
  if (!table) {
    const words = new Uint32Array(Math.max(2 * half, 1));
    for (let i = 0; i < half; i++) {
      const turns = (base ** (-i / half) / (2 * Math.PI)) % 1;
      words[i] = Math.floor(turns * 2 ** 32);
      words[half + i] = Math.floor(((turns * 2 ** 32) % 1) * 2 ** 32);
    }
    ofDevice.set(key, (table = Storage.from(device, "u32", words)));
  }
  return table;
}
