/**
 * The graph: every op on a tensor that requires a gradient leaves a node that knows its inputs, what it saved, and its
 * backward function. `backward.ts` walks it.
 *
 * Invariant: a node holds its own handles on what it saved, so that freeing a tensor never corrupts a gradient.
 */
import { DeviceError, GradientError } from "../gpu/errors.ts";
import { type DType, isFloat } from "../tensor/dtype.ts";
import { expectSync } from "../tensor/expect-sync.ts";
import { formatShape, type Shape } from "../tensor/shape.ts";
import { alias, isTensor, type Tensor } from "../tensor/tensor.ts";
import { isAutocastEnabled } from "./autocast.ts";

/** Sees the gradient of a tensor when it is complete; what it returns replaces it. */
export type GradientHook = (gradient: Tensor) => Tensor | undefined | void;

/** A tensor's place in the graph; shared by all handles that stand for one value. */
export interface GraphEntry {
  /** Whether it is a leaf whose gradient is wanted. */
  requiresGrad: boolean;
  grad: Tensor | null;
  /** The node that computed it, or null for a leaf. */
  node: GraphNode | null;
  /** Which output of the node it is. */
  index: number;
  hooks: Set<GradientHook> | null;
  /** Whether a non-leaf keeps its gradient too. */
  retainsGrad: boolean;
  readonly shape: Shape;
}

/** Gradients of the inputs, in their order; null where an input needs none or the gradient is zero. */
export type Gradients = readonly (Tensor | null)[];

/**
 * Computes the inputs' gradients from the outputs'.
 *
 * @param dy the gradient of the output (for several outputs: an array, null for one that was not used)
 * @param saved what the forward pass kept
 * @param needs which inputs' gradients are wanted; the others may be null
 */
export type Backward<Dy, S> = (dy: Dy, saved: S, needs: readonly boolean[]) => Gradients;

export interface RecordOptions<Dy, S> {
  op: string;
  inputs: readonly Tensor[];
  /** What survives the forward pass; tensors in it are held by the graph. */
  saved: S;
  backward: Backward<Dy, S>;
  /**
   * For second derivatives: true if `backward` is itself made of differentiable ops, or a second backward that is.
   * Left out, `createGraph` through this op throws.
   */
  composed?: true | Backward<Dy, S> | undefined;
}

type AnyBackward = Backward<unknown, Record<string, unknown>>;

/** What a checkpointed region does to give its nodes their saved tensors back. */
export type Recompute = () => void;

export class GraphNode {
  static #next = 0;
  /** Grows with creation: every input's node has a smaller one. */
  readonly id = GraphNode.#next++;
  readonly op: string;
  readonly inputs: readonly (GraphEntry | null)[];
  readonly outputs: GraphEntry[] = [];
  readonly backward: AnyBackward;
  readonly composed: true | AnyBackward | undefined;
  /** Whether the op ran in mixed precision; its backward does so too. */
  readonly autocast = isAutocastEnabled();
  recompute: Recompute | null = null;
  #saved: Record<string, unknown>;
  #held: Held[] = [];
  #freed = false;

  constructor(options: RecordOptions<unknown, Record<string, unknown>>) {
    this.op = options.op;
    this.inputs = options.inputs.map((input) => entryOf(input));
    this.backward = options.backward;
    this.composed = options.composed;
    this.#saved = options.saved;
  }

