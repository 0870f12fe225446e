import { record } from "../../autograd/record.ts";
import { ShapeError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, loadKernel, type Reference } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { formatShape, normalizeAxis, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { concat } from "../concat/concat.ts";
import { mul, sub } from "../elementwise/binary-ops.ts";
import { sigmoid } from "../elementwise/unary-ops.ts";
import { MATH } from "../lib/lib.ts";
import { sigmoid as sigmoidReference } from "../lib/math.reference.ts";
import { narrow } from "../view/slice.ts";

const reference = {
  forward({ x, y }, { size, half }) {
    for (let i = 0; i < size; i++) {
      const at = i + Math.floor(i / half) * half;
      y[i] = x[at] * sigmoidReference(x[at + half]);
    }
  },
  backward({ x, dy, dx }, { size, half }) {
    for (let i = 0; i < size; i++) {
      const at = i + Math.floor(i / half) * half;
      const gate = sigmoidReference(x[at + half]);
      dx[at] = dy[i] * gate;
      dx[at + half] = dy[i] * gate * (1 - gate) * x[at];
    }
  },
} satisfies Reference;

const kernel = loadKernel(new URL("./glu.wgsl", import.meta.url), { lib: [MATH], reference });
const THREADS = 64;

/**
 * Lets one half of x through as far as the other half opens the gate:
 *
 *     a * sigmoid(b), where a and b are the first and the second half along an axis
 *
 * @param x f32, an even size along the axis
 * @param axis along which axis; the last one where it is left out
 * @returns x's shape with half the size along the axis
 * @throws ShapeError if the axis is out of range, or its size odd
 * @see Dauphin et al. 2016, https://arxiv.org/abs/1612.08083
 */
export function glu(x: Tensor, axis = -1): Tensor {
  expectDType("glu", "x", x.dtype, ["f32"]);
  const along = normalizeAxis("glu", axis, x.rank);
  const n = x.shape[along]!;
  if (n % 2 !== 0) {
    throw new ShapeError(`glu: x has shape ${formatShape(x.shape)}, expected an even size along axis ${along}`);
  }
  const y = empty(x.shape.with(along, n / 2), x);
  const params = { size: y.size, half: sizeOf(y.shape.slice(along)) };
  const groups = ceilDiv(y.size, THREADS);
  dispatch(kernel, "forward", { bind: { x, y }, params, groups });
  return record(y, {
    op: "glu",
    inputs: [x],
    saved: { x },
    backward(dy: Tensor, { x }: Saved) {
      const dx = empty(x.shape, x);
      dispatch(kernel, "backward", { bind: { x, dy, dx }, params, groups });
      return [dx];
    },
    composed(dy, { x }) {
      const [a, b] = [narrow(x, along, 0, n / 2), narrow(x, along, n / 2, n / 2)];
      const gate = sigmoid(b);
      const da = mul(dy, gate);
      return [concat([da, mul(mul(da, sub(1, gate)), a)], along)];
    },
  });
}

interface Saved {
  x: Tensor;
}
