/**
 * What runs around a module's `forward`: functions that see, and may replace, its inputs, its output, and the gradients
 * that pass through it.
 */
import { isGradEnabled, recordMany, requiresGrad } from "../autograd/record.ts";
import { keep } from "../tensor/scope.ts";
import { alias, isTensor, type Tensor } from "../tensor/tensor.ts";
import type { Module } from "./module.ts";

/** Sees the inputs of a module before `forward` does; an array that it returns replaces them. */
export type ForwardPreHook = (module: Module, inputs: readonly unknown[]) => readonly unknown[] | void;

/** Sees the output of a module; what it returns, unless undefined, replaces it. */
export type ForwardHook = (module: Module, inputs: readonly unknown[], output: unknown) => unknown;

/**
 * Sees the gradients of the tensors among a module's inputs and in its output, in their order, null where there is none. An
 * array that it returns replaces those of the inputs. They are freed when it returns: `keep` a copy of what shall stay.
 */
export type BackwardHook = (
  module: Module,
  gradInput: readonly (Tensor | null)[],
  gradOutput: readonly (Tensor | null)[],
) => readonly (Tensor | null)[] | void;

/** The hooks of one module, in the order in which they run. */
export class Hooks {
  readonly before = new Set<ForwardPreHook>();
  readonly after = new Set<ForwardHook>();
  readonly backward = new Set<BackwardHook>();

  get isEmpty(): boolean {
    return this.before.size + this.after.size + this.backward.size === 0;
  }
}

/** Adds a hook. @returns a function that takes it away again */
export function addHook<H>(hooks: Set<H>, hook: H): () => void {
  hooks.add(hook);
  return () => {
    hooks.delete(hook);
  };
}

export function forwardWithHooks(
  module: Module,
  hooks: Hooks,
  forward: (...inputs: readonly unknown[]) => unknown,
  inputs: readonly unknown[],
): unknown {
  let given = inputs;
  for (const hook of hooks.before) given = hook(module, given) ?? given;
  const passage = hooks.backward.size > 0 && isGradEnabled() ? new Passage(module, hooks) : null;
  if (passage) given = passage.enter(given);
  let output = forward(...given);
  for (const hook of hooks.after) {
    const replaced = hook(module, given, output);
    if (replaced !== undefined) output = replaced;
  }
  return passage ? passage.leave(output) : output;
}

/**
 * One call of a module that has backward hooks. All its inputs pass through one node of the graph, and its outputs through
 * another, so that each sees all of their gradients at once.
 */
class Passage {
  readonly #module: Module;
  readonly #hooks: Hooks;
  /** null for each tensor among the inputs, where none of them has a gradient. */
  #noGradInput: readonly null[] | null = null;
  #gradOutput: readonly (Tensor | null)[] = [];

  constructor(module: Module, hooks: Hooks) {
    this.#module = module;
    this.#hooks = hooks;
  }

  enter(inputs: readonly unknown[]): readonly unknown[] {
    const tensors = tensorsIn(inputs);
    if (!tensors.some(requiresGrad)) this.#noGradInput = tensors.map(() => null);
    return passThrough(inputs, (gradients) => {
      const gradInput = this.#run(gradients);
      this.#hold([]);
      return gradInput;
    }) as readonly unknown[];
  }

  leave(output: unknown): unknown {
    return passThrough(output, (gradients) => {
      this.#hold(gradients);
      if (this.#noGradInput) {
        this.#run(this.#noGradInput);
        this.#hold([]);
      }
      return gradients;
    });
  }

  // Until the gradients of the inputs are there. A walk that ended inside of the module has left some.
  #hold(gradients: readonly (Tensor | null)[]): void {
    for (const gradient of this.#gradOutput) gradient?.dispose();
    this.#gradOutput = gradients.map((gradient) => gradient && keep(alias(gradient)));
  }

  #run(gradients: readonly (Tensor | null)[]): readonly (Tensor | null)[] {
    let gradInput = gradients;
    for (const hook of this.#hooks.backward) gradInput = hook(this.#module, gradInput, this.#gradOutput) ?? gradInput;
    return gradInput;
  }
}

/**
 * The same structure, whose tensors have a gradient that goes through `backward`: it gets those of all tensors at once, null
 * for one without, and returns those that go on.
 */
function passThrough(
  value: unknown,
  backward: (gradients: readonly (Tensor | null)[]) => readonly (Tensor | null)[],
): unknown {
  const tensors = tensorsIn(value);
  const inputs = tensors.filter(requiresGrad);
  if (inputs.length === 0) return value;
  const places = tensors.map((tensor) => inputs.indexOf(tensor)); // -1 for one without a gradient
  const passed = inputs.map((tensor) => alias(tensor));
  recordMany(passed, {
    op: "backwardHook",
    inputs,
    saved: {},
    backward(gradients) {
      const given = backward(places.map((place) => gradients[place] ?? null));
      return inputs.map((_, place) => given[places.indexOf(place)] ?? null);
    },
    composed: true,
  });
  return withTensors(
    value,
    tensors.map((tensor, i) => passed[places[i]!] ?? tensor),
  );
}

/** The tensors in nested arrays and plain objects, in order. */
export function tensorsIn(value: unknown): Tensor[] {
  if (isTensor(value)) return [value];
  return isNested(value) ? Object.values(value).flatMap(tensorsIn) : [];
}

// The same structure, with other tensors in their order.
function withTensors(value: unknown, tensors: Tensor[]): unknown {
  if (isTensor(value)) return tensors.shift();
  if (Array.isArray(value)) return value.map((member) => withTensors(member, tensors));
  if (!isNested(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withTensors(member, tensors)]));
}

function isNested(value: unknown): value is object {
  return Array.isArray(value) || (value instanceof Object && Object.getPrototypeOf(value) === Object.prototype);
}
