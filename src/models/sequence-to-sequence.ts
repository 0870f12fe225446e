/** A Transformer that reads one sequence of tokens and writes another. */
import { noGrad } from "../autograd/record.ts";
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { concat } from "../kernels/concat/concat.ts";
import { full } from "../kernels/creation/creation.ts";
import { argmax, equal, narrow } from "../kernels/ops.ts";
import { Embedding, KeyValueCache, Linear, Module, SinusoidalPositions, Transformer } from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface SequenceToSequenceOptions {
  /** Tokens of the source, the padding with id 0 included. */
  sourceVocab: number;
  /** Tokens of the target, those for padding, start and end included (default sourceVocab). */
  targetVocab?: number;
  /** The longest sequence on either side, the token for its end included. */
  maxLength: number;
  /** Features of a token: d (default 128). */
  features?: number;
  /** Default 4. */
  heads?: number;
  /** Layers of the encoder, and of the decoder (default 2). */
  layers?: number;
  /** Features inside the feed-forward networks (default 4 d). */
  feedForward?: number;
  /** Default 0.1. */
  dropout?: number;
  /** Default false. */
  normFirst?: boolean;
  /** Default "relu". */
  activation?: "relu" | "gelu";
  /** What stands before a target's first token (default 1). */
  startId?: number;
  /** What ends a target (default 2). */
  endId?: number;
}

const OPTIONS = [
  "sourceVocab",
  "targetVocab",
  "maxLength",
  "features",
  "heads",
  "layers",
  "feedForward",
  "dropout",
  "normFirst",
  "activation",
  "startId",
  "endId",
] as const;

/**
 * @see Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
 * @example
 * const logits = model.forward(source, target);              // target: tokens, end, padding
 * const loss = logits.flatten(0, 1).crossEntropy(target.flatten(), { ignoreIndex: 0 });
 * const written = await model.generate(source);              // number[][], without the end
 */
export class SequenceToSequence extends Module {
  readonly sourceEmbedding: Embedding; // [sourceVocab, d]
  readonly targetEmbedding: Embedding; // [targetVocab, d]
  readonly positions: SinusoidalPositions;
  readonly transformer: Transformer;
  readonly head: Linear;
  readonly maxLength: number;
  readonly startId: number;
  readonly endId: number;

  constructor(options: SequenceToSequenceOptions) {
    super();
    checkOptions("SequenceToSequence", options, OPTIONS);
    const { sourceVocab, targetVocab = sourceVocab, maxLength, features = 128, heads = 4, layers = 2 } = options;
    const { feedForward = 4 * features, dropout = 0.1, normFirst = false, activation = "relu" } = options;
    const { startId = 1, endId = 2 } = options;
    for (const [name, id] of Object.entries({ startId, endId })) {
      if (!Number.isInteger(id) || id < 1 || id >= targetVocab) {
        throw new ValueError(`SequenceToSequence: ${name} is ${id}, expected a token of 1 to ${targetVocab - 1}`);
      }
    }
    this.sourceEmbedding = new Embedding(sourceVocab, features, { paddingIndex: 0 });
    this.targetEmbedding = new Embedding(targetVocab, features, { paddingIndex: 0 });
    this.positions = new SinusoidalPositions(features, { maxLength, dropout });
    this.transformer = new Transformer(features, heads, {
      ...{ encoderLayers: layers, decoderLayers: layers },
      ...{ feedForward, dropout, normFirst, activation },
    });
    this.head = new Linear(features, targetVocab);
    this.maxLength = maxLength;
    this.startId = startId;
    this.endId = endId;
  }

  /**
   * Scores every token of the target by those before it, the right ones, as in training.
   *
   * @param source i32 [b, ts], 0 where there is padding
   * @param target i32 [b, t]: tokens, endId, padding; no startId
   * @returns [b, t, targetVocab] scores before the softmax
   */
  override forward(source: Tensor, target: Tensor): Tensor {
    return scope(() => {
      const [b, t] = target.shape as [number, number];
      const start = full([b, 1], this.startId, { dtype: "i32", device: target.device });
      const before = narrow(concat([start, target], 1), 1, 0, t); // [b, t]
      const isPadding = equal(source, 0); // [b, ts]
      return this.#decode(before, this.#encode(source, isPadding), isPadding);
    });
  }

  /**
   * Writes the target that at each step is the likeliest.
   *
   * @param source i32 [b, ts], 0 where there is padding
   * @param options maxTokens: where to stop if no end comes (default and at most maxLength)
   * @returns the tokens of each sequence, without the end
   * @throws ValueError for maxTokens out of range
   */
  async generate(source: Tensor, options: { maxTokens?: number } = {}): Promise<number[][]> {
    checkOptions("SequenceToSequence.generate", options, ["maxTokens"]);
    const { maxTokens = this.maxLength } = options;
    if (!Number.isInteger(maxTokens) || maxTokens < 0 || maxTokens > this.maxLength) {
      throw new ValueError(
        `SequenceToSequence.generate: maxTokens is ${maxTokens}, expected a whole number from 0 to maxLength, ${this.maxLength}`,
      );
    }
    const { training } = this;
    const b = source.shape[0]!;
    const written = Array.from({ length: b }, (): number[] => []);
    const isOpen = new Array<boolean>(b).fill(true);
    const cache = new KeyValueCache(this.maxLength);
    this.eval();
    const { isPadding, memory, start } = noGrad(() =>
      scope(() => {
        const isPadding = equal(source, 0); // [b, ts]
        const start = full([b, 1], this.startId, { dtype: "i32", device: source.device });
        return { isPadding, start, memory: this.#encode(source, isPadding) };
      }),
    );
    let newest: Tensor = start; // [b, 1]
    try {
      for (let step = 0; step < maxTokens && isOpen.includes(true); step++) {
        const last = newest;
        newest = noGrad(() => scope(() => argmax(this.#decode(last, memory, isPadding, cache), -1)));
        last.dispose();
        for (const [i, token] of (await newest.data()).entries()) {
          isOpen[i] &&= token !== this.endId;
          if (isOpen[i]) written[i]!.push(token);
        }
      }
    } finally {
      for (const x of [isPadding, memory, newest]) x.dispose();
      cache.dispose();
      this.train(training);
    }
    return written;
  }

  // [b, ts] -> [b, ts, d]
  #encode(source: Tensor, isPadding: Tensor): Tensor {
    const x = this.positions.forward(this.sourceEmbedding.forward(source));
    return this.transformer.encoder.forward(x, { keyPaddingMask: isPadding });
  }

  // [b, t] -> [b, t, targetVocab]. Padding comes last in a target, where what is causal does not see it.
  #decode(ids: Tensor, memory: Tensor, memoryKeyPaddingMask: Tensor, cache?: KeyValueCache): Tensor {
    const x = this.positions.forward(this.targetEmbedding.forward(ids), { offset: cache?.length ?? 0 });
    const y = this.transformer.decoder.forward(x, memory, { tgtIsCausal: true, memoryKeyPaddingMask, cache });
    return this.head.forward(y);
  }
}
