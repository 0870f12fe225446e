/** Layers that make sequences and images smaller or larger, without parameters. */
import { checkOptions } from "../gpu/errors.ts";
import { type InterpolateOptions, interpolate } from "../kernels/interpolate/interpolate.ts";
import {
  type AvgPool1dOptions,
  type AvgPool2dOptions,
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  avgPool2d,
  globalAvgPool1d,
  globalAvgPool2d,
} from "../kernels/pool/avg-pool.ts";
import { adaptiveMaxPool2d, type MaxPoolOptions, maxPool1d, maxPool2d } from "../kernels/pool/max-pool.ts";
import type { PerAxis } from "../kernels/pool/windows.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { Module } from "./module.ts";

const MAX_OPTIONS = ["stride", "padding", "dilation", "ceilMode"];
const AVG_OPTIONS = ["stride", "padding", "ceilMode", "countIncludePad"];

/** A size for each axis, of which null stands for as many as there are elements; or one for all. */
type OutputSize = number | readonly (number | null)[];

function checkSizes(layer: string, name: string, sizes: OutputSize): void {
  for (const size of typeof sizes === "number" ? [sizes] : sizes) if (size !== null) checkSize(layer, name, size);
}

/**
 * Takes the largest element of each window along the last axis.
 *
 * Options: stride (kernelSize), padding (0, with nothing in it that is ever the largest), dilation (1), ceilMode (false).
 *
 * @example new nn.MaxPool1d(3, { stride: 2 }).forward(x) // [n, c, l] -> [n, c, floor((l - 3) / 2) + 1]
 */
export class MaxPool1d extends Module {
  readonly kernelSize: number | readonly [number];
  readonly options: MaxPoolOptions;

  constructor(kernelSize: number | readonly [number], options: MaxPoolOptions = {}) {
    super();
    checkOptions("MaxPool1d", options, MAX_OPTIONS);
    checkSizes("MaxPool1d", "kernelSize", kernelSize);
    this.kernelSize = kernelSize;
    this.options = { ...options };
  }

  override forward(x: Tensor): Tensor {
    return maxPool1d(x, this.kernelSize, this.options);
  }
}

/**
 * Takes the largest element of each window of rows and columns.
 *
 * Sizes are one number, or one of rows and one of columns. Options: stride (kernelSize), padding (0, with nothing in it that
 * is ever the largest), dilation (1), ceilMode (false).
 *
 * @example new nn.MaxPool2d(2).forward(x) // [n, c, 28, 28] -> [n, c, 14, 14]
 */
export class MaxPool2d extends Module {
  readonly kernelSize: PerAxis;
  readonly options: MaxPoolOptions;

  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super();
    checkOptions("MaxPool2d", options, MAX_OPTIONS);
    checkSizes("MaxPool2d", "kernelSize", kernelSize);
    this.kernelSize = kernelSize;
    this.options = { ...options };
  }

  override forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }
}

/**
 * Averages each window along the last axis: [n, c, l] to [n, c, floor((l + 2 padding - kernelSize) / stride) + 1].
 *
 * Options: stride (kernelSize), padding (0), ceilMode (false), countIncludePad (true).
 */
export class AvgPool1d extends Module {
  readonly kernelSize: number | readonly [number];
  readonly options: AvgPool1dOptions;

  constructor(kernelSize: number | readonly [number], options: AvgPool1dOptions = {}) {
    super();
    checkOptions("AvgPool1d", options, AVG_OPTIONS);
    checkSizes("AvgPool1d", "kernelSize", kernelSize);
    this.kernelSize = kernelSize;
    this.options = { ...options };
  }

  override forward(x: Tensor): Tensor {
    return avgPool1d(x, this.kernelSize, this.options);
  }
}

/**
 * Averages each window of rows and columns.
 *
 * Sizes are one number, or one of rows and one of columns. Options: stride (kernelSize), padding (0), ceilMode (false),
 * countIncludePad (true), divisorOverride (the number of elements).
 */
export class AvgPool2d extends Module {
  readonly kernelSize: PerAxis;
  readonly options: AvgPool2dOptions;

  constructor(kernelSize: PerAxis, options: AvgPool2dOptions = {}) {
    super();
    checkOptions("AvgPool2d", options, [...AVG_OPTIONS, "divisorOverride"]);
    checkSizes("AvgPool2d", "kernelSize", kernelSize);
    this.kernelSize = kernelSize;
    this.options = { ...options };
  }

  override forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }
}

/** Cuts the last axis into `outputSize` parts, of whatever length, and averages each: [n, c, l] to [n, c, outputSize]. */
export class AdaptiveAvgPool1d extends Module {
  readonly outputSize: number | readonly [number];

  constructor(outputSize: number | readonly [number]) {
    super();
    checkSizes("AdaptiveAvgPool1d", "outputSize", outputSize);
    this.outputSize = outputSize;
  }

  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool1d(x, this.outputSize);
  }
}

/**
 * Cuts rows and columns into parts, and averages each.
 *
 * @example new nn.AdaptiveAvgPool2d([7, null]).forward(x) // [n, c, h, w] -> [n, c, 7, w]
 */
export class AdaptiveAvgPool2d extends Module {
  readonly outputSize: OutputSize;

  constructor(outputSize: OutputSize) {
    super();
    checkSizes("AdaptiveAvgPool2d", "outputSize", outputSize);
    this.outputSize = outputSize;
  }

  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.outputSize);
  }
}

/** Cuts rows and columns into parts, and takes the largest element of each; outputSize as in `AdaptiveAvgPool2d`. */
export class AdaptiveMaxPool2d extends Module {
  readonly outputSize: OutputSize;

  constructor(outputSize: OutputSize) {
    super();
    checkSizes("AdaptiveMaxPool2d", "outputSize", outputSize);
    this.outputSize = outputSize;
  }

  override forward(x: Tensor): Tensor {
    return adaptiveMaxPool2d(x, this.outputSize);
  }
}

/** Averages the last axis: [n, c, l] to [n, c, 1], as `AdaptiveAvgPool1d(1)`. */
export class GlobalAvgPool1d extends Module {
  override forward(x: Tensor): Tensor {
    return globalAvgPool1d(x);
  }
}

/** Averages rows and columns: [n, c, h, w] to [n, c, 1, 1], as `AdaptiveAvgPool2d(1)`. */
export class GlobalAvgPool2d extends Module {
  override forward(x: Tensor): Tensor {
    return globalAvgPool2d(x);
  }
}

/**
 * Resizes sequences or images to a size or by a factor.
 *
 * Options: size or scaleFactor, mode (`nearest`; `linear` for [n, c, l], `bilinear` for [n, c, h, w]), and for the linear
 * modes alignCorners (false).
 *
 * @example new nn.Upsample({ scaleFactor: 2, mode: "bilinear" }).forward(x) // [n, c, h, w] -> [n, c, 2 h, 2 w]
 */
export class Upsample extends Module {
  readonly options: InterpolateOptions;

  constructor(options: InterpolateOptions) {
    super();
    checkOptions("Upsample", options, ["size", "scaleFactor", "mode", "alignCorners"]);
    this.options = { ...options };
  }

  override forward(x: Tensor): Tensor {
    return interpolate(x, this.options);
  }
}
