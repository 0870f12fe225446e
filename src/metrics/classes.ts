/** What outputs say about classes: the shapes that metrics of classification take, in one place. */
import { DTypeError, ShapeError, ValueError } from "../gpu/errors.ts";
import { cast } from "../kernels/cast/cast.ts";
import { greater, notEqual } from "../kernels/elementwise/binary-ops.ts";
import { sigmoid } from "../kernels/elementwise/unary-ops.ts";
import { argmax } from "../kernels/reduce/extrema.ts";
import { softmax } from "../kernels/softmax/softmax.ts";
import { permute } from "../kernels/view/permute.ts";
import { flatten, reshape } from "../kernels/view/reshape.ts";
import { formatShape, shapesEqual } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface ClassOptions {
  /** Elements with this label are left out (default: none is). */
  ignoreIndex?: number | undefined;
  /** For outputs of labels' shape: a score above it is class 1 (default 0.5, for probabilities; 0 for logits). */
  threshold?: number | undefined;
}

/** A class per element, flattened. */
export interface Classes {
  /** i32 [n] */
  readonly predicted: Tensor;
  /** i32 [n] */
  readonly actual: Tensor;
  /** bool [n]: those that are not ignored; null where all count. */
  readonly counted: Tensor | null;
}

/** Which class each element is given, and which it has. */
export function classesOf(
  metric: string,
  outputs: Tensor,
  labels: Tensor,
  { ignoreIndex, threshold = 0.5 }: ClassOptions,
): Classes {
  return { predicted: predictedClasses(metric, outputs, labels, threshold), ...actualClasses(labels, ignoreIndex) };
}

export function actualClasses(labels: Tensor, ignoreIndex: number | undefined): Omit<Classes, "predicted"> {
  const actual = cast(flatten(labels), "i32") as Tensor;
  return { actual, counted: ignoreIndex === undefined ? null : (notEqual(actual, ignoreIndex) as Tensor) };
}

function predictedClasses(metric: string, outputs: Tensor, labels: Tensor, threshold: number): Tensor {
  const axis = classAxis(metric, outputs, labels);
  if (axis !== null && outputs.shape[axis]! > 1) return flatten(argmax(outputs, axis));
  if (outputs.dtype !== "f32") return cast(flatten(outputs), "i32");
  return cast(flatten(greater(outputs, threshold)), "i32");
}

/** The axis of classes, as in `crossEntropy`; null where outputs have labels' shape. */
export function classAxis(metric: string, outputs: Tensor, labels: Tensor): number | null {
  if (shapesEqual(outputs.shape, labels.shape)) return null;
  const axis = Math.min(1, outputs.rank - 1);
  if (outputs.rank > 0 && shapesEqual(outputs.shape.toSpliced(axis, 1), labels.shape)) return axis;
  throw new ShapeError(
    `${metric}: outputs have shape ${formatShape(outputs.shape)} and labels ${formatShape(labels.shape)}, ` +
      "expected [n, classes, ...] and [n, ...], or one shape",
  );
}

/**
 * Scores with the classes last.
 *
 * @param logits whether to take the probabilities of outputs: softmax over classes, or sigmoid of a single score
 * @returns f32 [n, classes], or [n, 1] for one score per element
 */
export function scoresOf(metric: string, outputs: Tensor, labels: Tensor, logits: boolean): Tensor {
  if (outputs.dtype !== "f32") throw new DTypeError(`${metric}: outputs have dtype ${outputs.dtype}, expected f32`);
  const axis = classAxis(metric, outputs, labels);
  const classes = axis === null ? 1 : outputs.shape[axis]!;
  if (classes === 1) {
    const column = reshape(outputs, [outputs.size, 1]);
    return logits ? sigmoid(column) : column;
  }
  const { rank } = outputs;
  const order = [...Array(rank).keys()].filter((i) => i !== axis).concat(axis!);
  const last = axis === rank - 1 ? outputs : permute(outputs, order);
  const scores = reshape(last, [outputs.size / classes, classes]);
  return logits ? softmax(scores, -1) : scores;
}

/** @throws ValueError unless `value` is a whole number of at least `min` */
export function expectWhole(metric: string, name: string, value: number, min: number): void {
  if (Number.isInteger(value) && value >= min) return;
  throw new ValueError(`${metric}: ${name} is ${value}, expected a whole number of ${min} or more`);
}
