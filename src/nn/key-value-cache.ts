/** What attention remembers of the positions before, so that a sequence can be generated one token at a time. */
import { isGradEnabled, requiresGrad } from "../autograd/record.ts";
import { GradientError, ShapeError, ValueError } from "../gpu/errors.ts";
import { arange } from "../kernels/creation/creation.ts";
import { lessEqual } from "../kernels/ops.ts";
import { copyView, wholeView } from "../kernels/strided-copy/strided-copy.ts";
import { keep } from "../tensor/scope.ts";
import { formatShape, stridesOf } from "../tensor/shape.ts";
import { empty, type Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";

interface Sequence {
  readonly keys: Tensor; // [b, capacity, d]
  readonly values: Tensor; // [b, capacity, d]
  length: number;
}

/** All keys and values so far, and which of them the newest queries see. */
export interface CachedSequence {
  readonly keys: Tensor; // [b, capacity, d]; what lies behind the last position is undefined
  readonly values: Tensor; // [b, capacity, d]
  readonly mask: Tensor; // bool [t, capacity]: position `length + i` sees all up to itself
}

/**
 * The keys and values of every attention of a model. One cache serves one batch of sequences through all layers: give it to
 * each forward pass together with the new positions alone.
 *
 * Memory for `capacity` positions is taken at once and written in place, so that every step runs the same kernels on the same
 * buffers. Self-attention, which must be causal, appends to it; cross attention projects the memory at the first pass and
 * keeps that. No gradient flows through it.
 *
 * @example
 * const cache = new nn.KeyValueCache(256);
 * noGrad(() => encoder.forward(prompt, { isCausal: true, cache }));     // [b, 10, d]
 * noGrad(() => encoder.forward(next, { isCausal: true, cache }));       // [b, 1, d], the 11th position
 * cache.dispose();
 */
export class KeyValueCache {
  readonly capacity: number;
  readonly #sequences = new Map<object, Sequence>();
  readonly #memories = new Map<object, readonly [keys: Tensor, values: Tensor]>();

  /** @param capacity the most positions of a sequence */
  constructor(capacity: number) {
    checkSize("KeyValueCache", "capacity", capacity);
    this.capacity = capacity;
  }

  /** Positions that have gone through; between forward passes it is the position of the next token. */
  get length(): number {
    for (const { length } of this.#sequences.values()) return length;
    return 0;
  }

  /** Positions that have gone through one self-attention. */
  lengthOf(attention: object): number {
    return this.#sequences.get(attention)?.length ?? 0;
  }

  /**
   * Appends the keys and values of new positions.
   *
   * @param attention whose they are
   * @param keys [b, t, d]
   * @param values [b, t, d]
   * @throws ValueError past the capacity, ShapeError for another batch than before, GradientError outside `noGrad`
   */
  append(attention: object, keys: Tensor, values: Tensor): CachedSequence {
    expectNoGraph(keys, values);
    const [b, t, d] = keys.shape as [number, number, number];
    let sequence = this.#sequences.get(attention);
    if (!sequence) {
      const room = () => keep(empty([b, this.capacity, d], { device: keys.device }));
      this.#sequences.set(attention, (sequence = { keys: room(), values: room(), length: 0 }));
    }
    const { length } = sequence;
    if (sequence.keys.shape[0] !== b) {
      throw new ShapeError(
        `KeyValueCache: the new positions have shape ${formatShape(keys.shape)}, expected the batch of those before, ${sequence.keys.shape[0]}`,
      );
    }
    if (length + t > this.capacity) {
      throw new ValueError(
        `KeyValueCache: ${t} positions after ${length} are more than the capacity, ${this.capacity}`,
      );
    }
    const place = { shape: [b, t, d], strides: stridesOf(sequence.keys.shape), offset: length * d };
    copyView(keys, wholeView(keys.shape), sequence.keys, place);
    copyView(values, wholeView(values.shape), sequence.values, place);
    sequence.length += t;
    const range = (start: number, end: number) => arange(start, end, 1, { dtype: "i32", device: keys.device });
    const mask = lessEqual(range(0, this.capacity), range(length, length + t).unsqueeze(1));
    return { keys: sequence.keys, values: sequence.values, mask };
  }

  /**
   * The keys and values of a memory that does not change.
   *
   * @param attention whose they are
   * @param project computes them: [b, tk, d] each
   */
  memory(attention: object, project: () => readonly [Tensor, Tensor]): readonly [keys: Tensor, values: Tensor] {
    let memory = this.#memories.get(attention);
    if (!memory) {
      const [keys, values] = project();
      expectNoGraph(keys, values);
      this.#memories.set(attention, (memory = [keep(keys), keep(values)]));
    }
    return memory;
  }

  /** Forgets everything and frees the memory. */
  dispose(): void {
    for (const { keys, values } of this.#sequences.values()) for (const x of [keys, values]) x.dispose();
    for (const memory of this.#memories.values()) for (const x of memory) x.dispose();
    this.#sequences.clear();
    this.#memories.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function expectNoGraph(...tensors: readonly Tensor[]): void {
  if (isGradEnabled() && tensors.some(requiresGrad)) {
    throw new GradientError("KeyValueCache: it keeps no graph; use it under noGrad(() => ...)");
  }
}
