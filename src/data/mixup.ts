/** Mixup: each image of a batch is blended with another, and so are their labels. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { cast, lerp, oneHot, roll } from "../kernels/ops.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Random } from "./random.ts";

export interface MixUpOptions {
  /** Of the Beta distribution that the share is drawn from: small ones hardly mix, 1 is uniform (default 1). */
  alpha?: number;
}

/**
 * Blends a batch with itself, moved on by one: x' = s x + (1 - s) roll(x), with s from Beta(alpha, alpha), and the labels,
 * as probabilities, likewise; `crossEntropy` takes them as they are. The examples of a batch are in random order anyway.
 *
 * @see https://arxiv.org/abs/1710.09412, https://pytorch.org/vision/stable/generated/torchvision.transforms.v2.MixUp.html
 * @example
 * const mixUp = new MixUp(10, { alpha: 0.2 });
 * const mixed = mixUp.apply(images, labels, Random.at({ epoch, index: batch }, seed, MixUp.STREAM));
 */
export class MixUp {
  /** Keeps what is drawn for batch `n` apart from what is drawn for example `n`. */
  static readonly STREAM = 1;
  readonly classes: number;
  readonly alpha: number;

  /** @throws ValueError */
  constructor(classes: number, options: MixUpOptions = {}) {
    checkOptions("MixUp", options, ["alpha"]);
    const { alpha = 1 } = options;
    if (!Number.isInteger(classes) || classes < 1) {
      throw new ValueError(`MixUp: classes is ${classes}, expected a whole number above 0`);
    }
    if (!(alpha > 0 && alpha < Number.POSITIVE_INFINITY)) {
      throw new ValueError(`MixUp: alpha is ${alpha}, expected a number above 0`);
    }
    this.classes = classes;
    this.alpha = alpha;
  }

  /**
   * @param images [batch, ...]
   * @param labels i32 [batch]
   * @returns new tensors: images of the same shape, labels f32 [batch, classes]
   */
  apply(images: Tensor, labels: Tensor, random: Random): { images: Tensor; labels: Tensor } {
    return scope(() => {
      // A tensor, since numbers among operands are kept on the device for the next time, and this one does not come again.
      const share = tensor([symmetricBeta(random, this.alpha)], { device: images.device });
      const blend = (x: Tensor) => lerp(roll(x, 1, 0), x, share);
      return { images: blend(images), labels: blend(cast(oneHot(labels, this.classes), "f32")) };
    });
  }
}

// x / (x + y) with x and y of Gamma(alpha), by their logarithms: with a small alpha both may be too small for a number.
function symmetricBeta(random: Random, alpha: number): number {
  return 1 / (1 + Math.exp(logGamma(random, alpha) - logGamma(random, alpha)));
}

/** The logarithm of a number from Gamma(shape, 1). @see Marsaglia and Tsang, https://doi.org/10.1145/358407.358414 */
function logGamma(random: Random, shape: number): number {
  const boost = Math.log(1 - random.uniform()) / shape; // from Gamma(shape + 1) down to Gamma(shape)
  const d = shape + 1 - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  while (true) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < x ** 2 / 2 + d * (1 - v + Math.log(v))) {
      return Math.log(d * v) + boost;
    }
  }
}
