/** Walks the graph from outputs to inputs: `backward` adds into the leaves' `grad`, `grad` returns gradients as values. */
import { type Device, Storage } from "../gpu/device.ts";
import { checkOptions, GradientError } from "../gpu/errors.ts";
import { keep, scope } from "../tensor/scope.ts";
import { expectShape } from "../tensor/shape.ts";
import { alias, Tensor } from "../tensor/tensor.ts";
import { accumulate, accumulateInto } from "./accumulate.ts";
import { withAutocast } from "./autocast.ts";
import { entryOf, type Gradients, type GraphEntry, type GraphNode, withGrad } from "./record.ts";

export interface BackwardOptions {
  /** The gradient of the tensor itself; 1 for a scalar where it is left out. */
  gradient?: Tensor;
  /** Keep what the graph saved, so that it can be walked again. */
  retainGraph?: boolean;
}

export interface GradOptions {
  /** Gradients of the outputs; ones for scalars where they are left out. */
  gradOutputs?: readonly Tensor[];
  retainGraph?: boolean;
  /** Record the backward pass too, so that its result can be differentiated. */
  createGraph?: boolean;
  /** Give null for an input that the outputs do not depend on, instead of throwing. */
  allowUnused?: boolean;
}

/**
 * Adds the gradient of `y` into the `grad` of every leaf it depends on, and frees the graph.
 *
 * @param y a scalar, or any tensor with `gradient` given
 * @throws GradientError if `y` does not depend on a tensor that requires a gradient, if the graph was freed, or if a
 *   saved tensor was changed in place
 */
export function backward(y: Tensor, options: BackwardOptions = {}): void {
  checkOptions("backward", options, ["gradient", "retainGraph"]);
  const { gradient, retainGraph = false } = options;
  const leaves = new Map<GraphEntry, Tensor>();
  const walk = new Walk({ createGraph: false, retainGraph, wanted: null, leaves });
  walk.from([{ y, gradient }]);
  for (const [entry, gradient] of leaves) addToLeaf(entry, gradient);
}

/**
 * Gradients of `outputs` with respect to `inputs`, as values: no tensor's `grad` changes.
 *
 * @param outputs scalars, or any tensors with `gradOutputs` given
 * @param inputs leaves or intermediate tensors
 * @returns one gradient per input, of its shape; null for an unused one with `allowUnused`
 * @throws GradientError as `backward` does, and for an unused input
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options?: GradOptions & { allowUnused?: false },
): Tensor[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions,
): (Tensor | null)[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions = {},
): (Tensor | null)[] {
  checkOptions("grad", options, ["gradOutputs", "retainGraph", "createGraph", "allowUnused"]);
  const { gradOutputs, createGraph = false, retainGraph = createGraph, allowUnused = false } = options;
  const ys = Array.isArray(outputs) ? (outputs as readonly Tensor[]) : [outputs as Tensor];
  if (gradOutputs && gradOutputs.length !== ys.length) {
    throw new GradientError(
      `grad: gradOutputs has ${gradOutputs.length} tensors, expected one per output, ${ys.length}`,
    );
  }
  const entries = inputs.map((input, i) => {
    const entry = entryOf(input);
    if (!entry) throw new GradientError(`grad: input ${i} of shape [${input.shape}] does not require a gradient`);
    return entry;
  });
  const found = new Map<GraphEntry, Tensor>();
  const walk = new Walk({ createGraph, retainGraph, wanted: new Set(entries), leaves: found });
  walk.from(ys.map((y, i) => ({ y, gradient: gradOutputs?.[i] })));
  const used = new Set<GraphEntry>();
  return entries.map((entry, i) => {
    const gradient = found.get(entry);
    if (!gradient) {
      if (allowUnused) return null;
      throw new GradientError(`grad: the outputs do not depend on input ${i}; pass { allowUnused: true } to get null`);
    }
    // An input listed twice gets two handles.
    if (used.has(entry)) return aliasWithGraph(gradient);
    used.add(entry);
    return gradient;
  });
}

interface Seed {
  readonly y: Tensor;
  readonly gradient: Tensor | undefined;
}

interface WalkOptions {
  readonly createGraph: boolean;
  readonly retainGraph: boolean;
  /** The entries whose gradients are asked for, or null for every leaf. */
  readonly wanted: ReadonlySet<GraphEntry> | null;
  /** Where the gradients asked for are collected. */
  readonly leaves: Map<GraphEntry, Tensor>;
}

class Walk {
  readonly #options: WalkOptions;
  // The sum so far of each entry's gradient. The walk owns these handles.
  readonly #gradients = new Map<GraphEntry, Tensor>();

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  from(seeds: readonly Seed[]): void {
    withGrad(this.#options.createGraph, () => {
      for (const { y, gradient } of seeds) this.#seed(y, gradient);
      const nodes = nodesFrom(seeds.map(({ y }) => entryOf(y)!.node));
      const needed = this.#neededNodes(nodes);
      try {
        for (const node of nodes) {
          if (!needed.has(node)) continue;
          this.#visit(node, needed);
          if (!this.#options.retainGraph) node.free();
        }
        this.#collectLeaves();
      } finally {
        for (const gradient of this.#gradients.values()) gradient.dispose();
      }
    });
  }

  #seed(y: Tensor, gradient: Tensor | undefined): void {
    const entry = entryOf(y);
    if (!entry) {
      throw new GradientError(
        `backward: the tensor of shape [${y.shape}] has no gradient; nothing it was made from has requiresGrad, or it was made under noGrad`,
      );
    }
    if (gradient) {
      expectShape("backward", "gradient", gradient.shape, y.shape);
      this.#add(entry, gradient);
    } else if (y.size === 1) {
      const one = alias(oneOn(y.device), y.shape);
      this.#add(entry, one);
      one.dispose();
    } else {
      throw new GradientError(
        `backward: the tensor has shape [${y.shape}]; pass { gradient } for anything but a scalar`,
      );
    }
  }

