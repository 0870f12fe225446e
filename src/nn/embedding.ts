/** Tables of vectors. */
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { embedding } from "../kernels/ops.ts";
import { randn } from "../kernels/random/random.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { Module, Parameter } from "./module.ts";

/**
 * Looks rows of a table up: ids of any shape [...] give [..., dimensions]. The rows start normally distributed, with
 * the deviation `std`; that of `paddingIndex` starts at 0 and is never trained.
 */
export class Embedding extends Module {
  readonly weight: Parameter; // [entries, dimensions]
  readonly paddingIndex: number | null;

  /** @param options paddingIndex; std (default 1, as PyTorch) */
  constructor(entries: number, dimensions: number, options: { paddingIndex?: number; std?: number } = {}) {
    super();
    checkOptions("Embedding", options, ["paddingIndex", "std"]);
    checkSize("Embedding", "entries", entries);
    checkSize("Embedding", "dimensions", dimensions);
    const { paddingIndex = null, std = 1 } = options;
    if (paddingIndex !== null && !(Number.isInteger(paddingIndex) && paddingIndex >= 0 && paddingIndex < entries)) {
      throw new ValueError(
        `Embedding: paddingIndex is ${paddingIndex}, expected a whole number from 0 to ${entries - 1}`,
      );
    }
    this.paddingIndex = paddingIndex;
    this.weight = new Parameter(randn([entries, dimensions], { std }));
    if (paddingIndex !== null) {
      const row = this.weight.storage;
      row.device.write(row.view(paddingIndex * dimensions, dimensions), new Float64Array(dimensions));
    }
  }

  /** Takes the rows of a table as they are, such as pretrained vectors; they are trained on unless `freeze`. */
  static fromPretrained(vectors: Tensor, options: { freeze?: boolean; paddingIndex?: number } = {}): Embedding {
    checkOptions("Embedding.fromPretrained", options, ["freeze", "paddingIndex"]);
    const { freeze = true, ...rest } = options;
    const [entries, dimensions] = vectors.shape;
    if (vectors.rank !== 2) {
      throw new ShapeError(
        `Embedding.fromPretrained: vectors has shape ${formatShape(vectors.shape)}, expected rank 2`,
      );
    }
    const layer = new Embedding(entries!, dimensions!, rest);
    layer.weight.rebind(vectors.storage.retain());
    layer.weight.requiresGrad = !freeze;
    return layer;
  }

  override forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids, this.paddingIndex === null ? {} : { paddingIndex: this.paddingIndex });
  }
}
