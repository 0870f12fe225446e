/** Layers that are a matrix product, and those that only rearrange. */
import { checkOptions } from "../gpu/errors.ts";
import { linear } from "../kernels/ops.ts";
import { rand } from "../kernels/random/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { Module, Parameter } from "./module.ts";

/**
 * Computes x weightᵀ + bias, on the last axis. Both start uniform in ±1/sqrt(inFeatures).
 *
 * @example new nn.Linear(128, 10).forward(x) // [..., 128] -> [..., 10]
 */
export class Linear extends Module {
  readonly weight: Parameter; // [outFeatures, inFeatures]
  readonly bias: Parameter | null; // [outFeatures]

  /** @param options bias: false leaves the bias out */
  constructor(inFeatures: number, outFeatures: number, options: { bias?: boolean } = {}) {
    super();
    checkOptions("Linear", options, ["bias"]);
    checkSize("Linear", "inFeatures", inFeatures);
    checkSize("Linear", "outFeatures", outFeatures);
    const bound = 1 / Math.sqrt(inFeatures);
    const draw = (shape: number[]) => new Parameter(rand(shape, { low: -bound, high: bound }));
    this.weight = draw([outFeatures, inFeatures]);
    this.bias = (options.bias ?? true) ? draw([outFeatures]) : null;
  }

  override forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}

/** Passes its input on. */
export class Identity extends Module {
  override forward(x: Tensor): Tensor {
    return x;
  }
}
