import { record } from "../../autograd/record.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { dispatch, loadKernel } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { formatShape, type Shape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { runsOver } from "../lib/runs.ts";
import { asPair, type Pair, type PerAxis, perAxis } from "../pool/windows.ts";
import { interpolateReference } from "./interpolate.reference.ts";

const kernel = loadKernel(new URL("./interpolate.wgsl", import.meta.url), { reference: interpolateReference });

export type InterpolateMode = "nearest" | "linear" | "bilinear";

export interface InterpolateOptions {
  /** Of the result: a number for each of the last axes, or one for all. */
  size?: PerAxis;
  /** Instead of the size, what it is multiplied by. */
  scaleFactor?: PerAxis;
  /** `nearest`, by default; `linear` for x of three axes, `bilinear` for x of four. */
  mode?: InterpolateMode;
  /** Whether the first and last elements stay where they are, between which the others are spread; for the linear modes. */
  alignCorners?: boolean;
}

// As in interpolate.wgsl.
const MODES = { nearest: 0, centres: 1, corners: 2 };

/**
 * Resizes sequences or images: y[o] = x at the point o scale (nearest), (o + 1/2) scale - 1/2 (linear modes), or
 * o (in - 1) / (out - 1) (with `alignCorners`), where scale is in / out, or 1 / scaleFactor.
 *
 * @param x [n, c, l] or [n, c, h, w], f32
 * @param options size or scaleFactor, mode, alignCorners
 * @returns [n, c, out] or [n, c, outH, outW]
 * @throws ShapeError for x of another rank or without elements along its last axes, ValueError for options that do not fit,
 *   DTypeError unless x is f32
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html
 * @example
 * interpolate(x, { scaleFactor: 2 });                      // [n, c, 7, 7] -> [n, c, 14, 14], each element four times
 * interpolate(x, { size: [9, 12], mode: "bilinear" });
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  checkOptions("interpolate", options, ["size", "scaleFactor", "mode", "alignCorners"]);
  const { mode = "nearest", alignCorners } = options;
  expectDType("interpolate", "x", x.dtype, ["f32"]);
  if (x.rank !== 3 && x.rank !== 4) {
    throw new ShapeError(`interpolate: x has shape ${formatShape(x.shape)}, expected [n, c, l] or [n, c, h, w]`);
  }
  const linear = x.rank === 3 ? "linear" : "bilinear";
  if (mode !== "nearest" && mode !== linear) {
    throw new ValueError(
      `interpolate: mode is "${mode}", expected nearest or ${linear} for x of shape ${formatShape(x.shape)}`,
    );
  }
  if (mode === "nearest" && alignCorners !== undefined) {
    throw new ValueError(`interpolate: alignCorners is ${alignCorners}, expected none for the mode nearest`);
  }
  const size = x.shape.slice(2);
  const { out, factors } = sizesFor(x, options);
  if ([...size, ...out].some((n) => n < 1)) {
    throw new ShapeError(
      `interpolate: x has shape ${formatShape(x.shape)} and is resized to ${formatShape(out)}, expected sizes above 0`,
    );
  }
  const scale = size.map((n, axis) => {
    if (alignCorners) return out[axis]! > 1 ? (n - 1) / (out[axis]! - 1) : 0;
    return factors ? 1 / factors[axis]! : n / out[axis]!;
  });
  return resize(
    {
      mode: mode === "nearest" ? "nearest" : alignCorners ? "corners" : "centres",
      planes: x.shape[0]! * x.shape[1]!,
      size: asPair(size, 1),
      out: asPair(out, 1),
      scale: asPair(scale, 1),
      shapes: { x: x.shape, y: [...x.shape.slice(0, 2), ...out] },
    },
    x,
  );
}

function sizesFor(x: Tensor, { size, scaleFactor }: InterpolateOptions): { out: number[]; factors: number[] | null } {
  const axes = x.rank - 2;
  if ((size === undefined) === (scaleFactor === undefined)) {
    const given = size === undefined ? "neither size nor scaleFactor" : "both size and scaleFactor";
    throw new ValueError(`interpolate: options have ${given}, expected one of them`);
  }
  if (size !== undefined) return { out: perAxis("interpolate", "size", size, axes, 1), factors: null };
  const factors = typeof scaleFactor === "number" ? new Array<number>(axes).fill(scaleFactor) : [...scaleFactor!];
  if (factors.length !== axes || factors.some((factor) => !(factor > 0 && Number.isFinite(factor)))) {
    const given = typeof scaleFactor === "number" ? scaleFactor : formatShape(factors);
    const list = axes === 1 ? "" : `, or ${axes} of them`;
    throw new ValueError(`interpolate: scaleFactor is ${given}, expected a number above 0${list}`);
  }
  return { out: factors.map((factor, axis) => Math.floor(x.shape[2 + axis]! * factor)), factors };
}

interface Resizing {
  readonly mode: keyof typeof MODES;
  readonly planes: number;
  readonly size: Pair;
  readonly out: Pair;
  /** Elements of x per element of y. */
  readonly scale: Pair;
  readonly shapes: { readonly x: Shape; readonly y: Shape };
}

// The gradients of these two are each other.

function resize(how: Resizing, x: Tensor): Tensor {
  const y = empty(how.shapes.y, { device: x.device });
  run("forward", how, { x, y }, how.out);
  return record(y, {
    op: "interpolate",
    inputs: [x],
    saved: {},
    backward: (dy) => [resizeBackward(how, dy)],
    composed: true,
  });
}

function resizeBackward(how: Resizing, dy: Tensor): Tensor {
  const dx = empty(how.shapes.x, { device: dy.device });
  run("backward", how, { dy, dx }, how.size);
  return record(dx, {
    op: "interpolate",
    inputs: [dy],
    saved: {},
    backward: (ddx) => [resize(how, ddx)],
    composed: true,
  });
}

// `rows` and `columns` are those of what is computed.
function run(
  entry: "forward" | "backward",
  { mode, planes, size, out, scale }: Resizing,
  bind: Readonly<Record<string, Tensor>>,
  [rows, columns]: Pair,
): void {
  const inverse = scale.map((s, axis) => (s === 0 ? out[axis]! : 1 / s));
  const { groups, params } = runsOver(Object.values(bind)[0]!.device, planes * rows, columns);
  dispatch(kernel, entry, {
    bind,
    params: { planes, size, out, scale, inverse, ...params },
    constants: { MODE: MODES[mode] },
    groups,
  });
}
