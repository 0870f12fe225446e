/** A multi-layer perceptron: fully connected layers with ReLU between them. */
import { checkOptions } from "../gpu/errors.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { dropout, flatten, relu } from "../kernels/ops.ts";
import { Linear, Module, ModuleList } from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface MLPOptions {
  /** Features of an example, however many axes they lie on. */
  features: number;
  classes: number;
  /** Features of each hidden layer (default 256 and 128). */
  hidden?: readonly number[];
  /** Default 0. */
  dropout?: number;
}

export class MLP extends Module {
  readonly layers: ModuleList<Linear>;
  readonly dropout: number;

  constructor(options: MLPOptions) {
    super();
    checkOptions("MLP", options, ["features", "classes", "hidden", "dropout"]);
    const { features, classes, hidden = [256, 128], dropout = 0 } = options;
    checkProbability("MLP", dropout);
    const sizes = [features, ...hidden, classes];
    this.layers = new ModuleList(sizes.slice(1).map((size, i) => new Linear(sizes[i]!, size)));
    this.dropout = dropout;
  }

  /**
   * @param x [b, ...], with `features` elements per example
   * @returns [b, classes] scores before the softmax
   */
  override forward(x: Tensor): Tensor {
    return scope(() => {
      let y = flatten(x, 1); // [b, features]
      for (const [i, layer] of [...this.layers].entries()) {
        if (i > 0) y = dropout(relu(y), { p: this.dropout, training: this.training });
        y = layer.forward(y); // [b, hidden[i]]
      }
      return y;
    });
  }
}