  // A node is needed if a gradient that was asked for lies behind it. `nodes` is sorted, newest first.
  #neededNodes(nodes: readonly GraphNode[]): ReadonlySet<GraphNode> {
    const { wanted } = this.#options;
    if (!wanted) return new Set(nodes);
    const needed = new Set<GraphNode>();
    for (const node of [...nodes].reverse()) {
      const leads = node.inputs.some((input) => input && (wanted.has(input) || (input.node && needed.has(input.node))));
      if (leads) needed.add(node);
    }
    return needed;
  }

  #visit(node: GraphNode, needed: ReadonlySet<GraphNode>): void {
    const { wanted, createGraph } = this.#options;
    const dys = node.outputs.map((output) => this.#take(output));
    if (dys.every((dy) => dy === null)) return;
    const needs = node.inputs.map(
      (input) => input !== null && (!wanted || wanted.has(input) || (input.node !== null && needed.has(input.node))),
    );
    const rule = createGraph && typeof node.composed === "function" ? node.composed : node.backward;
    if (createGraph && !node.composed) {
      throw new GradientError(`${node.op} has no second derivative; createGraph cannot go through it`);
    }
    const { saved } = node;
    const run = () => {
      const gradients: Gradients = withAutocast(node.autocast, () => rule(dys, saved, needs));
      for (const [i, gradient] of gradients.entries()) {
        const input = node.inputs[i];
        if (gradient && input && needs[i]) {
          expectShape(`the backward of ${node.op}`, `the gradient of input ${i}`, gradient.shape, input.shape);
          this.#add(input, gradient);
        }
      }
    };
    // What the backward function makes on the way is freed at once; with createGraph the new graph needs it.
    if (createGraph) run();
    else scope(run);
    for (const dy of dys) dy?.dispose();
  }

  /** The completed gradient of a node's output, after its hooks; the caller owns the handle. */
  #take(output: GraphEntry): Tensor | null {
    const total = this.#gradients.get(output);
    if (!total) return null;
    this.#gradients.delete(output);
    const gradient = applyHooks(output, total);
    if (output.retainsGrad) addToLeaf(output, aliasWithGraph(gradient));
    if (this.#options.wanted?.has(output)) this.#options.leaves.set(output, aliasWithGraph(gradient));
    return gradient;
  }

  /** Adds one contribution; the caller keeps its own handle. */
  #add(entry: GraphEntry, gradient: Tensor): void {
    const sum = this.#gradients.get(entry);
    if (!sum) {
      this.#gradients.set(entry, keep(aliasWithGraph(gradient))); // it lives past the scope of this backward function
    } else if (!this.#options.createGraph && sum.storage.unique) {
      accumulateInto(sum, gradient);
    } else {
      this.#gradients.set(entry, keep(accumulate(sum, gradient)));
      sum.dispose();
    }
  }

  // What is left at the end belongs to leaves, and to tensors asked for that nothing asked for lies behind.
  #collectLeaves(): void {
    const { wanted, leaves } = this.#options;
    for (const [entry, gradient] of this.#gradients) {
      gradient.kept = false;
      const isAskedFor = wanted ? wanted.has(entry) : entry.node === null && entry.requiresGrad;
      if (isAskedFor) leaves.set(entry, applyHooks(entry, gradient));
      else gradient.dispose();
    }
    this.#gradients.clear();
  }
}

/** Every node behind `roots`, newest first: an order in which each comes after all that use it. */
export function nodesFrom(roots: Iterable<GraphNode | null>): GraphNode[] {
  const found = new Set<GraphNode>();
  const pending = [...roots];
  while (pending.length > 0) {
    const node = pending.pop();
    if (!node || found.has(node)) continue;
    found.add(node);
    for (const input of node.inputs) if (input?.node) pending.push(input.node);
  }
  return [...found].sort((a, b) => b.id - a.id);
}

// Takes the handle it is given and returns one that the caller owns: the same, or what the hooks made of it.
function applyHooks(entry: GraphEntry, gradient: Tensor): Tensor {
  let current = gradient;
  for (const hook of entry.hooks ?? []) {
    const replaced = hook(current);
    if (!replaced || replaced === current) continue;
    expectShape("registerHook", "the returned gradient", replaced.shape, entry.shape);
    const { kept } = current;
    current.dispose();
    current = aliasWithGraph(replaced);
    current.kept = kept;
  }
  return current;
}

// Adds into `grad`, in place where nobody else holds it.
function addToLeaf(entry: GraphEntry, gradient: Tensor): void {
  if (!entry.grad || entry.grad.disposed) {
    entry.grad = keep(gradient);
  } else if (entry.grad.storage.unique) {
    accumulateInto(entry.grad, gradient);
    gradient.dispose();
  } else {
    const sum = keep(withGrad(false, () => accumulate(entry.grad!, gradient)));
    entry.grad.dispose();
    gradient.dispose();
    entry.grad = sum;
  }
}

const ones = new WeakMap<Device, Tensor>();

/** The scalar 1, made once per device. */
function oneOn(device: Device): Tensor {
  let one = ones.get(device);
  if (!one) {
    one = keep(new Tensor(Storage.from(device, "f32", Float32Array.of(1)), [], "f32"));
    ones.set(device, one);
  }
  return one;
}

function aliasWithGraph(tensor: Tensor): Tensor {
  const handle = alias(tensor);
  handle.graph = tensor.graph;
  return handle;
}
