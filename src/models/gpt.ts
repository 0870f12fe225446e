/** A language model in the manner of GPT: a causal Transformer that predicts each next token, and writes on with them. */
import { noGrad } from "../autograd/record.ts";
import { Random } from "../data/random.ts";
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { dropout, linear } from "../kernels/ops.ts";
import {
  Embedding,
  init,
  KeyValueCache,
  LearnedPositions,
  Linear,
  Module,
  RotaryPositions,
  TransformerEncoder,
} from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface GptOptions {
  /** Tokens. */
  vocabSize: number;
  /** The longest sequence. */
  maxLength: number;
  /** Features of a token: d (default 128). */
  features?: number;
  /** Default 4. */
  heads?: number;
  /** Default 4. */
  layers?: number;
  /** Features inside the feed-forward networks (default 4 d). */
  feedForward?: number;
  /** Default 0.1. */
  dropout?: number;
  /** A trained vector for each position, added to the token's, or angles between queries and keys (default "learned"). */
  positions?: "learned" | "rotary";
  /** Whether the head's weights are the embedding's (default true). */
  tieWeights?: boolean;
}

const OPTIONS = [
  "vocabSize",
  "maxLength",
  "features",
  "heads",
  "layers",
  "feedForward",
  "dropout",
  "positions",
  "tieWeights",
] as const;

export interface GenerateOptions extends SampleOptions {
  /** How many tokens to write (default 100). */
  maxTokens?: number;
  /** Chooses the random numbers (default 0). */
  seed?: number;
}

/**
 * @see Radford et al. 2019, https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
 */
export class Gpt extends Module {
  readonly embedding: Embedding; // [vocabSize, d]
  readonly positions: LearnedPositions | null;
  readonly decoder: TransformerEncoder; // decoder in that it is causal; there is no memory to attend to
  readonly head: Linear | null; // [vocabSize, d]; null where it is the embedding
  readonly maxLength: number;
  readonly dropout: number;

  constructor(options: GptOptions) {
    super();
    checkOptions("Gpt", options, OPTIONS);
    const { vocabSize, maxLength, features = 128, heads = 4, layers = 4, dropout = 0.1 } = options;
    const { feedForward = 4 * features, positions = "learned", tieWeights = true } = options;
    if (positions !== "learned" && positions !== "rotary") {
      throw new ValueError(`Gpt: positions is "${positions}", expected learned or rotary`);
    }
    const rotary = positions === "rotary" ? new RotaryPositions() : undefined;
    const layer = { feedForward, dropout, rotary, normFirst: true, activation: "gelu" } as const;
    this.embedding = new Embedding(vocabSize, features, { std: 0.02 });
    this.positions = positions === "learned" ? new LearnedPositions(features, maxLength, { dropout }) : null;
    this.decoder = new TransformerEncoder(features, heads, layers, layer);
    this.head = tieWeights ? null : new Linear(features, vocabSize, { bias: false });
    this.maxLength = maxLength;
    this.dropout = dropout;
    // As GPT-2 starts: what each layer adds to the residual stream is the smaller the more layers there are.
    for (const [name, parameter] of this.namedParameters()) {
      const joinsStream = name.endsWith("out_proj.weight") || name.endsWith("linear2.weight");
      if (parameter.rank === 2) init.normal(parameter, 0, joinsStream ? 0.02 / Math.sqrt(2 * layers) : 0.02);
      else if (name.endsWith("bias")) init.constant(parameter, 0);
    }
  }

