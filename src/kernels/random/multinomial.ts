import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, loadKernel, type Reference } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { scope } from "../../tensor/scope.ts";
import { formatShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { div } from "../elementwise/binary-ops.ts";
import { log, neg } from "../elementwise/unary-ops.ts";
import { RANDOM } from "../lib/lib.ts";
import { topk } from "../sort/sort.ts";
import { nextStream } from "./generator.ts";
import { rand } from "./random.ts";
import { randomWord, unitFloat } from "./threefry.ts";

const reference = {
  forward({ weights, y, randomState }, { rows, classes, count, stream }) {
    for (let i = 0; i < rows * count; i++) {
      const start = Math.floor(i / count) * classes;
      let total = 0;
      for (let c = 0; c < classes; c++) total += weights[start + c];
      const share = unitFloat(randomWord(randomState, stream, i)) * total;
      let sum = 0;
      for (let c = 0; c < classes; c++) {
        if (weights[start + c] > 0 && sum <= share) y[i] = c;
        sum += weights[start + c];
      }
    }
  },
} satisfies Reference;

const kernel = loadKernel(new URL("./multinomial.wgsl", import.meta.url), { lib: [RANDOM], reference });
const THREADS = 64;

/**
 * Draws classes in proportion to their weights. No gradient flows to the weights.
 *
 * @param weights f32 [classes] or [rows, classes], not negative, in each row at least one above 0; they need not sum to 1
 * @param count draws per row
 * @param options replacement: whether a class can be drawn twice (default false); without, `count` classes of weight
 *   above 0 are needed in each row
 * @returns i32 [count] or [rows, count]; without replacement the likely ones tend to come first
 * @throws ShapeError, ValueError
 */
export function multinomial(weights: Tensor, count: number, options: { replacement?: boolean } = {}): Tensor<"i32"> {
  checkOptions("multinomial", options, ["replacement"]);
  expectDType("multinomial", "weights", weights.dtype, ["f32"]);
  if (weights.rank < 1 || weights.rank > 2) {
    throw new ShapeError(
      `multinomial: weights has shape ${formatShape(weights.shape)}, expected [classes] or [rows, classes]`,
    );
  }
  const classes = weights.shape.at(-1)!;
  const { replacement = false } = options;
  if (!Number.isInteger(count) || count < 1 || classes === 0 || (!replacement && count > classes)) {
    const most = replacement ? "a whole number above 0" : `a whole number from 1 to ${classes}, as there are classes`;
    throw new ValueError(`multinomial: count is ${count}, expected ${most}`);
  }
  return replacement ? drawAgain(weights, count) : drawOnce(weights, count);
}

function drawAgain(weights: Tensor, count: number): Tensor<"i32"> {
  const classes = weights.shape.at(-1)!;
  const rows = weights.size / classes;
  const y = empty([...weights.shape.slice(0, -1), count], { dtype: "i32", device: weights.device });
  const { randomState, stream } = nextStream(weights.device);
  dispatch(kernel, "forward", {
    bind: { weights, y, randomState },
    params: { rows, classes, count, stream },
    groups: ceilDiv(rows * count, THREADS),
  });
  return y;
}

// Exponential waiting times with the weights as rates: the classes that come first are a draw without replacement.
function drawOnce(weights: Tensor, count: number): Tensor<"i32"> {
  return scope(() => {
    // In (0, 1], so that a waiting time is finite where the weight is above 0.
    const uniform = neg(rand(weights.shape, { low: -1, high: 0, device: weights.device }));
    const times = div(neg(log(uniform)), weights.detach());
    return topk(times, count, { largest: false }).indices as Tensor<"i32">;
  });
}
