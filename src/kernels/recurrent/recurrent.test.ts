import { expect, test } from "vitest";
import { type CheckOptions, checkOp, type InputSpec } from "../../../test/check.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { gru, lstm, rnn } from "./recurrent.ts";

const GATES = { rnn: 1, lstm: 4, gru: 3 };
type Name = keyof typeof GATES;

interface Sizes {
  readonly b: number;
  readonly t: number;
  readonly d: number;
  readonly hidden: number;
  readonly lengths?: readonly number[];
}

/** All results of an op, of all its inputs: x, W_ih, W_hh, b_ih, b_hh, h, c, lengths. */
function check(
  name: Name,
  sizes: Sizes,
  options: { reverse?: boolean; relu?: boolean } = {},
  checks: CheckOptions = {},
) {
  const { b, t, d, hidden, lengths } = sizes;
  const gates = GATES[name] * hidden;
  const isLstm = name === "lstm";
  const small = (shape: Shape): InputSpec => ({ shape, range: [-1.5 / Math.sqrt(hidden), 1.5 / Math.sqrt(hidden)] });
  const inputs: (Shape | InputSpec)[] = [
    ...[[b, t, d], small([gates, d]), small([gates, hidden]), small([gates]), small([gates])],
    ...[[b, hidden], ...(isLstm ? [[b, hidden]] : [])],
    ...(lengths ? [{ shape: [b], dtype: "i32", values: lengths } as const] : []),
  ];
  const op = (...xs: Tensor[]) => {
    const [x, weightIh, weightHh, biasIh, biasHh, first, ...rest] = xs as [Tensor, Tensor, Tensor, ...Tensor[]];
    const weights = { weightIh, weightHh, biasIh: biasIh!, biasHh: biasHh! };
    const common = { hidden: first, lengths: lengths && rest.at(-1), reverse: options.reverse };
    const results =
      name === "lstm"
        ? lstm(x, weights, { ...common, cell: rest[0] })
        : name === "gru"
          ? gru(x, weights, common)
          : rnn(x, weights, { ...common, nonlinearity: options.relu ? "relu" : "tanh" });
    return Object.values(results) as Tensor[];
  };
  return checkOp(op, inputs, checks);
}

for (const name of ["rnn", "lstm", "gru"] as const) {
  test(`${name}, small`, async () => {
    await check(name, { b: 2, t: 3, d: 2, hidden: 3 });
    await check(name, { b: 3, t: 4, d: 5, hidden: 8, lengths: [4, 2, 0] }, { reverse: true });
  });
}
test("dummy", () => expect(1).toBe(1));