  /**
   * @param ids i32 [b, t]
   * @param options cache: of the tokens before, which ids go on from
   * @returns [b, t, vocabSize] scores of the token after each, before the softmax
   */
  override forward(ids: Tensor, options: { cache?: KeyValueCache } = {}): Tensor {
    checkOptions("Gpt", options, ["cache"]);
    return scope(() => this.#score(this.#decode(ids, options.cache)));
  }

  /**
   * Writes on after a prompt, one token at a time, each drawn from what the model expects there. Of a text longer than
   * maxLength it sees the end.
   *
   * @param prompt at least one token
   * @returns the new tokens
   * @throws ValueError for an empty prompt, or options out of range
   */
  async generate(prompt: readonly number[], options: GenerateOptions = {}): Promise<number[]> {
    checkOptions("Gpt.generate", options, ["maxTokens", "temperature", "topK", "topP", "seed"]);
    const { maxTokens = 100, seed = 0, ...sampling } = options;
    if (prompt.length === 0) throw new ValueError("Gpt.generate: the prompt is empty, expected at least one token");
    if (!Number.isInteger(maxTokens) || maxTokens < 0) {
      throw new ValueError(`Gpt.generate: maxTokens is ${maxTokens}, expected a whole number from 0 up`);
    }
    const random = new Random(seed);
    const { device } = this.embedding.weight;
    const { training, maxLength } = this;
    const tokens = [...prompt];
    let unseen = tokens.slice(-maxLength);
    const cache = new KeyValueCache(maxLength);
    this.eval();
    try {
      while (tokens.length < prompt.length + maxTokens) {
        if (cache.length + unseen.length > maxLength) {
          cache.dispose();
          unseen = tokens.slice(-Math.ceil(maxLength / 2));
        }
        const scores = noGrad(() =>
          scope(() => {
            const y = this.#decode(tensor([unseen], { dtype: "i32", device }), cache); // [1, t, d]
            return this.#score(y.at(0, -1)); // [vocabSize]
          }),
        );
        const token = sampleToken(await scores.data(), sampling, random);
        scores.dispose();
        tokens.push(token);
        unseen = [token];
      }
    } finally {
      cache.dispose();
      this.train(training);
    }
    return tokens.slice(prompt.length);
  }

  // [b, t] -> [b, t, d]
  #decode(ids: Tensor, cache: KeyValueCache | undefined): Tensor {
    const x = this.embedding.forward(ids); // [b, t, d]
    const placed = this.positions
      ? this.positions.forward(x, { offset: cache?.length ?? 0 })
      : dropout(x, { p: this.dropout, training: this.training });
    return this.decoder.forward(placed, { isCausal: true, cache });
  }

  // [..., d] -> [..., vocabSize]
  #score(x: Tensor): Tensor {
    return this.head ? this.head.forward(x) : linear(x, this.embedding.weight);
  }
}

export interface SampleOptions {
  /** What the scores are divided by: below 1 the likely becomes likelier; 0 takes the likeliest (default 1). */
  temperature?: number;
  /** How many of the likeliest tokens may be drawn (default all). */
  topK?: number;
  /** Only the likeliest tokens may be drawn whose probabilities add up to so much (default 1). */
  topP?: number;
}

/**
 * Draws a token with the probabilities that softmax makes of scores.
 *
 * @param scores one per token
 * @param random where chance comes from
 * @throws ValueError for scores that are NaN, or unless temperature >= 0, topK is a whole number above 0, and 0 < topP <= 1
 * @see Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, https://arxiv.org/abs/1904.09751
 */
export function sampleToken(scores: ArrayLike<number>, options: SampleOptions, random: Random): number {
  checkOptions("sampleToken", options, ["temperature", "topK", "topP"]);
  const { temperature = 1, topK = scores.length, topP = 1 } = options;
  const check = (name: string, value: number, isRight: boolean, expected: string) => {
    if (!isRight) throw new ValueError(`sampleToken: ${name} is ${value}, expected ${expected}`);
  };
  check("temperature", temperature, temperature >= 0, "0 or more");
  check("topK", topK, Number.isInteger(topK) && topK > 0, "a whole number above 0");
  check("topP", topP, topP > 0 && topP <= 1, "a number above 0, up to 1");
  const tokens = Array.from(scores, (score, token) => ({ score, token })).sort((a, b) => b.score - a.score);
  const top = tokens[0]!.score;
  check(
    "a score",
    Number.NaN,
    tokens.every(({ score }) => !Number.isNaN(score)),
    "numbers",
  );
  if (temperature === 0) return tokens[0]!.token;

  const likeliest = tokens.slice(0, topK);
  const weights = likeliest.map(({ score }) => Math.exp((score - top) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let kept = 0; // the weight of those that may be drawn
  let count = 0;
  while (count < weights.length && (count === 0 || kept < topP * total)) kept += weights[count++]!;
  let rest = random.uniform() * kept;
  const drawn = weights.slice(0, count).findIndex((weight) => (rest -= weight) < 0);
  return likeliest[drawn === -1 ? count - 1 : drawn]!.token;
}
