import { argmax } from "../kernels/ops.ts";
import { Accuracy } from "../metrics/accuracy.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Accuracy where labels may be probabilities, f32 [batch, classes], as `crossEntropy` takes them and `MixUp` makes them: the
 * likeliest class is then the label.
 */
export class LikeliestAccuracy extends Accuracy {
  protected override add(outputs: Tensor, labels: Tensor): void {
    super.add(outputs, labels.rank === outputs.rank ? argmax(labels, -1) : labels);
  }
}
