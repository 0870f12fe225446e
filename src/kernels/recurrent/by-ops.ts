/** Recurrent networks as a composition of ops, step by step: what second derivatives are made of. */
import type { Tensor } from "../../tensor/tensor.ts";
import { stack } from "../concat/concat.ts";
import { arange } from "../creation/creation.ts";
import { relu } from "../elementwise/activations.ts";
import { add, less, mul, sub } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { sigmoid, tanh } from "../elementwise/unary-ops.ts";
import { gather } from "../gather/gather.ts";
import { linear } from "../matmul/matmul.ts";
import { expand } from "../view/expand.ts";
import { unsqueeze } from "../view/reshape.ts";
import { at } from "../view/slice.ts";
import { chunk } from "../view/split.ts";

/** The state of a cell: h, and for an LSTM c. */
type State = readonly [h: Tensor, c?: Tensor];

/** A step: from what the input and the state contribute to the gates, [b, gates * hidden] each. */
export type StepByOps = (fromInput: Tensor, fromState: Tensor, state: State) => State;

export const rnnStep =
  (isRelu: boolean): StepByOps =>
  (x, h) => [isRelu ? relu(add(x, h)) : tanh(add(x, h))];

export const lstmStep: StepByOps = (x, h, [, c]) => {
  const [i, f, g, o] = chunk(add(x, h), 4, -1) as [Tensor, Tensor, Tensor, Tensor];
  const next = add(mul(sigmoid(f), c!), mul(sigmoid(i), tanh(g)));
  return [mul(sigmoid(o), tanh(next)), next];
};

export const gruStep: StepByOps = (x, fromState, [h]) => {
  const [xr, xz, xn] = chunk(x, 3, -1) as [Tensor, Tensor, Tensor];
  const [hr, hz, hn] = chunk(fromState, 3, -1) as [Tensor, Tensor, Tensor];
  const n = tanh(add(xn, mul(sigmoid(add(xr, hr)), hn)));
  const z = sigmoid(add(xz, hz));
  return [add(n, mul(z, sub(h, n)))];
};

/**
 * Computes what the fused kernels compute.
 *
 * @param inputs x, W_ih, W_hh, b_ih, b_hh, and the initial state
 * @param lengths i32 [b]
 * @returns the output, and the last state
 */
export function recurByOps(
  step: StepByOps,
  inputs: readonly Tensor[],
  lengths: Tensor,
  isReverse: boolean,
): readonly Tensor[] {
  const [x, weightIh, weightHh, biasIh, biasHh, ...initial] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const t = x.shape[1]!;
  const times = arange(0, t, 1, { dtype: "i32", device: x.device }); // [t]
  const ends = unsqueeze(lengths, 1); // [b, 1]
  const isInside = less(times, ends); // [b, t]
  // Turns each row's steps round; what lies past its end stays.
  const turn = (y: Tensor) => {
    if (!isReverse) return y;
    const index = where(isInside, sub(sub(ends, 1), times), times);
    return gather(y, 1, expand(unsqueeze(index, 2), y.shape));
  };
  const inside = where(unsqueeze(isInside, 2), x, 0);
  const projected = turn(linear(inside, weightIh, biasIh));
  let state = initial as readonly Tensor[];
  const outputs: Tensor[] = [];
  for (let s = 0; s < t; s++) {
    const goesOn = unsqueeze(at(isInside, null, s), 1); // [b, 1]
    const next = step(at(projected, null, s), linear(state[0]!, weightHh, biasHh), state as unknown as State);
    state = state.map((before, i) => where(goesOn, next[i]!, before));
    outputs.push(where(goesOn, next[0], 0));
  }
  return [turn(stack(outputs, 1)), ...state];
}
