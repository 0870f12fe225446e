/**
 * Recurrent networks. Sequences are batch-first: [batch, time, features]. The results for a sequence do not depend, to the
 * bit, on what stands behind its length or on the others of its batch.
 */
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { concat, stack } from "../kernels/functions.ts";
import { at, dropout, gru, lstm, rnn, unsqueeze } from "../kernels/ops.ts";
import { rand } from "../kernels/random/random.ts";
import type { RecurrentOptions, RecurrentResult, RecurrentWeights } from "../kernels/recurrent/recurrent.ts";
import { scope } from "../tensor/scope.ts";
import { expectRank, expectShape, formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { Module, Parameter } from "./module.ts";

/** The parameters of a layer in one direction, or of a cell. */
interface Weights extends RecurrentWeights {
  readonly weightIh: Parameter; // [gates * hiddenSize, inputSize]
  readonly weightHh: Parameter; // [gates * hiddenSize, hiddenSize]
  readonly biasIh: Parameter | null; // [gates * hiddenSize]
  readonly biasHh: Parameter | null; // [gates * hiddenSize]
}

// All start uniform in ±1/sqrt(hiddenSize).
function drawWeights(gates: number, inputSize: number, hiddenSize: number, bias: boolean): Weights {
  const bound = 1 / Math.sqrt(hiddenSize);
  const draw = (shape: number[]) => new Parameter(rand(shape, { low: -bound, high: bound }));
  const rows = gates * hiddenSize;
  return {
    weightIh: draw([rows, inputSize]),
    weightHh: draw([rows, hiddenSize]),
    biasIh: bias ? draw([rows]) : null,
    biasHh: bias ? draw([rows]) : null,
  };
}

function* namedWeights({ weightIh, weightHh, biasIh, biasHh }: Weights, suffix = ""): Iterable<[string, unknown]> {
  yield [`weight_ih${suffix}`, weightIh];
  yield [`weight_hh${suffix}`, weightHh];
  yield [`bias_ih${suffix}`, biasIh];
  yield [`bias_hh${suffix}`, biasHh];
}

export interface RecurrentLayerOptions {
  /** Layers, of which each gets the output of the one before; default 1. */
  numLayers?: number;
  /** Default true. */
  bias?: boolean;
  /** The probability with which elements of the output of each layer but the last are dropped in training; default 0. */
  dropout?: number;
  /** Whether each layer also walks from the sequences' ends, and its outputs are [forward, backward]; default false. */
  bidirectional?: boolean;
}

const LAYER_OPTIONS = ["numLayers", "bias", "dropout", "bidirectional"] as const;

export interface RecurrentForwardOptions {
  /** h before the first step, [numLayers * directions, b, hiddenSize]; 0 where it is left out. */
  hidden?: Tensor | undefined;
  /**
   * How many elements each sequence has, i32 [b], from 0 to t; t for all where it is left out. What lies behind may be
   * anything, NaN included; the output there is 0. The backward direction starts at each sequence's last element. A sequence
   * of length 0 ends in the state it starts in.
   */
  lengths?: Tensor | undefined;
}

type Direction = (
  x: Tensor,
  weights: Weights,
  options: RecurrentOptions & { cell?: Tensor | undefined },
) => RecurrentResult & { readonly cell?: Tensor };

// What the three kinds of networks share: layers and directions around one op.
abstract class Recurrent extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bidirectional: boolean;
  readonly dropout: number;
  readonly #weights: readonly Weights[]; // [layers * directions]

  constructor(gates: number, inputSize: number, hiddenSize: number, options: RecurrentLayerOptions) {
    super();
    const name = new.target.name;
    checkSize(name, "inputSize", inputSize);
    checkSize(name, "hiddenSize", hiddenSize);
    const { numLayers = 1, bias = true, dropout = 0, bidirectional = false } = options;
    checkSize(name, "numLayers", numLayers);
    checkProbability(name, dropout);
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = numLayers;
    this.bidirectional = bidirectional;
    this.dropout = dropout;
    const directions = bidirectional ? 2 : 1;
    this.#weights = Array.from({ length: numLayers * directions }, (_, i) =>
      drawWeights(gates, i < directions ? inputSize : directions * hiddenSize, hiddenSize, bias),
    );
  }

  override *members(): Iterable<[string, unknown]> {
    const directions = this.bidirectional ? 2 : 1;
    for (const [i, weights] of this.#weights.entries()) {
      yield* namedWeights(weights, `_l${Math.floor(i / directions)}${i % directions === 1 ? "_reverse" : ""}`);
    }
  }

  /** Runs all layers. @param states h, and c of an LSTM, each [layers * directions, b, hiddenSize] or left out */
  protected walk(
    direction: Direction,
    x: Tensor,
    states: { hidden?: Tensor | undefined; cell?: Tensor | undefined },
    lengths: Tensor | undefined,
  ): { output: Tensor; hidden: Tensor; cell: Tensor | null } {
    const name = this.constructor.name;
    expectRank(name, "x", x.shape, 3);
    if (x.shape[2] !== this.inputSize) {
      throw new ShapeError(`${name}: x has shape ${formatShape(x.shape)}, expected [b, t, ${this.inputSize}]`);
    }
    const shape = [this.#weights.length, x.shape[0]!, this.hiddenSize];
    for (const [key, state] of Object.entries(states)) if (state) expectShape(name, key, state.shape, shape);

    return scope(() => {
      const directions = this.bidirectional ? 2 : 1;
      const results: ReturnType<Direction>[] = [];
      let output = x;
      for (let layer = 0; layer < this.numLayers; layer++) {
        if (layer > 0) output = dropout(output, { p: this.dropout, training: this.training });
        const both = Array.from({ length: directions }, (_, i) => {
          const index = layer * directions + i;
          const initial = Object.fromEntries(
            Object.entries(states).map(([key, state]) => [key, state && at(state, index)]),
          );
          return direction(output, this.#weights[index]!, { ...initial, lengths, reverse: i === 1 });
        });
        results.push(...both);
        const outputs = both.map((result) => result.output);
        output = directions === 1 ? outputs[0]! : concat(outputs, -1);
      }
      return {
        output,
        hidden: stack(results.map((result) => result.hidden)),
        cell: results[0]!.cell ? stack(results.map((result) => result.cell!)) : null,
      };
    });
  }
}

/**
 * A plain recurrent network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it.
 *
 * @see https://pytorch.org/docs/stable/generated/torch.nn.RNN.html
 * @example
 * const { output, hidden } = new nn.RNN(64, 128, { nonlinearity: "relu" }).forward(x, { lengths });
 */
export class RNN extends Recurrent {
  readonly nonlinearity: "tanh" | "relu";

  /**
   * @param inputSize d
   * @param options nonlinearity: "tanh" (the default) or "relu"; and numLayers, bias, dropout, bidirectional
   */
  constructor(
    inputSize: number,
    hiddenSize: number,
    options: RecurrentLayerOptions & { nonlinearity?: "tanh" | "relu" } = {},
  ) {
    checkOptions("RNN", options, [...LAYER_OPTIONS, "nonlinearity"]);
    super(1, inputSize, hiddenSize, options);
    this.nonlinearity = checkedNonlinearity("RNN", options.nonlinearity);
  }

  /**
   * @param x [b, t, d]
   * @returns output: h of the last layer after each step, [b, t, directions * hiddenSize]; hidden: h of every layer and
   *   direction after its last step, [numLayers * directions, b, hiddenSize]
   */
  override forward(x: Tensor, options: RecurrentForwardOptions = {}): { output: Tensor; hidden: Tensor } {
    checkOptions("RNN", options, ["hidden", "lengths"]);
    const { nonlinearity } = this;
    const direction: Direction = (x, weights, { cell, ...rest }) => rnn(x, weights, { ...rest, nonlinearity });
    const { output, hidden } = this.walk(direction, x, { hidden: options.hidden }, options.lengths);
    return { output, hidden };
  }
}

/**
 * A long short-term memory: with the gates i, f, g, o, which are sigmoid, sigmoid, tanh, sigmoid of
 * W_ih x + b_ih + W_hh h + b_hh, c' = f c + i g and h' = o tanh(c'). Without projections (PyTorch's proj_size).
 *
 * @see Hochreiter, Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735
 * @see https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html
 * @example
 * const lstm = new nn.LSTM(64, 128, { bidirectional: true });
 * const { output, hidden, cell } = lstm.forward(x, { lengths });     // hidden [2, b, 128]
 * const more = lstm.forward(next, { hidden, cell });                 // goes on where the last call ended
 */
export class LSTM extends Recurrent {
  /**
   * @param inputSize d
   * @param options numLayers, bias, dropout, bidirectional
   */
  constructor(inputSize: number, hiddenSize: number, options: RecurrentLayerOptions = {}) {
    checkOptions("LSTM", options, LAYER_OPTIONS);
    super(4, inputSize, hiddenSize, options);
  }

  /**
   * @param x [b, t, d]
   * @param options hidden, lengths, and cell: c before the first step, as hidden
   * @returns output: h of the last layer after each step, [b, t, directions * hiddenSize]; hidden and cell: h and c of
   *   every layer and direction after its last step, [numLayers * directions, b, hiddenSize]
   */
  override forward(
    x: Tensor,
    options: RecurrentForwardOptions & { cell?: Tensor | undefined } = {},
  ): { output: Tensor; hidden: Tensor; cell: Tensor } {
    checkOptions("LSTM", options, ["hidden", "cell", "lengths"]);
    const { hidden: first, cell: firstCell, lengths } = options;
    const { output, hidden, cell } = this.walk(lstm, x, { hidden: first, cell: firstCell }, lengths);
    return { output, hidden, cell: cell! };
  }
}

/**
 * A gated recurrent unit: with the gates r and z, which are sigmoid of W_ih x + b_ih + W_hh h + b_hh, and
 * n = tanh(W_ih x + b_ih + r (W_hh h + b_hh)), h' = (1 - z) n + z h.
 *
 * @see Cho et al. 2014, https://arxiv.org/abs/1406.1078
 * @see https://pytorch.org/docs/stable/generated/torch.nn.GRU.html
 */
export class GRU extends Recurrent {
  /**
   * @param inputSize d
   * @param options numLayers, bias, dropout, bidirectional
   */
  constructor(inputSize: number, hiddenSize: number, options: RecurrentLayerOptions = {}) {
    checkOptions("GRU", options, LAYER_OPTIONS);
    super(3, inputSize, hiddenSize, options);
  }

  /**
   * @param x [b, t, d]
   * @returns output: h of the last layer after each step, [b, t, directions * hiddenSize]; hidden: h of every layer and
   *   direction after its last step, [numLayers * directions, b, hiddenSize]
   */
  override forward(x: Tensor, options: RecurrentForwardOptions = {}): { output: Tensor; hidden: Tensor } {
    checkOptions("GRU", options, ["hidden", "lengths"]);
    const direction: Direction = (x, weights, { cell, ...rest }) => gru(x, weights, rest);
    const { output, hidden } = this.walk(direction, x, { hidden: options.hidden }, options.lengths);
    return { output, hidden };
  }
}

function checkedNonlinearity(layer: string, nonlinearity: "tanh" | "relu" = "tanh"): "tanh" | "relu" {
  if (nonlinearity === "tanh" || nonlinearity === "relu") return nonlinearity;
  throw new ValueError(`${layer}: nonlinearity is "${nonlinearity}", expected tanh or relu`);
}

// One step of a network: for loops that decide between steps, such as decoders.
abstract class RecurrentCell extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  protected readonly weights: Weights;

  constructor(gates: number, inputSize: number, hiddenSize: number, bias: boolean) {
    super();
    checkSize(new.target.name, "inputSize", inputSize);
    checkSize(new.target.name, "hiddenSize", hiddenSize);
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.weights = drawWeights(gates, inputSize, hiddenSize, bias);
  }

  override members(): Iterable<[string, unknown]> {
    return namedWeights(this.weights);
  }

  /** x as a sequence of one element. */
  protected sequence(x: Tensor): Tensor {
    const name = this.constructor.name;
    if (x.rank !== 2 || x.shape[1] !== this.inputSize) {
      throw new ShapeError(`${name}: x has shape ${formatShape(x.shape)}, expected [b, ${this.inputSize}]`);
    }
    return unsqueeze(x, 1);
  }
}

