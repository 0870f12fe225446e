/** Layers that bring activations to a mean and a variance. */
import { checkOptions } from "../gpu/errors.ts";
import { ones, zeros } from "../kernels/creation/creation.ts";
import { layerNorm, rmsNorm } from "../kernels/ops.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { Module, Parameter } from "./module.ts";

interface NormOptions {
  /** Added to the variance. */
  eps?: number;
  /** Whether to scale, and for LayerNorm to shift, by trained parameters. */
  affine?: boolean;
  /** Whether an affine LayerNorm shifts. */
  bias?: boolean;
}

/** Normalises over the last axes to mean 0 and variance 1, then scales and shifts. */
export class LayerNorm extends Module {
  readonly weight: Parameter | null; // normalizedShape
  readonly bias: Parameter | null; // normalizedShape
  readonly normalizedShape: readonly number[];
  readonly eps: number;

  /** @param normalizedShape the sizes of the last axes, or of the last one */
  constructor(normalizedShape: number | readonly number[], options: NormOptions = {}) {
    super();
    checkOptions("LayerNorm", options, ["eps", "affine", "bias"]);
    const { eps = 1e-5, affine = true, bias = true } = options;
    this.normalizedShape = typeof normalizedShape === "number" ? [normalizedShape] : [...normalizedShape];
    for (const size of this.normalizedShape) checkSize("LayerNorm", "normalizedShape", size);
    this.eps = eps;
    this.weight = affine ? new Parameter(ones(this.normalizedShape)) : null;
    this.bias = affine && bias ? new Parameter(zeros(this.normalizedShape)) : null;
  }

  override forward(x: Tensor): Tensor {
    return layerNorm(x, this.normalizedShape, this.weight, this.bias, { eps: this.eps });
  }
}

/** Divides by the root of the mean square over the last axes, then scales. */
export class RMSNorm extends Module {
  readonly weight: Parameter | null; // normalizedShape
  readonly normalizedShape: readonly number[];
  readonly eps: number;

  constructor(normalizedShape: number | readonly number[], options: Omit<NormOptions, "bias"> = {}) {
    super();
    checkOptions("RMSNorm", options, ["eps", "affine"]);
    const { eps = 2 ** -23, affine = true } = options;
    this.normalizedShape = typeof normalizedShape === "number" ? [normalizedShape] : [...normalizedShape];
    for (const size of this.normalizedShape) checkSize("RMSNorm", "normalizedShape", size);
    this.eps = eps;
    this.weight = affine ? new Parameter(ones(this.normalizedShape)) : null;
  }

  override forward(x: Tensor): Tensor {
    return rmsNorm(x, this.normalizedShape, this.weight, { eps: this.eps });
  }
}