  /** Takes own handles on the saved tensors. Called when the outputs have their entries, since one may be saved. */
  holdSaved(): void {
    const saved: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(this.#saved)) {
      if (isTensor(value)) saved[name] = this.#hold(name, value);
      else if (Array.isArray(value))
        saved[name] = value.map((v, i) => (isTensor(v) ? this.#hold(`${name}[${i}]`, v) : v));
      else saved[name] = value;
    }
    this.#saved = saved;
  }

  #hold(name: string, tensor: Tensor): Tensor {
    const handle = alias(tensor);
    handle.graph = tensor.graph;
    this.#held.push({ name, handle, version: tensor.storage.version });
    return handle;
  }

  /** What the forward pass kept. @throws GradientError if it was freed or changed since */
  get saved(): Record<string, unknown> {
    if (this.recompute) {
      const recompute = this.recompute;
      this.recompute = null;
      recompute();
    }
    if (this.#freed) {
      throw new GradientError(
        `${this.op}: its saved tensors were freed by an earlier backward; pass { retainGraph: true } to that one`,
      );
    }
    for (const { name, handle, version } of this.#held) {
      if (handle.storage.version !== version) {
        throw new GradientError(
          `${this.op}: the saved tensor ${name} of shape ${formatShape(handle.shape)} was changed in place after the ` +
            "forward pass; call backward before changing it",
        );
      }
    }
    return this.#saved;
  }

  /** The handles the graph holds here. */
  get savedTensors(): Tensor[] {
    return this.#held.map(({ handle }) => handle);
  }

  /** Gives the saved tensors back; the node cannot be differentiated again. A node that saved none stays usable. */
  free(): void {
    this.recompute = null;
    this.#freed ||= this.#held.length > 0;
    for (const { handle } of this.#held) handle.dispose();
    this.#held = [];
  }

  /** Gives the saved tensors back until they are asked for. */
  postpone(recompute: Recompute): void {
    if (this.#held.length === 0) return;
    this.free();
    this.#freed = false;
    this.recompute = recompute;
  }

  /** Takes over what another run of the same op saved. @throws GradientError if that was another op */
  adoptSaved(other: GraphNode): void {
    if (other.op !== this.op) {
      throw new GradientError(
        `checkpoint: the function ran ${other.op} where it had run ${this.op}; it must do the same each time`,
      );
    }
    this.recompute = null;
    this.#saved = other.#saved;
    this.#held = other.#held;
    other.#held = [];
  }
}

interface Held {
  readonly name: string;
  readonly handle: Tensor;
  readonly version: number;
}

let gradEnabled = true;
let recording: GraphNode[] | null = null;

export function isGradEnabled(): boolean {
  return gradEnabled;
}

/** Runs `fn` with recording on or off. */
export function withGrad<R>(enabled: boolean, fn: () => R): R {
  const before = gradEnabled;
  gradEnabled = enabled;
  try {
    return fn();
  } finally {
    gradEnabled = before;
  }
}

/**
 * Runs `fn` without recording a graph: for evaluation, and for changing parameters in place.
 *
 * @throws ValueError if `fn` returns a promise
 */
export function noGrad<R>(fn: () => R): R {
  return withGrad(false, () => expectSync("noGrad", fn()));
}

/** Runs `fn` and lists the nodes that it recorded. */
export function recordedNodes<R>(fn: () => R): { result: R; nodes: GraphNode[] } {
  const before = recording;
  const nodes: GraphNode[] = [];
  recording = nodes;
  try {
    return { result: fn(), nodes };
  } finally {
    recording = before;
    before?.push(...nodes);
  }
}

/** The tensor's place in the graph, or null if no gradient flows to it. */
export function entryOf(tensor: Tensor): GraphEntry | null {
  const entry = tensor.graph as GraphEntry | null;
  return entry && (entry.requiresGrad || entry.node) ? entry : null;
}

export function newEntry(shape: Shape): GraphEntry {
  return { requiresGrad: false, grad: null, node: null, index: 0, hooks: null, retainsGrad: false, shape };
}

export function requiresGrad(tensor: Tensor): boolean {
  return entryOf(tensor) !== null;
}

/**
 * Puts an op's output into the graph, if recording is on and a gradient is wanted for an input.
 *
 * @returns y
 * @throws DeviceError if the inputs are on different devices
 */
export function record<D extends DType, S extends object>(y: Tensor<D>, options: RecordOptions<Tensor, S>): Tensor<D> {
  const single: RecordOptions<readonly (Tensor | null)[], S> = {
    ...options,
    backward: ([dy], saved, needs) => options.backward(dy!, saved, needs),
    ...(typeof options.composed === "function"
      ? { composed: ([dy], saved, needs) => (options.composed as Backward<Tensor, S>)(dy!, saved, needs) }
      : { composed: options.composed }),
  } as RecordOptions<readonly (Tensor | null)[], S>;
  recordMany([y], single);
  return y;
}

/** As `record`, for an op with several outputs. Outputs that are not f32 get no gradient. */
export function recordMany<S extends object>(
  outputs: readonly Tensor[],
  options: RecordOptions<readonly (Tensor | null)[], S>,
): void {
  if (!gradEnabled || !options.inputs.some(requiresGrad)) return;
  const node = new GraphNode(options as unknown as RecordOptions<unknown, Record<string, unknown>>);
  for (const [index, y] of outputs.entries()) {
    const entry = newEntry(y.shape);
    entry.index = index;
    if (isFloat(y.dtype)) {
      entry.node = node;
      y.graph = entry;
    }
    node.outputs.push(entry);
  }
  node.holdSaved();
  recording?.push(node);
}

/** @throws DeviceError unless all tensors are on one device */
export function expectSameDevice(op: string, tensors: readonly Tensor[]): void {
  for (const tensor of tensors) {
    if (tensor.device !== tensors[0]!.device) {
      throw new DeviceError(
        `${op}: tensors on ${tensors[0]!.device.name} and on ${tensor.device.name}; move one with await x.toDevice(...)`,
      );
    }
  }
}
