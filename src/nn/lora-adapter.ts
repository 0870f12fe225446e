/** What LoRA adds to a layer: a product of two small matrices, beside weights that stay as they are. */

import { zeros } from "../kernels/creation/creation.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { chunk, dropout, embedding, linear, matmul, permute } from "../kernels/ops.ts";
import { rand, randn } from "../kernels/random/random.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Buffer, Module, Parameter } from "./module.ts";

export interface AdapterOptions {
  /** r */
  readonly rank: number;
  /** What the product is multiplied by: alpha / r. */
  readonly scale: number;
  readonly dropout: number;
}

/**
 * The change of a layer's weights, scale B A, which is 0 at first. A layer that has one adds `update` to its result, unless the
 * change is merged into its weights.
 */
export class LoraAdapter extends Module {
  readonly a: Parameter; // [r, in]
  readonly b: Parameter; // [out, r]
  readonly scale: number;
  readonly dropout: number;
  readonly isOfTable: boolean;
  /** The layer's own weights while the change is merged into them. */
  base: Buffer | undefined;

  /**
   * @param weight the layer's: [out, in], or a table [in, out]
   * @param isTable whether rows of the weight are looked up
   */
  constructor(weight: Tensor, isTable: boolean, { rank, scale, dropout }: AdapterOptions) {
    super();
    checkProbability("LoraAdapter", dropout);
    const { device } = weight;
    const [outputs, inputs] = (isTable ? weight.shape.toReversed() : weight.shape) as [number, number];
    // PEFT's start: one of the two is 0, and of a table that is A.
    const bound = 1 / Math.sqrt(inputs);
    this.a = new Parameter(
      isTable ? zeros([rank, inputs], { device }) : rand([rank, inputs], { low: -bound, high: bound, device }),
    );
    this.b = new Parameter(isTable ? randn([outputs, rank], { device }) : zeros([outputs, rank], { device }));
    this.scale = scale;
    this.dropout = dropout;
    this.isOfTable = isTable;
  }

  /** The names that PEFT's files have for them. */
  override *members(): Iterable<[string, unknown]> {
    yield [this.isOfTable ? "lora_embedding_A" : "lora_A.weight", this.a];
    yield [this.isOfTable ? "lora_embedding_B" : "lora_B.weight", this.b];
    yield ["base", this.base];
  }

  /** Whether it is in the layer's weights, so that the layer has nothing to add. */
  get isMerged(): boolean {
    return this.base !== undefined;
  }

  /** What a layer adds to its result for x [..., in]: scale B A dropout(x), [..., out]. */
  override forward(x: Tensor): Tensor {
    return this.update(x);
  }

  /**
   * Of a layer whose weights are several in one, the update of one of them.
   *
   * @param part which of `parts`
   */
  update(x: Tensor, part = 0, parts = 1): Tensor {
    return scope(() => {
      const { dropout: p, training, a, b } = this;
      const rows = parts === 1 ? b : chunk(b, parts)[part]!; // [out / parts, r]
      return linear(linear(dropout(x, { p, training }), a), rows).mul(this.scale);
    });
  }

  /** What a table adds to the rows of ids: [..., out]. */
  updateRows(ids: Tensor, options: { paddingIndex?: number }): Tensor {
    return scope(() => {
      const rows = embedding(permute(this.a, [1, 0]), ids, options); // [..., r]
      return linear(rows, this.b).mul(this.scale);
    });
  }

  /** The change of the weights, in their shape: scale B A, of a table its transpose. */
  delta(): Tensor {
    return scope(() => {
      const product = this.isOfTable
        ? matmul(this.a, this.b, { transposeA: true, transposeB: true })
        : matmul(this.b, this.a);
      return product.mul(this.scale);
    });
  }
}
