/** Activation functions as layers. */
import { checkOptions, ShapeError } from "../gpu/errors.ts";
import { full } from "../kernels/creation/creation.ts";
import {
  celu,
  elu,
  gelu,
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  leakyRelu,
  logSigmoid,
  logSoftmax,
  mish,
  prelu,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softmax,
  softmin,
  softplus,
  softshrink,
  softsign,
  tanh,
  tanhshrink,
  threshold,
} from "../kernels/ops.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { Module, Parameter, type TensorModule } from "./module.ts";

/** A module class of a function of one tensor. */
function activation(fn: (x: Tensor) => Tensor): new () => TensorModule {
  return class extends Module {
    override forward(x: Tensor): Tensor {
      return fn(x);
    }
  };
}

/** A module class of a function with one parameter: the constructor's argument, and a field. */
function activationWith<K extends string>(
  parameter: K,
  initial: number,
  fn: (x: Tensor, value: number) => Tensor,
): new (
  value?: number,
) => TensorModule & { readonly [P in K]: number } {
  class Layer extends Module {
    constructor(value = initial) {
      super();
      Object.assign(this, { [parameter]: value });
    }

    override forward(x: Tensor): Tensor {
      return fn(x, (this as unknown as Record<K, number>)[parameter]);
    }
  }
  return Layer as unknown as new (
    value?: number,
  ) => TensorModule & { readonly [P in K]: number };
}

/** max(x, 0). */
export class ReLU extends activation(relu) {}

/** min(max(x, 0), 6). */
export class ReLU6 extends activation(relu6) {}

/** 1.0507 elu(x, 1.67326). */
export class SELU extends activation(selu) {}

/** The hyperbolic tangent. */
export class Tanh extends activation(tanh) {}

/** x - tanh(x). */
export class Tanhshrink extends activation(tanhshrink) {}

/** 1 / (1 + exp(-x)). */
export class Sigmoid extends activation(sigmoid) {}

/** log(1 / (1 + exp(-x))). */
export class LogSigmoid extends activation(logSigmoid) {}

/** x / (1 + exp(-x)). */
export class SiLU extends activation(silu) {}

/** x tanh(log(1 + exp(x))). */
export class Mish extends activation(mish) {}

/** x min(max(x + 3, 0), 6) / 6. */
export class Hardswish extends activation(hardswish) {}

/** min(max(x / 6 + 1 / 2, 0), 1). */
export class Hardsigmoid extends activation(hardsigmoid) {}

/** x / (1 + |x|). */
export class Softsign extends activation(softsign) {}

/** x where it is positive, else negativeSlope * x. */
export class LeakyReLU extends activationWith("negativeSlope", 0.01, leakyRelu) {}

/** x where it is positive, else alpha * (exp(x) - 1). */
export class ELU extends activationWith("alpha", 1, elu) {}

/** x where it is positive, else alpha * (exp(x / alpha) - 1). */
export class CELU extends activationWith("alpha", 1, celu) {}

/** x where |x| is above lambda, else 0. */
export class Hardshrink extends activationWith("lambda", 0.5, hardshrink) {}

/** x brought nearer to 0 by lambda. */
export class Softshrink extends activationWith("lambda", 0.5, softshrink) {}

/** Softmax over one axis, the last by default. */
export class Softmax extends activationWith("axis", -1, softmax) {}

/** The logarithm of softmax over one axis, the last by default. */
export class LogSoftmax extends activationWith("axis", -1, logSoftmax) {}

/** Softmax of -x over one axis, the last by default. */
export class Softmin extends activationWith("axis", -1, softmin) {}

/** The first half of x along an axis, the last by default, times the sigmoid of the second half. */
export class GLU extends activationWith("axis", -1, glu) {}

/** Softmax over the channels of images: [n, c, h, w] or [c, h, w]. */
export class Softmax2d extends Module {
  override forward(x: Tensor): Tensor {
    if (x.rank !== 3 && x.rank !== 4) {
      throw new ShapeError(
        `Softmax2d: x has shape ${formatShape(x.shape)}, expected [n, channels, h, w] or [channels, h, w]`,
      );
    }
    return softmax(x, -3);
  }
}

/** min(max(x, min), max). */
export class Hardtanh extends Module {
  readonly min: number;
  readonly max: number;

  /** @param options min (default -1), max (default 1) */
  constructor(options: { min?: number; max?: number } = {}) {
    super();
    checkOptions("Hardtanh", options, ["min", "max"]);
    this.min = options.min ?? -1;
    this.max = options.max ?? 1;
  }

  override forward(x: Tensor): Tensor {
    return hardtanh(x, { min: this.min, max: this.max });
  }
}

/** x where it is above the threshold, else `value`. */
export class Threshold extends Module {
  readonly threshold: number;
  readonly value: number;

  constructor(threshold: number, value: number) {
    super();
    this.threshold = threshold;
    this.value = value;
  }

  override forward(x: Tensor): Tensor {
    return threshold(x, this.threshold, this.value);
  }
}

/** log(1 + exp(beta x)) / beta, and x where beta x is above the threshold. */
export class Softplus extends Module {
  readonly beta: number;
  readonly threshold: number;

  /** @param options beta (default 1), threshold (default 20) */
  constructor(options: { beta?: number; threshold?: number } = {}) {
    super();
    checkOptions("Softplus", options, ["beta", "threshold"]);
    this.beta = options.beta ?? 1;
    this.threshold = options.threshold ?? 20;
  }

  override forward(x: Tensor): Tensor {
    return softplus(x, { beta: this.beta, threshold: this.threshold });
  }
}

/** x times the normal distribution's probability of being below x, exactly or by the tanh formula. */
export class GELU extends Module {
  readonly approximate: "none" | "tanh";

  constructor(options: { approximate?: "none" | "tanh" } = {}) {
    super();
    checkOptions("GELU", options, ["approximate"]);
    this.approximate = options.approximate ?? "none";
  }

  override forward(x: Tensor): Tensor {
    return gelu(x, { approximate: this.approximate });
  }
}

/**
 * x where it is positive, else weight * x, with a trained weight for all or for each channel of [n, numParameters, ...].
 *
 * @example new nn.Sequential(new nn.Conv2d(3, 16, 3), new nn.PReLU(16))
 */
export class PReLU extends Module {
  readonly weight: Parameter; // [numParameters]

  /** @param options init: where the weights start (default 0.25) */
  constructor(numParameters = 1, options: { init?: number } = {}) {
    super();
    checkOptions("PReLU", options, ["init"]);
    checkSize("PReLU", "numParameters", numParameters);
    this.weight = new Parameter(full([numParameters], options.init ?? 0.25));
  }

  override forward(x: Tensor): Tensor {
    return prelu(x, this.weight);
  }
}
