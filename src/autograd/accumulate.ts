/** Adds gradients that reach one tensor from several places. The only kernel that autograd owns. */
import { ceilDiv, dispatch, loadKernel, type Pointwise, type Reference, STEP } from "../gpu/kernel.ts";
import { empty, type Tensor } from "../tensor/tensor.ts";
import { record } from "./record.ts";

const reference = {
  add({ a, b, sum }, { size }) {
    for (let i = 0; i < size; i++) sum[i] = a[i] + b[i];
  },
  addInto({ a, sum }, { size }) {
    for (let i = 0; i < size; i++) sum[i] += a[i];
  },
} satisfies Reference;

const kernel = loadKernel(new URL("./accumulate.wgsl", import.meta.url), { reference });
const THREADS = 64;

const sumOfTwo: Pointwise = { reads: ["a", "b"], writes: "sum", expression: "a + b", lib: [] };
const sumInto: Pointwise = { reads: ["a", "sum"], writes: "sum", expression: "sum + a", lib: [] };

/** a + b, of one shape, as a new tensor; differentiable, since it is needed for second derivatives. */
export function accumulate(a: Tensor, b: Tensor): Tensor {
  const sum = empty(a.shape, { device: a.device });
  dispatch(kernel, "add", { bind: { a, b, sum }, ...walk(sum), pointwise: sumOfTwo });
  return record(sum, { op: "accumulate", inputs: [a, b], saved: {}, backward: (dy) => [dy, dy], composed: true });
}

/** sum += a, in place. */
export function accumulateInto(sum: Tensor, a: Tensor): void {
  dispatch(kernel, "addInto", { bind: { a, sum }, ...walk(sum), pointwise: sumInto });
}

function walk({ size, device }: Tensor) {
  const step = STEP[device.family];
  return { params: { size }, constants: { STEP: step }, groups: ceilDiv(size, THREADS * step) };
}
