import { record } from "../../autograd/record.ts";
import { ShapeError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, loadKernel } from "../../gpu/kernel.ts";
import { formatShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";

const THREADS = 64;

const kernel = loadKernel(new URL("./triangle.wgsl", import.meta.url), {
  reference: {
    forward({ x, y }, { size, rows, cols, diagonal, UPPER }) {
      for (let i = 0; i < size; i++) {
        const right = (i % cols) - (Math.floor(i / cols) % rows);
        y[i] = (UPPER ? right >= diagonal : right <= diagonal) ? x[i] : 0;
      }
    },
  },
});

/**
 * Keeps the lower triangles of matrices, with zeros above: y[..., r, c] = x[..., r, c] where c <= r + diagonal.
 *
 * @param x [..., rows, cols], any dtype
 * @throws ShapeError for fewer than two axes
 */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return triangle("tril", x, diagonal);
}

/**
 * Keeps the upper triangles of matrices, with zeros below: y[..., r, c] = x[..., r, c] where c >= r + diagonal.
 *
 * @param x [..., rows, cols], any dtype
 * @throws ShapeError for fewer than two axes
 */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return triangle("triu", x, diagonal);
}

function triangle(op: "tril" | "triu", x: Tensor, diagonal: number): Tensor {
  if (x.rank < 2) throw new ShapeError(`${op}: x has shape ${formatShape(x.shape)}, expected at least two axes`);
  if (!Number.isInteger(diagonal)) throw new ShapeError(`${op}: diagonal is ${diagonal}, expected a whole number`);
  const [rows, cols] = x.shape.slice(-2) as [number, number];
  const y = empty(x.shape, { dtype: x.dtype, device: x.device });
  dispatch(kernel, "forward", {
    bind: { x, y },
    params: { size: y.size, rows, cols, diagonal },
    constants: { UPPER: Number(op === "triu") },
    groups: ceilDiv(y.size, THREADS),
  });
  return record(y, {
    op,
    inputs: [x],
    saved: {},
    backward: (dy) => [triangle(op, dy, diagonal)],
    composed: true,
  });
}
