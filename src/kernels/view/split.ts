import { recordMany } from "../../autograd/record.ts";
import { ShapeError, ValueError } from "../../gpu/errors.ts";
import { formatShape, normalizeAxis, stridesOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { concat } from "../concat/concat.ts";
import { zeros } from "../creation/creation.ts";
import { stridedCopy } from "../strided-copy/strided-copy.ts";
import { reshape } from "./reshape.ts";

/**
 * Cuts a tensor into pieces along an axis.
 *
 * @param sizeOrSizes the pieces' length, of which the last piece may be shorter; or the length of each
 * @returns the pieces, as copies
 * @throws ShapeError unless the lengths add up to the axis, ValueError for a length that is no whole number
 */
export function split(x: Tensor, sizeOrSizes: number | readonly number[], axis = 0): Tensor[] {
  const along = normalizeAxis("split", axis, x.rank);
  const n = x.shape[along]!;
  const one = typeof sizeOrSizes === "number";
  const wrong = (one ? [sizeOrSizes] : sizeOrSizes).find((size) => !Number.isInteger(size) || size < (one ? 1 : 0));
  if (wrong !== undefined)
    throw new ValueError(`split: a size is ${wrong}, expected whole numbers from ${one ? 1 : 0} up`);
  const sizes = one ? equalSizes(n, sizeOrSizes) : sizeOrSizes;
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total !== n) {
    throw new ShapeError(
      `split: the sizes ${formatShape(sizes)} add up to ${total}, expected ${n}, the size of axis ${along}`,
    );
  }
  return cut("split", x, along, sizes);
}

/**
 * Cuts a tensor into `chunks` pieces of one length along an axis; the last may be shorter, and there may be fewer, as in
 * PyTorch: 5 elements in 4 chunks are 2, 2 and 1.
 *
 * @returns the pieces, as copies
 * @throws ValueError unless `chunks` is a whole number from 1 up
 */
export function chunk(x: Tensor, chunks: number, axis = 0): Tensor[] {
  const along = normalizeAxis("chunk", axis, x.rank);
  if (!Number.isInteger(chunks) || chunks < 1)
    throw new ValueError(`chunk: chunks is ${chunks}, expected a whole number from 1 up`);
  const n = x.shape[along]!;
  const sizes = n === 0 ? new Array<number>(chunks).fill(0) : equalSizes(n, Math.ceil(n / chunks));
  return cut("chunk", x, along, sizes);
}

/**
 * Takes an axis apart.
 *
 * @returns a copy of each slice along the axis, without it
 */
export function unbind(x: Tensor, axis = 0): Tensor[] {
  const along = normalizeAxis("unbind", axis, x.rank);
  return cut("unbind", x, along, new Array<number>(x.shape[along]!).fill(1), 1);
}

function equalSizes(n: number, size: number): number[] {
  return Array.from({ length: Math.max(Math.ceil(n / size), 1) }, (_, i) => Math.min(size, n - i * size));
}

// Pieces of `sizes` along an axis; each may be 1, and the axis removed.
function cut(op: string, x: Tensor, axis: number, sizes: readonly number[], removed = 0): Tensor[] {
  const strides = stridesOf(x.shape);
  let offset = 0;
  const pieces = sizes.map((size) => {
    const shape = x.shape.with(axis, size);
    const piece = stridedCopy(x, shape.toSpliced(axis, removed), strides.toSpliced(axis, removed), offset);
    offset += size * strides[axis]!;
    return piece;
  });
  recordMany(pieces, {
    op,
    inputs: [x],
    saved: { shape: x.shape },
    backward: (dys, { shape }) => {
      const { device } = dys.find((dy) => dy !== null)!;
      const gradient = (size: number, i: number) => {
        const piece = shape.with(axis, size);
        return dys[i] ? reshape(dys[i], piece) : zeros(piece, { device });
      };
      return [concat(sizes.map(gradient), axis)];
    },
    composed: true,
  });
  return pieces;
}
