/** Tables of vectors. */
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import type { BagMode } from "../kernels/embedding-bag/embedding-bag.ts";
import { embedding, embeddingBag } from "../kernels/ops.ts";
import { randn } from "../kernels/random/random.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import type { LoraAdapter } from "./lora-adapter.ts";
import { Module, Parameter } from "./module.ts";

interface TableOptions {
  paddingIndex?: number | null;
  std?: number;
}

// The rows of a table, normally distributed but for that of the padding, which is 0.
function newTable(layer: string, entries: number, dimensions: number, options: TableOptions): Parameter {
  checkSize(layer, "entries", entries);
  checkSize(layer, "dimensions", dimensions);
  const { paddingIndex: padding = null, std = 1 } = options;
  if (padding !== null && !(Number.isInteger(padding) && padding >= -entries && padding < entries)) {
    throw new ValueError(
      `${layer}: paddingIndex is ${padding}, expected a whole number from ${-entries} to ${entries - 1}`,
    );
  }
  const weight = new Parameter(randn([entries, dimensions], { std }));
  if (padding !== null) {
    const row = padding < 0 ? padding + entries : padding;
    weight.device.write(weight.storage.view(row * dimensions, dimensions), new Float64Array(dimensions));
  }
  return weight;
}

function takeTable<Layer extends { weight: Parameter }>(
  name: string,
  vectors: Tensor,
  freeze: boolean,
  make: (entries: number, dimensions: number) => Layer,
): Layer {
  const [entries, dimensions] = vectors.shape;
  if (vectors.rank !== 2) {
    throw new ShapeError(
      `${name}.fromPretrained: vectors has shape ${formatShape(vectors.shape)}, expected [entries, dimensions]`,
    );
  }
  const layer = make(entries!, dimensions!);
  layer.weight.rebind(vectors.storage.retain());
  layer.weight.requiresGrad = !freeze;
  return layer;
}

/**
 * Looks rows of a table up: ids of any shape [...] give [..., dimensions]. The rows start normally distributed, with
 * the deviation `std`; that of `paddingIndex` starts at 0 and is never trained.
 *
 * A table that is shared, such as with the layer that computes logits, is one `Parameter` in two fields:
 *
 * @example
 * const embedding = new nn.Embedding(10_000, 128);
 * const head = new nn.Linear(128, 10_000, { bias: false });
 * head.weight = embedding.weight;
 */
export class Embedding extends Module {
  weight: Parameter; // [entries, dimensions]
  readonly paddingIndex: number | null;
  /** What `lora.inject` has put beside the weight. */
  adapter: LoraAdapter | undefined;

  /** @param options paddingIndex (negative counts from the end); std (default 1, as PyTorch) */
  constructor(entries: number, dimensions: number, options: { paddingIndex?: number; std?: number } = {}) {
    super();
    checkOptions("Embedding", options, ["paddingIndex", "std"]);
    this.paddingIndex = options.paddingIndex ?? null;
    this.weight = newTable("Embedding", entries, dimensions, options);
  }

  /** Takes the rows of a table as they are, such as pretrained vectors; they are trained on unless `freeze`. */
  static fromPretrained(vectors: Tensor, options: { freeze?: boolean; paddingIndex?: number } = {}): Embedding {
    checkOptions("Embedding.fromPretrained", options, ["freeze", "paddingIndex"]);
    const { freeze = true, ...rest } = options;
    return takeTable("Embedding", vectors, freeze, (entries, dimensions) => new Embedding(entries, dimensions, rest));
  }

  override forward(ids: Tensor): Tensor {
    const { weight, paddingIndex, adapter } = this;
    const options = paddingIndex === null ? {} : { paddingIndex };
    if (!adapter || adapter.isMerged) return embedding(weight, ids, options);
    return scope(() => embedding(weight, ids, options).add(adapter.updateRows(ids, options)));
  }
}

export interface EmbeddingBagLayerOptions {
  /** What becomes of a bag's rows; `mean` by default. */
  mode?: BagMode;
  /** An id that does not count, and whose row is not trained; negative counts from the end. */
  paddingIndex?: number;
  /** Whether the offsets have one more element, the end of the last bag. */
  includeLastOffset?: boolean;
  /** The deviation of the rows at first; 1 by default. */
  std?: number;
}

/**
 * Looks rows of a table up, and combines those of each bag to their sum, mean or largest elements, without a tensor of
 * all rows: for words without order, and for categories of which several apply.
 *
 * @example
 * const bag = new nn.EmbeddingBag(10_000, 64, { mode: "mean" });
 * bag.forward(ids); // [bags, s] -> [bags, 64]
 * bag.forward(tokens, offsets); // [count], [bags] -> [bags, 64]
 */
export class EmbeddingBag extends Module {
  weight: Parameter; // [entries, dimensions]
  readonly mode: BagMode;
  readonly paddingIndex: number | null;
  readonly includeLastOffset: boolean;

  /** @param options mode (default mean), paddingIndex, includeLastOffset (default false), std (default 1) */
  constructor(entries: number, dimensions: number, options: EmbeddingBagLayerOptions = {}) {
    super();
    checkOptions("EmbeddingBag", options, ["mode", "paddingIndex", "includeLastOffset", "std"]);
    const { mode = "mean", paddingIndex = null, includeLastOffset = false } = options;
    if (!["sum", "mean", "max"].includes(mode))
      throw new ValueError(`EmbeddingBag: mode is "${mode}", expected sum, mean or max`);
    this.mode = mode;
    this.paddingIndex = paddingIndex;
    this.includeLastOffset = includeLastOffset;
    this.weight = newTable("EmbeddingBag", entries, dimensions, options);
  }

  /** As `Embedding.fromPretrained`, with the options of a bag. */
  static fromPretrained(
    vectors: Tensor,
    options: Omit<EmbeddingBagLayerOptions, "std"> & { freeze?: boolean } = {},
  ): EmbeddingBag {
    checkOptions("EmbeddingBag.fromPretrained", options, ["freeze", "mode", "paddingIndex", "includeLastOffset"]);
    const { freeze = true, ...rest } = options;
    return takeTable(
      "EmbeddingBag",
      vectors,
      freeze,
      (entries, dimensions) => new EmbeddingBag(entries, dimensions, rest),
    );
  }

  /**
   * @param ids integers [bags, s], or [count] with offsets
   * @param offsets [bags], where each bag begins in [count] ids
   * @param perSampleWeights ids' shape: what each row is multiplied by; for sums
   * @returns [bags, dimensions]
   */
  override forward(ids: Tensor, offsets: Tensor | null = null, perSampleWeights: Tensor | null = null): Tensor {
    const { mode, paddingIndex, includeLastOffset } = this;
    return embeddingBag(this.weight, ids, { offsets, mode, perSampleWeights, paddingIndex, includeLastOffset });
  }
}
