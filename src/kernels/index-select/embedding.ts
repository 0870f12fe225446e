import { checkOptions, ValueError } from "../../gpu/errors.ts";
import { expectRank } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { reshape } from "../view/reshape.ts";
import { expectIndex, takeSlices } from "./slices.ts";

export interface EmbeddingOptions {
  /** An id whose row gets no gradient; negative counts from the end. */
  paddingIndex?: number;
}

/**
 * Looks rows up: y[..., :] = weight[ids[...], :].
 *
 * The gradient adds up the rows of each id in a fixed order; rows that no id names get exactly 0.
 *
 * @param weight [vocabulary, features]
 * @param ids any shape, i32 or u32; negative numbers are errors
 * @returns [...ids.shape, features]
 * @throws DTypeError unless the ids are integers, ShapeError unless weight has two axes
 * @throws ValueError for a paddingIndex that is no row; and at the next await, if an id is out of range
 * @see https://pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html
 */
export function embedding(weight: Tensor, ids: Tensor, options: EmbeddingOptions = {}): Tensor {
  checkOptions("embedding", options, ["paddingIndex"]);
  expectRank("embedding", "weight", weight.shape, 2);
  expectIndex("embedding", "ids", ids, weight);
  const [n, features] = weight.shape as [number, number];
  const { paddingIndex } = options;
  let skip: number | null = null;
  if (paddingIndex !== undefined) {
    skip = paddingIndex < 0 ? paddingIndex + n : paddingIndex;
    if (!Number.isInteger(skip) || skip < 0 || skip >= n) {
      throw new ValueError(
        `embedding: paddingIndex is ${paddingIndex}, expected a whole number from ${-n} to ${n - 1}`,
      );
    }
  }
  const rows = takeSlices(weight, ids, { op: "embedding", argument: "ids", axis: 0, n, skip });
  const y = reshape(rows, [...ids.shape, features]);
  rows.dispose();
  return y;
}
