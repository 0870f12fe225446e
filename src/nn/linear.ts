/** Layers that are a matrix product, and those that only rearrange. */
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { type Activation, checkActivation } from "../kernels/matmul/activation.ts";
import { bilinear, flatten, gelu, linear, relu, reshape, sigmoid, silu, tanh } from "../kernels/ops.ts";
import { rand } from "../kernels/random/random.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape, normalizeAxis, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import type { LoraAdapter } from "./lora-adapter.ts";
import { Module, Parameter } from "./module.ts";

// As the product's kernel computes them, for a layer with an adapter, which is added before.
const ACTIVATIONS: Record<Activation, (x: Tensor) => Tensor> = {
  none: (x) => x,
  relu,
  gelu: (x) => gelu(x),
  gelu_tanh: (x) => gelu(x, { approximate: "tanh" }),
  silu,
  tanh,
  sigmoid,
};

/**
 * Computes x weightᵀ + bias, on the last axis. Both start uniform in ±1/sqrt(inFeatures).
 *
 * @example new nn.Linear(128, 10).forward(x) // [..., 128] -> [..., 10]
 */
export class Linear extends Module {
  weight: Parameter; // [outFeatures, inFeatures]; may be set to another layer's, which is then trained in both
  readonly bias: Parameter | null; // [outFeatures]
  /** What `lora.inject` has put beside the weight. */
  adapter: LoraAdapter | undefined;

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

  /** @param options activation: a function of the result, computed by the same kernel (default "none") */
  override forward(x: Tensor, options: { activation?: Activation } = {}): Tensor {
    const { weight, bias, adapter } = this;
    if (!adapter || adapter.isMerged) return linear(x, weight, bias, options);
    checkOptions("Linear", options, ["activation"]);
    const { activation = "none" } = options;
    checkActivation("Linear", activation);
    return scope(() => ACTIVATIONS[activation](linear(x, weight, bias).add(adapter.update(x))));
  }
}

/**
 * Computes x1 weight[o] x2 + bias[o] for every output o, on the last axes. Both start uniform in ±1/sqrt(in1Features).
 *
 * @example new nn.Bilinear(20, 30, 40).forward(x1, x2) // [..., 20] and [..., 30] -> [..., 40]
 */
export class Bilinear extends Module {
  readonly weight: Parameter; // [outFeatures, in1Features, in2Features]
  readonly bias: Parameter | null; // [outFeatures]

  /** @param options bias: false leaves the bias out */
  constructor(in1Features: number, in2Features: number, outFeatures: number, options: { bias?: boolean } = {}) {
    super();
    checkOptions("Bilinear", options, ["bias"]);
    for (const [name, size] of Object.entries({ in1Features, in2Features, outFeatures })) {
      checkSize("Bilinear", name, size);
    }
    const bound = 1 / Math.sqrt(in1Features);
    const draw = (shape: number[]) => new Parameter(rand(shape, { low: -bound, high: bound }));
    this.weight = draw([outFeatures, in1Features, in2Features]);
    this.bias = (options.bias ?? true) ? draw([outFeatures]) : null;
  }

  override forward(x1: Tensor, x2: Tensor): Tensor {
    return bilinear(x1, x2, this.weight, this.bias);
  }
}

/**
 * Merges the axes from `startAxis` to `endAxis` into one: by default, all but the batch's.
 *
 * @example new nn.Flatten().forward(x) // [n, c, h, w] -> [n, c * h * w]
 */
export class Flatten extends Module {
  readonly startAxis: number;
  readonly endAxis: number;

  constructor(startAxis = 1, endAxis = -1) {
    super();
    this.startAxis = startAxis;
    this.endAxis = endAxis;
  }

  override forward(x: Tensor): Tensor {
    return flatten(x, this.startAxis, this.endAxis);
  }
}

/**
 * Splits an axis into several, the inverse of `Flatten`.
 *
 * @example new nn.Unflatten(1, [8, -1, 7]).forward(x) // [n, 392] -> [n, 8, 7, 7]
 */
export class Unflatten extends Module {
  readonly axis: number;
  readonly sizes: readonly number[];

  /** @param sizes of the new axes, of which one may be -1 and is computed */
  constructor(axis: number, sizes: readonly number[]) {
    super();
    if (
      sizes.length === 0 ||
      sizes.some((n) => !Number.isInteger(n) || n < -1) ||
      sizes.indexOf(-1) !== sizes.lastIndexOf(-1)
    ) {
      throw new ValueError(
        `Unflatten: sizes are ${formatShape(sizes)}, expected whole numbers, at most one of them -1`,
      );
    }
    this.axis = axis;
    this.sizes = [...sizes];
  }

  /** @throws ShapeError if the sizes do not make up the axis */
  override forward(x: Tensor): Tensor {
    const axis = normalizeAxis("Unflatten", this.axis, x.rank);
    const n = x.shape[axis]!;
    const known = sizeOf(this.sizes.filter((size) => size >= 0));
    const sizes = this.sizes.map((size) => (size < 0 ? n / known : size));
    if (sizeOf(sizes) !== n || !sizes.every(Number.isInteger)) {
      throw new ShapeError(`Unflatten: axis ${axis} has size ${n}, expected the product of ${formatShape(this.sizes)}`);
    }
    return reshape(x, x.shape.toSpliced(axis, 1, ...sizes));
  }
}

/** Passes its input on. */
export class Identity extends Module {
  override forward(x: Tensor): Tensor {
    return x;
  }
}
