/** Layers that tell a model where in the sequence a token is: [batch, time, features] in and out. */
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { fromValues } from "../kernels/creation/creation.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { dropout, rotaryEmbedding, slice } from "../kernels/ops.ts";
import { checkBase } from "../kernels/rotary/rotary-embedding.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { Embedding } from "./embedding.ts";
import { Buffer, Module } from "./module.ts";

export interface PositionOptions {
  /** The position of the first row: how many tokens of the sequence came before; default 0. */
  offset?: number;
}

/** Adds sines and cosines of the position, of wavelengths from 2π to 20000π, then drops out. */
export class SinusoidalPositions extends Module {
  readonly table: Buffer; // [maxLength, features]
  readonly dropout: number;

  /** @param options dropout (default 0), maxLength (default 5000) */
  constructor(features: number, options: { dropout?: number; maxLength?: number } = {}) {
    super();
    checkOptions("SinusoidalPositions", options, ["dropout", "maxLength"]);
    const { dropout = 0, maxLength = 5000 } = options;
    checkSize("SinusoidalPositions", "features", features);
    checkSize("SinusoidalPositions", "maxLength", maxLength);
    checkProbability("SinusoidalPositions", dropout);
    const values = new Float64Array(maxLength * features);
    for (let t = 0; t < maxLength; t++) {
      for (let c = 0; c < features; c++) {
        const angle = t * 10000 ** (-(c - (c % 2)) / features);
        values[t * features + c] = c % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
      }
    }
    this.table = new Buffer(fromValues("SinusoidalPositions", values, [maxLength, features], "f32", {}), {
      persistent: false,
    });
    this.dropout = dropout;
  }

  /** @param x [b, t, features] @returns [b, t, features] @throws ShapeError if offset + t is over maxLength */
  override forward(x: Tensor, options: PositionOptions = {}): Tensor {
    return scope(() => {
      const positions = rowsFor("SinusoidalPositions", x, this.table, options);
      return dropout(x.add(positions), { p: this.dropout, training: this.training });
    });
  }
}

/** Adds a trained vector for each position, then drops out. */
export class LearnedPositions extends Module {
  readonly positions: Embedding; // [maxLength, features]
  readonly dropout: number;

  /** @param options dropout (default 0), std: the deviation the vectors start with (default 0.02) */
  constructor(features: number, maxLength: number, options: { dropout?: number; std?: number } = {}) {
    super();
    checkOptions("LearnedPositions", options, ["dropout", "std"]);
    const { dropout = 0, std = 0.02 } = options;
    checkProbability("LearnedPositions", dropout);
    this.positions = new Embedding(maxLength, features, { std });
    this.dropout = dropout;
  }

  /** @param x [b, t, features] @returns [b, t, features] @throws ShapeError if offset + t is over maxLength */
  override forward(x: Tensor, options: PositionOptions = {}): Tensor {
    return scope(() => {
      const positions = rowsFor("LearnedPositions", x, this.positions.weight, options);
      return dropout(x.add(positions), { p: this.dropout, training: this.training });
    });
  }
}

// The rows of a table of positions for x.
function rowsFor(layer: string, x: Tensor, table: Tensor, options: PositionOptions): Tensor {
  checkOptions(layer, options, ["offset"]);
  const { offset = 0 } = options;
  if (!Number.isInteger(offset) || offset < 0) {
    throw new ValueError(`${layer}: offset is ${offset}, expected a whole number from 0 up`);
  }
  const length = x.shape.at(-2) ?? 0;
  const maxLength = table.shape[0]!;
  if (offset + length > maxLength) {
    const after = offset > 0 ? ` after ${offset}` : "";
    throw new ShapeError(
      `${layer}: x has shape ${formatShape(x.shape)}${after}, expected at most ${maxLength} positions`,
    );
  }
  return slice(table, [offset, offset + length]);
}

/**
 * Turns pairs of the features of queries and keys by angles in proportion to their positions, so that attention sees
 * distances. It has no parameters; give it to attention, or to layers made of it, as the option `rotary`.
 *
 * @see Su et al. 2021, RoFormer, https://arxiv.org/abs/2104.09864
 * @example
 * new nn.TransformerEncoder(64, 4, 2, { normFirst: true, rotary: new nn.RotaryPositions() });
 */
export class RotaryPositions extends Module {
  readonly base: number;
  readonly interleaved: boolean;

  /** @param options base (default 10000), interleaved (default false), as in `rotaryEmbedding` */
  constructor(options: { base?: number; interleaved?: boolean } = {}) {
    super();
    checkOptions("RotaryPositions", options, ["base", "interleaved"]);
    const { base = 10000, interleaved = false } = options;
    checkBase("RotaryPositions", base);
    this.base = base;
    this.interleaved = interleaved;
  }

  /**
   * @param x [..., t, heads * d]
   * @param options offset (default 0), heads (default 1), rotatedHeads (default all), as in `rotaryEmbedding`
   * @returns x's shape
   */
  override forward(x: Tensor, options: PositionOptions & { heads?: number; rotatedHeads?: number } = {}): Tensor {
    checkOptions("RotaryPositions", options, ["offset", "heads", "rotatedHeads"]);
    return rotaryEmbedding(x, { base: this.base, interleaved: this.interleaved, ...options });
  }
}
