/**
 * Pretrained word vectors for a vocabulary, from text files as GloVe, word2vec and fastText write them: a token and its numbers
 * in each line, separated by single spaces, perhaps after a line with the file's number of tokens and of dimensions.
 */

import { checkOptions, DataError, ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { blocksOfLines } from "./lines.ts";
import { place, quoted } from "./messages.ts";
import { Random } from "./random.ts";
import { decodeUtf8 } from "./utf8.ts";
import type { Vocab } from "./vocab.ts";

/** Of the vectors that were found: [dimensions] each. */
export interface VectorStatistics {
  readonly mean: Float64Array;
  readonly std: Float64Array;
}

export interface VectorOptions {
  /** The name that messages use. */
  file?: string;
  /**
   * What tokens without a vector get: `"normal"` (default), numbers drawn with each dimension's mean and deviation over the
   * vectors found; `"zeros"`; or what a function gives, [dimensions].
   */
  missing?: "normal" | "zeros" | ((token: string, statistics: VectorStatistics) => ArrayLike<number>);
  /** The token whose vector is 0 whatever the file says (default `<pad>`); `null`: none. */
  padding?: string | null;
  /** Of `"normal"` (default 0). */
  seed?: number;
}

export interface VectorCoverage {
  /** Tokens that have a vector in the file. */
  readonly found: number;
  /** Tokens that were looked for: all but the padding. */
  readonly tokens: number;
  /** Those that have none, in the vocabulary's order. */
  readonly missing: readonly string[];
  /** Vectors in the file. */
  readonly inFile: number;
}

export interface PretrainedVectors {
  /** f32 [vocabulary, dimensions], for `nn.Embedding.fromPretrained`. */
  readonly weight: Tensor<"f32">;
  readonly coverage: VectorCoverage;
}

/**
 * Picks the vectors of a vocabulary's tokens from a file, which goes by and is never in memory as a whole.
 *
 * Of a token that occurs twice the first vector counts.
 *
 * @param chunks the file's bytes
 * @throws DataError naming file and line: not UTF-8, a vector with more or fewer numbers than the first, what is no number; or
 *   if no token has a vector
 *
 * @example
 * const { weight, coverage } = await pretrainedVectors(vocab, file.stream());
 * console.log(`${coverage.found} of ${coverage.tokens} tokens have a vector`);
 * model.embedding = nn.Embedding.fromPretrained(weight, { freeze: false, paddingIndex: 0 });
 */
export async function pretrainedVectors(
  vocab: Vocab,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: VectorOptions = {},
): Promise<PretrainedVectors> {
  checkOptions("pretrainedVectors", options, ["file", "missing", "padding", "seed"]);
  const { file = "vectors", missing = "normal", padding = "<pad>", seed = 0 } = options;
  if (typeof missing !== "function" && missing !== "normal" && missing !== "zeros") {
    throw new ValueError(`pretrainedVectors: missing is "${missing}", expected normal, zeros or a function`);
  }
  const { found, dimensions, inFile } = await readVectors(vocab, chunks, file);
  if (padding !== null) found.delete(padding);
  const wanted = vocab.tokens.filter((token) => token !== padding);
  if (found.size === 0) {
    throw new DataError(
      `${file}: none of its ${inFile} vectors is of one of the ${wanted.length} tokens, such as ` +
        `${wanted.slice(-3).map(quoted).join(", ")}; check that the tokenizer cuts and folds case as that of the vectors`,
    );
  }
  const coverage = {
    found: found.size,
    tokens: wanted.length,
    missing: wanted.filter((token) => !found.has(token)),
    inFile,
  };
  const statistics = statisticsOf(found.values(), dimensions);
  const random = new Random(seed);
  const substitute = (token: string): ArrayLike<number> => {
    if (token === padding || missing === "zeros") return new Float32Array(dimensions);
    if (missing === "normal") return statistics.mean.map((mean, i) => mean + statistics.std[i]! * random.normal());
    const vector = missing(token, statistics);
    if (vector.length === dimensions) return vector;
    throw new ValueError(
      `pretrainedVectors: missing gave ${vector.length} numbers for ${quoted(token)}, expected ${dimensions}`,
    );
  };
  const values = new Float32Array(vocab.size * dimensions);
  for (const [i, token] of vocab.tokens.entries()) values.set(found.get(token) ?? substitute(token), i * dimensions);
  return { weight: tensor(values, { shape: [vocab.size, dimensions] }) as Tensor<"f32">, coverage };
}

interface FoundVectors {
  readonly found: Map<string, Float32Array>;
  readonly dimensions: number;
  readonly inFile: number;
}

async function readVectors(
  vocab: Vocab,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  file: string,
): Promise<FoundVectors> {
  const found = new Map<string, Float32Array>();
  const hasSpaces = vocab.tokens.some((token) => token.includes(" "));
  const start = { line: 1, offset: 0 };
  let dimensions = 0;
  let inFile = 0;
  for await (const block of blocksOfLines(chunks)) {
    const lines = decodeUtf8(block, file, start).split("\n");
    for (const [i, text] of lines.entries()) {
      const line = start.line + i;
      if (text.trim() === "" || (line === 1 && /^\d+ \d+\s*$/.test(text))) continue; // a header
      inFile++;
      dimensions ||= countNumbers(text);
      const isWanted = hasSpaces || vocab.has(text.slice(0, text.indexOf(" ")));
      if (!isWanted) continue;
      const { token, vector } = parseVector(text, dimensions, place(file, line));
      if (vocab.has(token) && !found.has(token)) found.set(token, vector);
    }
    start.line += lines.length - 1;
    start.offset += block.length;
  }
  return { found, dimensions, inFile };
}

// The numbers at the end of a line, which begins with a token.
function countNumbers(text: string): number {
  const [, ...rest] = text.trimEnd().split(" ");
  return rest.length - 1 - rest.findLastIndex((number) => !isNumber(number));
}

function parseVector(text: string, dimensions: number, where: string): { token: string; vector: Float32Array } {
  const parts = text.trimEnd().split(" ");
  const numbers = parts.slice(Math.max(1, parts.length - dimensions)); // a token may have spaces
  const token = parts.slice(0, -numbers.length).join(" ");
  const wrong = numbers.find((number) => !isNumber(number));
  if (wrong !== undefined)
    throw new DataError(`${where}: ${quoted(wrong)} is no number, in the vector of ${quoted(token)}`);
  if (numbers.length === dimensions && dimensions > 0) return { token, vector: Float32Array.from(numbers, Number) };
  throw new DataError(
    `${where}: the vector of ${quoted(token)} has ${numbers.length} numbers, expected ${dimensions || "one or more"} as in ` +
      "the first line; expected a token and its numbers, separated by single spaces",
  );
}

function isNumber(text: string): boolean {
  return text !== "" && Number.isFinite(Number(text));
}

function statisticsOf(vectors: Iterable<Float32Array>, dimensions: number): VectorStatistics {
  const sums = new Float64Array(dimensions);
  const squares = new Float64Array(dimensions);
  let count = 0;
  for (const vector of vectors) {
    count++;
    for (let i = 0; i < dimensions; i++) {
      sums[i]! += vector[i]!;
      squares[i]! += vector[i]! ** 2;
    }
  }
  const mean = sums.map((sum) => sum / count);
  return { mean, std: squares.map((square, i) => Math.sqrt(Math.max(0, square / count - mean[i]! ** 2))) };
}
