/** Convolutions (cross-correlations, as everywhere in this field) over sequences and images. */
import { checkOptions, ShapeError } from "../../gpu/errors.ts";
import { formatShape, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Geometry, onBothAxes } from "./geometry.ts";
import { convolve } from "./maps.ts";
import {
  asImages,
  checkBias,
  checkGroups,
  checkOperands,
  checkPadding,
  imageSizes,
  type Operands,
  type PerAxis,
  perAxis,
} from "./options.ts";

export interface ConvOptions<Size = PerAxis> {
  /** Steps of the kernel, 1 by default. */
  stride?: Size;
  /**
   * Zeros on each side, 0 by default ("valid"); "same", at stride 1, as many as keep the size, an odd one at the end.
   */
  padding?: Size | "same" | "valid";
  /** From one element of the kernel to the next, 1 by default. */
  dilation?: Size;
  /** Groups of channels that do not see each other, 1 by default; as many as channels for a depthwise convolution. */
  groups?: number;
}

/**
 * Convolves sequences: y[i, o, t] = bias[o] + sum over c, k of x[i, c, t * stride - padding + k * dilation] * weight[o, c, k].
 *
 * @param x f32, [n, c, l] or [c, l]
 * @param weight f32, [co, c / groups, k]
 * @param bias [co]
 * @returns [n, co, lo] or [co, lo], with lo = floor((l + 2 * padding - dilation * (k - 1) - 1) / stride) + 1
 * @throws ShapeError if the shapes do not fit each other, or the kernel is larger than the padded x
 * @throws ValueError for options out of range
 * @see https://pytorch.org/docs/stable/generated/torch.nn.functional.conv1d.html
 */
export function conv1d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvOptions<number> = {},
): Tensor {
  return conv("conv1d", { x, weight, bias }, options, 1);
}

/**
 * Convolves images: y[i, o, r, s] = bias[o] + sum over c, ky, kx of
 * x[i, c, r * stride - padding + ky * dilation, s * stride - padding + kx * dilation] * weight[o, c, ky, kx].
 *
 * @param x f32, [n, c, h, w] or [c, h, w]
 * @param weight f32, [co, c / groups, kh, kw]
 * @param bias [co]
 * @param options each size a number, or [vertical, horizontal]
 * @returns [n, co, ho, wo] or [co, ho, wo], with ho = floor((h + 2 * padding - dilation * (kh - 1) - 1) / stride) + 1
 * @throws ShapeError if the shapes do not fit each other, or the kernel is larger than the padded x
 * @throws ValueError for options out of range
 * @see https://pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html
 * @example
 * conv2d(images, weight, bias, { padding: "same" });
 * conv2d(images, weight, null, { stride: 2, padding: [1, 0] });
 * conv2d(images, rand([32, 1, 3, 3]), null, { groups: 32 });       // depthwise: images have 32 channels
 */
export function conv2d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor {
  return conv("conv2d", { x, weight, bias }, options, 2);
}

function conv(op: string, operands: Operands, options: ConvOptions, axes: 1 | 2): Tensor {
  checkOptions(op, options, ["stride", "padding", "dilation", "groups"]);
  const { x, weight, bias } = operands;
  checkOperands(op, operands, axes, "co, c / groups");
  const { groups = 1 } = options;
  const channels = x.shape.at(-axes - 1)!;
  checkGroups(op, groups, "x", channels);
  checkGroups(op, groups, "weight", weight.shape[0]!);
  if (weight.shape[1] !== channels / groups) {
    const expected = formatShape([weight.shape[0]!, channels / groups, ...weight.shape.slice(2)]);
    throw new ShapeError(
      `${op}: weight has shape ${formatShape(weight.shape)}, expected ${expected} for x of shape ${formatShape(x.shape)} and groups ${groups}`,
    );
  }
  checkBias(op, bias, weight.shape[0]!);
  const sizes = sizesOf(op, x.shape, weight.shape, options, axes);
  return asImages(operands, axes, (images) =>
    convolve(op, images.x, images.weight, images.bias, {
      n: images.x.shape[0]!,
      groups,
      ci: channels / groups,
      co: weight.shape[0]! / groups,
      ...sizes,
    }),
  );
}

type Sizes = Omit<Geometry, "n" | "groups" | "ci" | "co">;

function sizesOf(op: string, x: Shape, weight: Shape, options: ConvOptions, axes: 1 | 2): Sizes {
  const size = imageSizes(x, axes);
  const kernel = imageSizes(weight, axes);
  const stride = perAxis(op, "stride", options.stride ?? 1, 1, axes);
  const dilation = perAxis(op, "dilation", options.dilation ?? 1, 1, axes);
  const { padding = 0 } = options;
  checkPadding(op, padding, stride, axes);
  // From the first to the last element of the kernel.
  const reach = onBothAxes((axis) => dilation[axis] * (kernel[axis] - 1));
  const pad =
    padding === "same"
      ? onBothAxes((axis) => Math.floor(reach[axis] / 2))
      : padding === "valid"
        ? ([0, 0] as const)
        : perAxis(op, "padding", padding, 0, axes);
  const padded = onBothAxes((axis) => size[axis] + (padding === "same" ? reach[axis] : 2 * pad[axis]));
  const outSize = onBothAxes((axis) => Math.floor((padded[axis] - reach[axis] - 1) / stride[axis]) + 1);
  if (outSize[0] < 1 || outSize[1] < 1) {
    const spans = formatShape(onBothAxes((axis) => reach[axis] + 1).slice(-axes));
    throw new ShapeError(
      `${op}: weight has shape ${formatShape(weight)}, which with its dilation spans ${spans}, ` +
        `expected at most the padded x, ${formatShape(padded.slice(-axes))}`,
    );
  }
  return { size, outSize, kernel, stride, pad, dilation };
}
