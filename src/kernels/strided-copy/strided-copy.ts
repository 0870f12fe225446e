/**
 * Copies between strided views: the kernel under `permute`, `slice`, `expand`, `concat` and their like. Nothing here
 * records a gradient; `view/strided-view.ts` does.
 */
import { type Bindable, ceilDiv, dispatch, type Reference } from "../../gpu/kernel.ts";
import type { DType } from "../../tensor/dtype.ts";
import { collapse, type Shape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { loadWords } from "../lib/words.ts";

/** Which elements of a storage, in which order: element c is at offset + the sum of c[k] * strides[k]. */
export interface View {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

/** The view of all elements of a contiguous tensor. */
export function wholeView(shape: Shape): View {
  return { shape, strides: stridesOf(shape), offset: 0 };
}

/** Whether a view of a storage of `size` elements is all of them in their order. */
export function isWhole({ shape, strides }: View, size: number): boolean {
  if (sizeOf(shape) !== size) return false;
  const { strides: merged } = collapse(shape, [strides]);
  return size === 0 || (merged[0]!.length <= 1 && (merged[0]![0] ?? 1) === 1);
}

const THREADS = 64;
const MAX_RANK = 4;

const reference: Reference = {
  copy({ x, y }, { shape, xStrides, yStrides, xOffset, yOffset, size }) {
    for (let i = 0; i < size; i++) {
      let rest = i;
      let from = xOffset;
      let to = yOffset;
      for (let k = 0; k < shape.length; k++) {
        const c = rest % shape[k];
        rest = (rest - c) / shape[k];
        from += c * xStrides[k];
        to += c * yStrides[k];
      }
      y[to] = x[from];
    }
  },
};

const kernels = loadWords(new URL("./strided-copy.wgsl", import.meta.url), { reference });

/**
 * Copies the elements that `from` has in `x` to where `to` has them in `y`, both of one element type.
 *
 * @param to a view of from's shape that has no element twice
 */
export function copyView(x: Bindable, from: View, y: Bindable, to: View): void {
  if (sizeOf(from.shape) === 0) return;
  const merged = collapse(from.shape, [from.strides, to.strides]);
  const [xStrides, yStrides] = merged.strides as [number[], number[]];
  copyMerged(x, y, { shape: merged.shape, xStrides, yStrides, xOffset: from.offset, yOffset: to.offset });
}

interface Copy {
  readonly shape: readonly number[];
  readonly xStrides: readonly number[];
  readonly yStrides: readonly number[];
  readonly xOffset: number;
  readonly yOffset: number;
}

function copyMerged(x: Bindable, y: Bindable, { shape, xStrides, yStrides, xOffset, yOffset }: Copy): void {
  if (shape.length > MAX_RANK) {
    // The kernel's params hold four axes. Of more, the shortest is walked here; the innermost stays, for neighbours' sake.
    const outer = shape.slice(0, -1);
    const axis = outer.indexOf(Math.min(...outer));
    const without = (values: readonly number[]) => values.toSpliced(axis, 1);
    const rest = { shape: without(shape), xStrides: without(xStrides), yStrides: without(yStrides) };
    for (let c = 0; c < shape[axis]!; c++) {
      copyMerged(x, y, {
        ...rest,
        xOffset: xOffset + c * xStrides[axis]!,
        yOffset: yOffset + c * yStrides[axis]!,
      });
    }
    return;
  }
  const size = sizeOf(shape);
  const params = {
    shape: shape.toReversed(),
    xStrides: xStrides.toReversed(),
    yStrides: yStrides.toReversed(),
    xOffset,
    yOffset,
    size,
  };
  const fours = isInFours(params);
  dispatch(kernels(fours), "copy", {
    bind: { x, y },
    params,
    constants: { RANK: Math.max(shape.length, 1) },
    groups: ceilDiv(fours ? size / 4 : size, THREADS),
  });
}

// Whether four neighbours of the innermost axis can always be moved as one.
function isInFours({ shape, xStrides, yStrides, xOffset, yOffset }: Copy): boolean {
  const [length, ...rest] = [shape[0] ?? 1, xOffset, yOffset, ...xStrides.slice(1), ...yStrides.slice(1)];
  return length % 4 === 0 && xStrides[0] === 1 && yStrides[0] === 1 && rest.every((words) => words % 4 === 0);
}

/**
 * Copies the view of `x` that has `shape`, `strides` and `offset`.
 *
 * @returns a new contiguous tensor of `shape`
 */
export function stridedCopy<D extends DType>(
  x: Tensor<D>,
  shape: Shape,
  strides: readonly number[],
  offset = 0,
): Tensor<D> {
  const y = empty(shape, { dtype: x.dtype, device: x.device });
  copyView(x, { shape, strides, offset }, y, wholeView(shape));
  return y;
}

/** Copies the elements of `x` into a storage of the same size. */
export function copyInto(x: Tensor, y: Bindable): void {
  const all = wholeView([x.size]);
  copyView(x, all, y, all);
}
