/** Layers that slide a kernel over sequences and images, and their transposes. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import type { ConvOptions } from "../kernels/conv/conv.ts";
import type { ConvTransposeOptions } from "../kernels/conv/conv-transpose.ts";
import { checkGroups, checkPadding, type PerAxis, pairOf, perAxis } from "../kernels/conv/options.ts";
import { conv1d, conv2d, convTranspose1d, convTranspose2d, pad } from "../kernels/ops.ts";
import { rand } from "../kernels/random/random.ts";
import { scope } from "../tensor/scope.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { Module, Parameter } from "./module.ts";

export interface ConvLayerOptions<Size = PerAxis> extends ConvOptions<Size> {
  /** Whether to add a bias; true by default. */
  bias?: boolean;
  /** What is around the input: zeros by default, its mirror image, its border elements, or its other end. */
  paddingMode?: "zeros" | "reflect" | "replicate" | "circular";
}

export interface ConvTransposeLayerOptions<Size = PerAxis> extends ConvTransposeOptions<Size> {
  /** Whether to add a bias; true by default. */
  bias?: boolean;
}

const SHARED_OPTIONS = ["stride", "padding", "dilation", "groups", "bias"];
const PADDING_MODES = ["zeros", "reflect", "replicate", "circular"] as const;

/** What convolutions and their transposes have in common. */
abstract class SlidingLayer<Size extends PerAxis> extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null; // [outChannels]
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: Size;
  readonly stride: Size;
  readonly dilation: Size;
  readonly groups: number;

  constructor(
    layer: string,
    axes: 1 | 2,
    [inChannels, outChannels, kernelSize]: readonly [number, number, Size],
    options: { stride?: Size; dilation?: Size; groups?: number; bias?: boolean },
    transposed: boolean,
  ) {
    super();
    checkSize(layer, "inChannels", inChannels);
    checkSize(layer, "outChannels", outChannels);
    const { stride = 1 as Size, dilation = 1 as Size, groups = 1, bias = true } = options;
    const kernel = perAxis(layer, "kernelSize", kernelSize, 1, axes).slice(-axes);
    perAxis(layer, "stride", stride, 1, axes);
    perAxis(layer, "dilation", dilation, 1, axes);
    checkGroups(layer, groups, "inChannels", inChannels);
    checkGroups(layer, groups, "outChannels", outChannels);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = kernelSize;
    this.stride = stride;
    this.dilation = dilation;
    this.groups = groups;
    const shape = transposed
      ? [inChannels, outChannels / groups, ...kernel]
      : [outChannels, inChannels / groups, ...kernel];
    // Kaiming's uniform distribution with a = sqrt(5).
    const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)));
    const draw = (shape: number[]) => new Parameter(rand(shape, { low: -bound, high: bound }));
    this.weight = draw(shape);
    this.bias = bias ? draw([outChannels]) : null;
  }
}

abstract class ConvLayer<Size extends PerAxis> extends SlidingLayer<Size> {
  readonly padding: Size | "same" | "valid";
  readonly paddingMode: "zeros" | "reflect" | "replicate" | "circular";

  constructor(layer: string, axes: 1 | 2, sizes: readonly [number, number, Size], options: ConvLayerOptions<Size>) {
    checkOptions(layer, options, [...SHARED_OPTIONS, "paddingMode"]);
    super(layer, axes, sizes, options, false);
    const { padding = 0 as Size, paddingMode = "zeros" } = options;
    if (!PADDING_MODES.includes(paddingMode)) {
      throw new ValueError(`${layer}: paddingMode is "${paddingMode}", expected ${PADDING_MODES.join(", ")}`);
    }
    checkPadding(layer, padding, this.stride, axes);
    this.padding = padding;
    this.paddingMode = paddingMode;
  }

  /** Runs the op on the input, which is padded first where that is not by zeros. */
  protected convolve(
    axes: 1 | 2,
    x: Tensor,
    conv: (x: Tensor, weight: Tensor, bias: Tensor | null, options: ConvOptions<Size>) => Tensor,
  ): Tensor {
    const { weight, bias, stride, padding, dilation, groups, paddingMode } = this;
    if (paddingMode === "zeros") return conv(x, weight, bias, { stride, padding, dilation, groups });
    const pads = this.#pads(axes);
    const others = Array.from({ length: x.rank - axes }, () => [0, 0] as const);
    return scope(() =>
      conv(pad(x, [...others, ...pads], { mode: paddingMode }), weight, bias, { stride, dilation, groups }),
    );
  }

  #pads(axes: 1 | 2): (readonly [before: number, after: number])[] {
    const { padding, dilation, kernelSize } = this;
    const pads = ([0, 1] as const).map((axis) => {
      if (typeof padding !== "string") return [pairOf(padding)[axis], pairOf(padding)[axis]] as const;
      const total = padding === "same" ? pairOf(dilation)[axis] * (pairOf(kernelSize)[axis] - 1) : 0;
      return [Math.floor(total / 2), Math.ceil(total / 2)] as const;
    });
    return pads.slice(-axes);
  }
}

