/** Data for training, up to the point where it becomes tensors. Runs in Node and in a browser. */

export {
  BucketSampler,
  type BucketSamplerOptions,
  type PaddedBatch,
  type PadOptions,
  padSequences,
} from "./batches.ts";
export { type Column, type CsvData, type CsvOptions, parseCsv } from "./csv.ts";
export { LabelSet, type LabelSource } from "./labels.ts";
export { Random, type RandomState, threefry2x32 } from "./random.ts";
export { randomSplit, type SplitOptions, splitIndices } from "./split.ts";
export {
  ByteTokenizer,
  type CharacterOptions,
  CharacterTokenizer,
  type Tokenizer,
  tokenizerFromJSON,
  type WordOptions,
  WordTokenizer,
} from "./tokenizer.ts";
export { Vocab, type VocabJSON, type VocabOptions } from "./vocab.ts";
