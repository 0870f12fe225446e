/** Layers that drop a part of their input in training. */
import { checkProbability, type DropoutOptions } from "../kernels/dropout/dropout.ts";
import { alphaDropout, dropout, dropout1d, dropout2d, featureAlphaDropout } from "../kernels/ops.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

abstract class DropoutLayer extends Module {
  readonly p: number;

  constructor(p = 0.5) {
    super();
    checkProbability(this.constructor.name, p);
    this.p = p;
  }

  protected drop(op: (x: Tensor, options: DropoutOptions) => Tensor, x: Tensor): Tensor {
    return op(x, { p: this.p, training: this.training });
  }
}

/** In training, sets each element to 0 with probability p and divides the others by 1 - p; else passes x on. */
export class Dropout extends DropoutLayer {
  override forward(x: Tensor): Tensor {
    return this.drop(dropout, x);
  }
}

/** As Dropout, of whole channels of [n, channels, length] or [channels, length]. */
export class Dropout1d extends DropoutLayer {
  override forward(x: Tensor): Tensor {
    return this.drop(dropout1d, x);
  }
}

/** As Dropout, of whole channels of [n, channels, height, width] or [channels, height, width]. */
export class Dropout2d extends DropoutLayer {
  override forward(x: Tensor): Tensor {
    return this.drop(dropout2d, x);
  }
}

/**
 * In training, sets each element to selu's limit, -1.7581, with probability p, then scales and shifts all so that mean 0 and
 * variance 1 stay; else passes x on. It goes with selu.
 */
export class AlphaDropout extends DropoutLayer {
  override forward(x: Tensor): Tensor {
    return this.drop(alphaDropout, x);
  }
}

/** As AlphaDropout, of whole channels of [n, channels, ...]. */
export class FeatureAlphaDropout extends DropoutLayer {
  override forward(x: Tensor): Tensor {
    return this.drop(featureAlphaDropout, x);
  }
}