/**
 * Convolves sequences: y[i, o, t] = bias[o] + sum over c, k of x[i, c, t * stride - padding + k * dilation] * weight[o, c, k].
 * Takes [n, inChannels, l] or [inChannels, l], as `conv1d` does. weight is [outChannels, inChannels / groups, kernelSize]; it
 * and bias start uniform in ±1/sqrt(inChannels / groups * kernelSize).
 *
 * @see https://pytorch.org/docs/stable/generated/torch.nn.Conv1d.html
 * @example new nn.Conv1d(64, 128, 3, { padding: "same" }).forward(x) // [n, 64, l] -> [n, 128, l]
 */
export class Conv1d extends ConvLayer<number> {
  constructor(inChannels: number, outChannels: number, kernelSize: number, options: ConvLayerOptions<number> = {}) {
    super("Conv1d", 1, [inChannels, outChannels, kernelSize], options);
  }

  override forward(x: Tensor): Tensor {
    return this.convolve(1, x, conv1d);
  }
}

/**
 * Convolves images: y[i, o, r, s] = bias[o] + sum over c, ky, kx of
 * x[i, c, r * stride - padding + ky * dilation, s * stride - padding + kx * dilation] * weight[o, c, ky, kx]. Takes
 * [n, inChannels, h, w] or [inChannels, h, w], as `conv2d` does; sizes are numbers, or [vertical, horizontal]. weight is
 * [outChannels, inChannels / groups, ...kernelSize]; it and bias start uniform in ±1/sqrt(inChannels / groups * kh * kw).
 *
 * @see https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
 * @example
 * new nn.Conv2d(3, 32, 3, { padding: 1 }).forward(x)              // [n, 3, h, w] -> [n, 32, h, w]
 * new nn.Conv2d(32, 32, [3, 1], { stride: 2, groups: 32 })         // depthwise
 */
export class Conv2d extends ConvLayer<PerAxis> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvLayerOptions = {}) {
    super("Conv2d", 2, [inChannels, outChannels, kernelSize], options);
  }

  override forward(x: Tensor): Tensor {
    return this.convolve(2, x, conv2d);
  }
}

abstract class ConvTransposeLayer<Size extends PerAxis> extends SlidingLayer<Size> {
  readonly padding: Size;
  readonly outputPadding: Size;

  constructor(
    layer: string,
    axes: 1 | 2,
    sizes: readonly [number, number, Size],
    options: ConvTransposeLayerOptions<Size>,
  ) {
    checkOptions(layer, options, [...SHARED_OPTIONS, "outputPadding"]);
    super(layer, axes, sizes, options, true);
    const { padding = 0 as Size, outputPadding = 0 as Size } = options;
    perAxis(layer, "padding", padding, 0, axes);
    perAxis(layer, "outputPadding", outputPadding, 0, axes);
    this.padding = padding;
    this.outputPadding = outputPadding;
  }
}

/**
 * Convolves sequences transposed: x[i, c, t] adds x[i, c, t] * weight[c, o, k] to y[i, o, t * stride - padding + k * dilation],
 * which makes them longer. Takes [n, inChannels, l] or [inChannels, l], as `convTranspose1d` does. weight is
 * [inChannels, outChannels / groups, kernelSize]; it and bias start uniform in ±1/sqrt(outChannels / groups * kernelSize).
 *
 * @see https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose1d.html
 * @example new nn.ConvTranspose1d(64, 32, 2, { stride: 2 }).forward(x) // [n, 64, l] -> [n, 32, 2 l]
 */
export class ConvTranspose1d extends ConvTransposeLayer<number> {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: ConvTransposeLayerOptions<number> = {},
  ) {
    super("ConvTranspose1d", 1, [inChannels, outChannels, kernelSize], options);
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, outputPadding, dilation, groups } = this;
    return convTranspose1d(x, this.weight, this.bias, { stride, padding, outputPadding, dilation, groups });
  }
}

/**
 * Convolves images transposed: x[i, c, r, s] adds its multiples of weight[c, o] to y[i, o], at row r * stride - padding +
 * ky * dilation, and columns likewise, which makes them larger. Takes [n, inChannels, h, w] or [inChannels, h, w], as
 * `convTranspose2d` does; sizes are numbers, or [vertical, horizontal]. weight is
 * [inChannels, outChannels / groups, ...kernelSize]; it and bias start uniform in ±1/sqrt(outChannels / groups * kh * kw).
 *
 * @see https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html
 * @example new nn.ConvTranspose2d(64, 32, 2, { stride: 2 }).forward(x) // [n, 64, h, w] -> [n, 32, 2 h, 2 w]
 */
export class ConvTranspose2d extends ConvTransposeLayer<PerAxis> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeLayerOptions = {}) {
    super("ConvTranspose2d", 2, [inChannels, outChannels, kernelSize], options);
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, outputPadding, dilation, groups } = this;
    return convTranspose2d(x, this.weight, this.bias, { stride, padding, outputPadding, dilation, groups });
  }
}
