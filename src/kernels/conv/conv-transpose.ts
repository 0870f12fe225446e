/** Transposed convolutions: the gradients of convolutions as functions of their own, which enlarge. */
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { onBothAxes } from "./geometry.ts";
import { convolveTransposed } from "./maps.ts";
import {
  asImages,
  checkBias,
  checkGroups,
  checkOperands,
  imageSizes,
  type Operands,
  type PerAxis,
  perAxis,
} from "./options.ts";

export interface ConvTransposeOptions<Size = PerAxis> {
  /** Steps between the copies of the kernel, 1 by default. */
  stride?: Size;
  /** Elements that are left out on each side, 0 by default. */
  padding?: Size;
  /** Elements that are added at the end, 0 by default; below the stride or the dilation. */
  outputPadding?: Size;
  /** From one element of the kernel to the next, 1 by default. */
  dilation?: Size;
  /** Groups of channels that do not see each other, 1 by default. */
  groups?: number;
}

/**
 * Convolves sequences transposed: x[i, c, t] adds x[i, c, t] * weight[c, o, k] to y[i, o, t * stride - padding + k * dilation].
 *
 * @param x f32, [n, c, l] or [c, l]
 * @param weight f32, [c, co / groups, k]
 * @param bias [co]
 * @returns [n, co, lo] or [co, lo], with lo = (l - 1) * stride - 2 * padding + dilation * (k - 1) + outputPadding + 1
 * @throws ShapeError if the shapes do not fit each other, or nothing is left of y
 * @throws ValueError for options out of range
 * @see https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose1d.html
 */
export function convTranspose1d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvTransposeOptions<number> = {},
): Tensor {
  return convTranspose("convTranspose1d", { x, weight, bias }, options, 1);
}

/**
 * Convolves images transposed: x[i, c, r, s] adds its multiples of weight[c, o] to y[i, o], at row r * stride - padding +
 * ky * dilation, and columns likewise.
 *
 * @param x f32, [n, c, h, w] or [c, h, w]
 * @param weight f32, [c, co / groups, kh, kw]
 * @param bias [co]
 * @param options each size a number, or [vertical, horizontal]
 * @returns [n, co, ho, wo] or [co, ho, wo], with ho = (h - 1) * stride - 2 * padding + dilation * (kh - 1) + outputPadding + 1
 * @throws ShapeError if the shapes do not fit each other, or nothing is left of y
 * @throws ValueError for options out of range
 * @see https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html
 * @example convTranspose2d(x, rand([64, 32, 2, 2]), null, { stride: 2 }) // [n, 64, h, w] -> [n, 32, 2 h, 2 w]
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Tensor {
  return convTranspose("convTranspose2d", { x, weight, bias }, options, 2);
}

function convTranspose(op: string, operands: Operands, options: ConvTransposeOptions, axes: 1 | 2): Tensor {
  checkOptions(op, options, ["stride", "padding", "outputPadding", "dilation", "groups"]);
  const { x, weight, bias } = operands;
  checkOperands(op, operands, axes, "c, co / groups");
  const { groups = 1 } = options;
  const channels = x.shape.at(-axes - 1)!;
  checkGroups(op, groups, "x", channels);
  if (weight.shape[0] !== channels) {
    const expected = formatShape([channels, ...weight.shape.slice(1)]);
    throw new ShapeError(
      `${op}: weight has shape ${formatShape(weight.shape)}, expected ${expected} for x of shape ${formatShape(x.shape)}`,
    );
  }
  checkBias(op, bias, weight.shape[1]! * groups);

  const given = (name: "stride" | "padding" | "outputPadding" | "dilation", least: 0 | 1) =>
    perAxis(op, name, options[name] ?? least, least, axes);
  const stride = given("stride", 1);
  const pad = given("padding", 0);
  const added = given("outputPadding", 0);
  const dilation = given("dilation", 1);
  const outSize = imageSizes(x.shape, axes);
  const kernel = imageSizes(weight.shape, axes);
  const size = onBothAxes((axis) => {
    const most = Math.max(stride[axis], dilation[axis]);
    if (added[axis] >= most) {
      throw new ValueError(
        `${op}: outputPadding is ${added[axis]}, expected less than the stride or the dilation, ${most}`,
      );
    }
    return (outSize[axis] - 1) * stride[axis] - 2 * pad[axis] + dilation[axis] * (kernel[axis] - 1) + added[axis] + 1;
  });
  if (size[0] < 1 || size[1] < 1) {
    throw new ShapeError(
      `${op}: x has shape ${formatShape(x.shape)}, of which ${formatShape(size.slice(-axes))} would be left, expected sizes above 0`,
    );
  }
  return asImages(operands, axes, (images) =>
    convolveTransposed(op, images.x, images.weight, images.bias, {
      n: images.x.shape[0]!,
      groups,
      ci: weight.shape[1]!,
      co: channels / groups,
      size,
      outSize,
      kernel,
      stride,
      pad,
      dilation,
    }),
  );
}