/** One step of an `RNN`. */
export class RNNCell extends RecurrentCell {
  readonly nonlinearity: "tanh" | "relu";

  /** @param options bias (default true), nonlinearity (default "tanh") */
  constructor(inputSize: number, hiddenSize: number, options: { bias?: boolean; nonlinearity?: "tanh" | "relu" } = {}) {
    checkOptions("RNNCell", options, ["bias", "nonlinearity"]);
    super(1, inputSize, hiddenSize, options.bias ?? true);
    this.nonlinearity = checkedNonlinearity("RNNCell", options.nonlinearity);
  }

  /** @param x [b, inputSize] @param hidden [b, hiddenSize], 0 where it is left out @returns h after the step */
  override forward(x: Tensor, hidden?: Tensor): Tensor {
    const { nonlinearity } = this;
    return scope(() => rnn(this.sequence(x), this.weights, { hidden, nonlinearity }).hidden);
  }
}

/** One step of an `LSTM`. */
export class LSTMCell extends RecurrentCell {
  /** @param options bias (default true) */
  constructor(inputSize: number, hiddenSize: number, options: { bias?: boolean } = {}) {
    checkOptions("LSTMCell", options, ["bias"]);
    super(4, inputSize, hiddenSize, options.bias ?? true);
  }

  /**
   * @param x [b, inputSize]
   * @param state hidden and cell, [b, hiddenSize] each, 0 where they are left out
   * @returns the state after the step
   */
  override forward(
    x: Tensor,
    state: { hidden?: Tensor | undefined; cell?: Tensor | undefined } = {},
  ): { hidden: Tensor; cell: Tensor } {
    checkOptions("LSTMCell", state, ["hidden", "cell"]);
    return scope(() => {
      const { hidden, cell } = lstm(this.sequence(x), this.weights, state);
      return { hidden, cell };
    });
  }
}

/** One step of a `GRU`. */
export class GRUCell extends RecurrentCell {
  /** @param options bias (default true) */
  constructor(inputSize: number, hiddenSize: number, options: { bias?: boolean } = {}) {
    checkOptions("GRUCell", options, ["bias"]);
    super(3, inputSize, hiddenSize, options.bias ?? true);
  }

  /** @param x [b, inputSize] @param hidden [b, hiddenSize], 0 where it is left out @returns h after the step */
  override forward(x: Tensor, hidden?: Tensor): Tensor {
    return scope(() => gru(this.sequence(x), this.weights, { hidden }).hidden);
  }
}
