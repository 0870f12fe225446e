/**
 * Recurrent networks over whole sequences: one layer, one direction. The products with the input of all steps are one
 * matrix product before the walk; those that make the weights' gradients are one each after the walk back.
 *
 * Invariant: what is computed for a sequence does not depend, to the bit, on the others of its batch or on how it is padded.
 */
import { scopeInFloat32 } from "../../autograd/autocast.ts";
import { grad } from "../../autograd/backward.ts";
import { expectSameDevice, isGradEnabled, recordMany, requiresGrad } from "../../autograd/record.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { expectRank, expectShape, formatShape, stridesOf } from "../../tensor/shape.ts";
import { empty, isTensor, type Tensor } from "../../tensor/tensor.ts";
import { zeros, zerosLike } from "../creation/creation.ts";
import { matmul } from "../matmul/matmul.ts";
import { multiply } from "../matmul/product.ts";
import { pad } from "../pad/pad.ts";
import { sum } from "../reduce/sum.ts";
import { copyView, stridedCopy, wholeView } from "../strided-copy/strided-copy.ts";
import { clone } from "../view/clone.ts";
import { reshape } from "../view/reshape.ts";
import { narrow } from "../view/slice.ts";
import { gruStep, lstmStep, recurByOps, rnnStep, type StepByOps } from "./by-ops.ts";
import type { CellName } from "./recurrent.reference.ts";
import {
  checkedLengths,
  clearPadding,
  lastStates,
  previousStates,
  type Walk,
  walkBackward,
  walkForward,
} from "./walk.ts";

/** The weights of one layer in one direction; with `gates` 1 for `rnn`, 4 for `lstm`, 3 for `gru`. */
export interface RecurrentWeights {
  /** [gates * hidden, d] */
  readonly weightIh: Tensor;
  /** [gates * hidden, hidden] */
  readonly weightHh: Tensor;
  /** [gates * hidden]; 0 where it is left out */
  readonly biasIh?: Tensor | null | undefined;
  /** [gates * hidden]; 0 where it is left out */
  readonly biasHh?: Tensor | null | undefined;
}

export interface RecurrentOptions {
  /** The state before the first step, [b, hidden]; 0 where it is left out. */
  hidden?: Tensor | undefined;
  /**
   * How many steps each sequence has, i32 [b], from 0 to t; t for all where it is left out. What lies behind has no part in
   * anything: it may be NaN. The output there is 0, and so is x's gradient. A sequence of length 0 ends in its first state.
   */
  lengths?: Tensor | undefined;
  /** Whether to walk from each sequence's last element to its first; default false. */
  reverse?: boolean | undefined;
}

export interface RecurrentResult {
  /** The states after each step, where the step's input is: [b, t, hidden]. */
  readonly output: Tensor;
  /** The state after each sequence's last step, [b, hidden]. */
  readonly hidden: Tensor;
}

export interface LstmResult extends RecurrentResult {
  /** The cell's state after each sequence's last step, [b, hidden]. */
  readonly cell: Tensor;
}

/**
 * Walks a plain recurrent network over sequences:
 *
 *     h' = tanh(W_ih x + b_ih + W_hh h + b_hh)
 *
 * @param x f32 [b, t, d]
 * @param options hidden, lengths, reverse, and nonlinearity: "tanh" (the default) or "relu"
 * @throws ShapeError, DTypeError, DeviceError for arguments that do not fit
 * @throws ValueError at the next await, if a length is not from 0 to t
 * @see https://pytorch.org/docs/stable/generated/torch.nn.RNN.html
 */
export function rnn(
  x: Tensor,
  weights: RecurrentWeights,
  options: RecurrentOptions & { nonlinearity?: "tanh" | "relu" } = {},
): RecurrentResult {
  checkOptions("rnn", options, ["hidden", "lengths", "reverse", "nonlinearity"]);
  const { hidden, nonlinearity = "tanh" } = options;
  if (nonlinearity !== "tanh" && nonlinearity !== "relu") {
    throw new ValueError(`rnn: nonlinearity is "${nonlinearity}", expected tanh or relu`);
  }
  const [output, last] = recur("rnn", x, weights, [hidden], options, nonlinearity === "relu");
  return { output: output!, hidden: last! };
}

/**
 * Walks a long short-term memory over sequences. With the gates i, f, g, o in this order in the weights,
 *
 *     i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of W_ih x + b_ih + W_hh h + b_hh
 *     c' = f c + i g
 *     h' = o tanh(c')
 *
 * @param x f32 [b, t, d]
 * @param options hidden, lengths, reverse, and cell: c before the first step, [b, hidden], 0 where it is left out
 * @throws ShapeError, DTypeError, DeviceError for arguments that do not fit
 * @throws ValueError at the next await, if a length is not from 0 to t
 * @see https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html
 */
export function lstm(
  x: Tensor,
  weights: RecurrentWeights,
  options: RecurrentOptions & { cell?: Tensor | undefined } = {},
): LstmResult {
  checkOptions("lstm", options, ["hidden", "cell", "lengths", "reverse"]);
  const [output, hidden, cell] = recur("lstm", x, weights, [options.hidden, options.cell], options);
  return { output: output!, hidden: hidden!, cell: cell! };
}

