/** Pretrained word vectors from files in Node. */
import { readBlocks } from "./blocks-node.ts";
import { type PretrainedVectors, pretrainedVectors, type VectorOptions } from "./vectors.ts";
import type { Vocab } from "./vocab.ts";

/**
 * Picks the vectors of a vocabulary's tokens from a file of GloVe, word2vec or fastText, as `pretrainedVectors`.
 *
 * @throws DataError as that does, and for a file that cannot be read
 */
export function readVectors(
  file: string,
  vocab: Vocab,
  options: Omit<VectorOptions, "file"> = {},
): Promise<PretrainedVectors> {
  return pretrainedVectors(vocab, readBlocks(file), { ...options, file });
}
