import { broadcastAxes, type Shape, shapesEqual } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { reshape } from "../view/reshape.ts";
import { sum } from "./sum.ts";

/**
 * Undoes a broadcast: sums over the axes along which a tensor of `shape` was stretched to x's shape.
 *
 * @param x the broadcast shape
 * @param shape one that broadcasts to x's
 * @returns `shape`; x itself where it has that shape
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (shapesEqual(x.shape, shape)) return x;
  const sums = sum(x, broadcastAxes(shape, x.shape));
  const y = reshape(sums, shape);
  sums.dispose();
  return y;
}