/**
 * Walks a gated recurrent unit over sequences. With the gates r, z, n in this order in the weights,
 *
 *     r, z = sigmoid of W_ih x + b_ih + W_hh h + b_hh
 *     n = tanh(W_ih x + b_ih + r (W_hh h + b_hh))
 *     h' = (1 - z) n + z h
 *
 * @param x f32 [b, t, d]
 * @throws ShapeError, DTypeError, DeviceError for arguments that do not fit
 * @throws ValueError at the next await, if a length is not from 0 to t
 * @see https://pytorch.org/docs/stable/generated/torch.nn.GRU.html
 */
export function gru(x: Tensor, weights: RecurrentWeights, options: RecurrentOptions = {}): RecurrentResult {
  checkOptions("gru", options, ["hidden", "lengths", "reverse"]);
  const [output, hidden] = recur("gru", x, weights, [options.hidden], options);
  return { output: output!, hidden: hidden! };
}

interface Cell {
  readonly gates: number;
  /** Numbers that the way back needs of each step and unit besides the gates. */
  readonly kept: number;
  /** The names of its states' tensors. */
  readonly states: readonly string[];
  readonly step: (isRelu: boolean) => StepByOps;
}

const CELLS: Record<CellName, Cell> = {
  rnn: { gates: 1, kept: 0, states: ["hidden"], step: rnnStep },
  lstm: { gates: 4, kept: 1, states: ["hidden", "cell"], step: () => lstmStep },
  gru: { gates: 3, kept: 2, states: ["hidden"], step: () => gruStep },
};

// Kernels read weights in fours.
const WIDTH = 4;

/** @returns the output, then the states after the last step */
function recur(
  op: CellName,
  x: Tensor,
  weights: RecurrentWeights,
  initial: readonly (Tensor | undefined)[],
  { lengths: given, reverse: isReverse = false }: RecurrentOptions,
  isRelu = false,
): readonly Tensor[] {
  const { gates, states: names } = CELLS[op];
  const { weightIh, weightHh, biasIh, biasHh } = weights;
  expectRank(op, "x", x.shape, 3);
  const [b, t, d] = x.shape as [number, number, number];
  const hidden = weightHh.shape.at(-1) ?? 0;
  if (weightHh.rank !== 2 || weightHh.shape[0] !== gates * hidden) {
    const expected = gates === 1 ? "[hidden, hidden]" : `[${gates} * hidden, hidden]`;
    throw new ShapeError(`${op}: weightHh has shape ${formatShape(weightHh.shape)}, expected ${expected}`);
  }
  expectShape(op, "weightIh", weightIh.shape, [gates * hidden, d]);
  if (biasIh) expectShape(op, "biasIh", biasIh.shape, [gates * hidden]);
  if (biasHh) expectShape(op, "biasHh", biasHh.shape, [gates * hidden]);
  for (const [i, state] of initial.entries()) if (state) expectShape(op, names[i]!, state.shape, [b, hidden]);
  if (given) {
    expectShape(op, "lengths", given.shape, [b]);
    expectDType(op, "lengths", given.dtype, ["i32", "u32"]);
  }
  const floats = { x, weightIh, weightHh, biasIh, biasHh, ...Object.fromEntries(names.map((n, i) => [n, initial[i]])) };
  for (const [name, tensor] of Object.entries(floats)) if (tensor) expectDType(op, name, tensor.dtype, ["f32"]);
  expectSameDevice(op, [...Object.values(floats), given].filter(isTensor));

  return scopeInFloat32(() => {
    const { device } = x;
    const inputs = [
      ...[x, weightIh, weightHh],
      ...[biasIh, biasHh].map((bias) => bias ?? zeros([gates * hidden], { device })),
      ...initial.map((state) => state ?? zeros([b, hidden], { device })),
    ];
    const lengths = checkedLengths(op, given, x);
    if (b === 0 || t === 0 || hidden === 0) {
      return [zeros([b, t, hidden], { device }), ...inputs.slice(5).map((state) => clone(state))];
    }
    const walk = { cell: op, gates, b, t, hidden, isReverse, isRelu };
    if (device.kind === "cpu" || hidden % WIDTH === 0) return walkRecorded(walk, inputs, lengths, given !== undefined);
    const padded = Math.ceil(hidden / WIDTH) * WIDTH;
    const outputs = walkRecorded(
      { ...walk, hidden: padded },
      padUnits(inputs, gates, hidden, padded),
      lengths,
      given !== undefined,
    );
    return outputs.map((y) => narrow(y, -1, 0, hidden));
  });
}

// Adds units whose weights and biases are 0: they stay 0, and change no other.
function padUnits(inputs: readonly Tensor[], gates: number, hidden: number, padded: number): Tensor[] {
  const more = [0, padded - hidden] as const;
  const none = [0, 0] as const;
  const [x, weightIh, weightHh, biasIh, biasHh, ...initial] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const padGates = (y: Tensor) => {
    const cols = y.size / (gates * hidden);
    const apart = pad(reshape(y, [gates, hidden, cols]), [none, more, none]);
    return reshape(apart, y.rank === 1 ? [gates * padded] : [gates * padded, cols]);
  };
  return [
    ...[x, padGates(weightIh), pad(padGates(weightHh), [none, more])],
    ...[padGates(biasIh), padGates(biasHh)],
    ...initial.map((state) => pad(state, [none, more])),
  ];
}

interface Saved {
  inputs: readonly Tensor[]; // x, W_ih, W_hh, b_ih, b_hh, h, and c of an lstm
  lengths: Tensor; // [b]
  gates: Tensor; // [b, t, gates * hidden]; y of an rnn, as is kept
  kept: Tensor; // [b, t, kept * hidden]
  y: Tensor; // [b, t, hidden]
  walk: Walk;
  hasPadding: boolean;
}

function walkRecorded(walk: Walk, inputs: readonly Tensor[], lengths: Tensor, hasPadding: boolean): readonly Tensor[] {
  const { b, t, hidden } = walk;
  const [x, weightIh, weightHh, biasIh, biasHh, first, firstCell] = inputs as [Tensor, ...Tensor[]] & Tensor[];
  const { device } = x!;
  const isRecorded = isGradEnabled() && inputs.some(requiresGrad);

  const states = empty([2, b, hidden], { device });
  const all = wholeView([b * hidden]);
  copyView(first!, all, states, all);
  const cell = firstCell && copyOf(firstCell);
  const y = empty([b, t, hidden], { device });
  const { kept: keptPerUnit } = CELLS[walk.cell];
  const kept = keptPerUnit === 0 ? y : empty(isRecorded ? [b, t, keptPerUnit * hidden] : [1], { device });
  const gates = multiply(walk.cell, {
    ...{ a: x!, b: weightIh!, transposeA: false, transposeB: true },
    ...{ bias: biasIh!, activation: "none", precision: "f32" },
  }).y;
  const bind = { gates, weight: weightHh!, bias: biasHh!, lengths, states, y, kept, ...(cell && { cell }) };
  walkForward(walk, bind, isRecorded);

  const outputs = [y, lastStates(states, lengths), ...(cell ? [cell] : [])];
  recordMany(outputs, {
    op: walk.cell,
    inputs,
    saved: { inputs, lengths, gates: keptPerUnit === 0 ? y : gates, kept, y, walk, hasPadding },
    backward: recurBackward,
    composed: recurComposed,
  });
  return outputs;
}

function copyOf(x: Tensor): Tensor {
  return stridedCopy(x, x.shape, stridesOf(x.shape));
}

function recurBackward(dys: readonly (Tensor | null)[], saved: Saved, needs: readonly boolean[]) {
  const { inputs, lengths, y, walk, hasPadding } = saved;
  const { b, t, hidden } = walk;
  const [x, weightIh, weightHh, , , first] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const { device } = y;
  const [dy, dLast, dLastCell] = dys;
  const gradientOf = (dState: Tensor | null | undefined) => (dState ? copyOf(dState) : zeros([b, hidden], { device }));
  const dHidden = gradientOf(dLast);
  const dCell = gradientOf(dLastCell);
  const dGates = empty([b, t, walk.gates * hidden], { device });
  const previous = previousStates(walk, y, first, lengths);
  // What reaches the products with x; only a gru's differs from what reaches those with h.
  const dInput = walk.cell === "gru" ? empty(dGates.shape, { device }) : dGates;
  walkBackward(walk, {
    ...{ weight: weightHh, lengths, savedGates: saved.gates, savedKept: saved.kept },
    ...{ dy: dy ?? zerosLike(y), dGates, dHidden, dCell, dInput },
  });

  const rows = (z: Tensor) => reshape(z, [b * t, z.shape[2]!]);
  const weightGradient = (dz: Tensor, z: Tensor) => matmul(rows(dz), rows(z), { transposeA: true });
  return [
    needs[0] ? matmul(dInput, weightIh) : null,
    needs[1] ? weightGradient(dInput, hasPadding ? clearPadding(x, lengths) : x) : null,
    needs[2] ? weightGradient(dGates, previous) : null,
    needs[3] ? sum(dInput, [0, 1]) : null,
    needs[4] ? sum(dGates, [0, 1]) : null,
    ...[dHidden, dCell].slice(0, inputs.length - 5),
  ];
}

function recurComposed(dys: readonly (Tensor | null)[], { inputs, lengths, walk }: Saved, needs: readonly boolean[]) {
  // Other handles, so that hooks on the inputs see their gradients once only.
  const xs = inputs.map((x) => reshape(x, x.shape));
  const outputs = recurByOps(CELLS[walk.cell].step(walk.isRelu), xs, lengths, walk.isReverse);
  const used = outputs.map((y, i) => [y, dys[i]] as const).filter(([, dy]) => dy);
  const gradients = grad(
    used.map(([y]) => y),
    xs.filter((_, i) => needs[i]),
    { gradOutputs: used.map(([, dy]) => dy!), createGraph: true, allowUnused: true },
  );
  return needs.map((isNeeded) => (isNeeded ? gradients.shift()! : null));
}
