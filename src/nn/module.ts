/**
 * A module: a plain class whose fields are its state. Parameters, buffers and inner modules are found by walking the
 * fields when asked, so there is nothing to register. A module computes with `forward`.
 *
 * Invariant: a parameter has one name per module that holds it; one that is shared is counted once.
 */
import { Storage } from "../gpu/device.ts";
import { didYouMean, TilegradError, ValueError } from "../gpu/errors.ts";
import type { ReferenceArray } from "../gpu/kernel.ts";
import { encode } from "../kernels/creation/creation.ts";
import { copyInto } from "../kernels/strided-copy/strided-copy.ts";
import { type DeviceName, deviceNamed } from "../tensor/device.ts";
import { type DType, elementType } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { addHook, type BackwardHook, type ForwardHook, type ForwardPreHook, forwardWithHooks, Hooks } from "./hooks.ts";
import { type LoadOptions, type LoadReport, matchState } from "./load-state.ts";
import { type NamePattern, selectNames } from "./names.ts";
import { describe, type ModuleSummary, summarize } from "./summary.ts";

/** A tensor that is trained: a leaf with a gradient, which no scope frees. */
export class Parameter extends Tensor<"f32"> {
  /** Shares the storage of `value`, an f32 tensor. */
  constructor(value: Tensor) {
    super(value.storage.retain(), value.shape, "f32");
    this.kept = true;
    this.requiresGrad = true;
  }
}

/** A tensor of a module's state that is not trained, such as running statistics. No scope frees it. */
export class Buffer<D extends DType = DType> extends Tensor<D> {
  /** Whether it belongs to the state dict. */
  readonly persistent: boolean;

  /** Shares the storage of `value`. */
  constructor(value: Tensor<D>, { persistent = true }: { persistent?: boolean } = {}) {
    super(value.storage.retain(), value.shape, value.dtype);
    this.kept = true;
    this.persistent = persistent;
  }
}

/** One entry of a state dict: a tensor, or numbers with their shape, which are converted to what they are loaded into. */
export type StateValue = Tensor | { readonly shape: Shape; readonly data: ReferenceArray | BigInt64Array };

/** A module from one tensor to one. */
export interface TensorModule extends Module {
  forward(x: Tensor): Tensor;
}

export abstract class Module {
  /** Whether dropout drops and batch statistics are taken; `train` and `eval` set it. */
  training = true;
  #hooks: Hooks | null = null;
  readonly #forward: unknown;

  constructor() {
    // An error on its way out collects the names of the modules it passes.
    const { forward } = this;
    this.#forward = (...inputs: never[]) => {
      try {
        const call = forward.bind(this) as (...inputs: readonly unknown[]) => unknown;
        return this.#hooks ? forwardWithHooks(this, this.#hooks, call, inputs) : forward.apply(this, inputs);
      } catch (error) {
        if (error instanceof TilegradError) addModulePath(error, this);
        throw error;
      }
    };
    Object.defineProperty(this, "forward", {
      value: this.#forward,
      enumerable: false,
      configurable: true,
      writable: true,
    });
  }

  abstract forward(...inputs: never[]): unknown;

  /**
   * Whether `forward` does what that of a class does and nothing more: it has no hooks, and nothing was put in its place. What
   * contains it may then have one kernel compute it with what stands beside it.
   */
  runsAs(type: { readonly prototype: Module }): boolean {
    const isHooked = this.#hooks?.isEmpty === false;
    const isOwn = this.forward === this.#forward && Object.getPrototypeOf(this).forward === type.prototype.forward;
    return isOwn && !isHooked;
  }

  /**
   * Its members by their names in the state dict: each field's name in snake_case, as PyTorch has it. Override it where
   * the names differ.
   */
  *members(): Iterable<[string, unknown]> {
    for (const [field, value] of Object.entries(this)) yield [snakeCase(field), value];
  }

  /** Every module in it and itself, with dotted names; itself has the name "". @throws ValueError if it contains itself */
  namedModules(): Map<string, Module> {
    const found = new Map<string, Module>();
    walk(this, (name, value) => {
      if (value instanceof Module) found.set(name, value);
    });
    return found;
  }

  /** The modules directly inside, also in arrays and plain objects, by name. */
  namedChildren(): Map<string, Module> {
    const found = new Map<string, Module>();
    walk(this, (name, value) => {
      if (!(value instanceof Module) || value === this) return true;
      found.set(name, value);
      return false;
    });
    return found;
  }

  /** The modules directly inside, each once. */
  children(): Module[] {
    return [...new Set(this.namedChildren().values())];
  }

  /** The module inside that has a dotted name; itself for "". @throws ValueError if there is none */
  getSubmodule(name: string): Module {
    return getNamed(this, "getSubmodule", "module", name, this.namedModules());
  }

  /** The parameter that has a dotted name in the state dict. @throws ValueError if there is none */
  getParameter(name: string): Parameter {
    const parameters = [...this.stateDict()].filter(([, value]) => value instanceof Parameter);
    return getNamed(this, "getParameter", "parameter", name, new Map(parameters as [string, Parameter][]));
  }

  /** Calls a function with every module inside, and last with itself. @returns itself */
  apply(fn: (module: Module) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  /** Every parameter by its name; a shared one once, by its first name. */
  namedParameters(): Map<string, Parameter> {
    return this.#named((value) => value instanceof Parameter) as Map<string, Parameter>;
  }

  parameters(): Parameter[] {
    return [...this.namedParameters().values()];
  }

  /** Every buffer by its name. */
  namedBuffers(): Map<string, Buffer> {
    return this.#named((value) => value instanceof Buffer) as Map<string, Buffer>;
  }

  #named(isWanted: (value: unknown) => boolean): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    const seen = new Set<unknown>();
    walk(this, (name, value) => {
      if (!isWanted(value) || seen.has(value)) return;
      seen.add(value);
      found.set(name, value as Tensor);
    });
    return found;
  }

  /** The number of trained elements. */
  parameterCount(): number {
    return this.parameters().reduce((count, parameter) => count + parameter.size, 0);
  }

  /** Sets training mode here and in every module inside. @returns itself */
  train(mode = true): this {
    for (const module of this.namedModules().values()) module.training = mode;
    return this;
  }

  /** Sets evaluation mode: dropout passes everything, batch norm uses its running statistics. @returns itself */
  eval(): this {
    return this.train(false);
  }

  /**
   * Keeps parameters as they are: no gradient flows to them, and those they have are forgotten.
   *
   * @param patterns the names of some, or of modules around them; all without any
   * @returns itself
   * @throws ValueError for a pattern that no parameter's name matches
   * @example model.freeze("embedding", "encoder.layers.0"); model.freeze("**.bias", /norm\d/);
   */
  freeze(...patterns: NamePattern[]): this {
    for (const parameter of this.#select("freeze", patterns)) {
      parameter.grad = null;
      parameter.requiresGrad = false;
    }
    return this;
  }

  /**
   * Trains parameters again.
   *
   * @param patterns as `freeze` takes them
   * @returns itself
   * @throws ValueError for a pattern that no parameter's name matches
   */
  unfreeze(...patterns: NamePattern[]): this {
    for (const parameter of this.#select("unfreeze", patterns)) parameter.requiresGrad = true;
    return this;
  }

  #select(method: string, patterns: readonly NamePattern[]): Parameter[] {
    if (patterns.length === 0) return this.parameters();
    const all = [...this.stateDict()].filter(([, value]) => value instanceof Parameter) as [string, Parameter][];
    const chosen = new Set(
      selectNames(
        method,
        patterns,
        all.map(([name]) => name),
      ),
    );
    return all.flatMap(([name, parameter]) => (chosen.has(name) ? [parameter] : []));
  }

  /** Has `hook` see, and replace if it likes, the inputs of `forward`. @returns a function that takes the hook away again */
  registerForwardPreHook(hook: ForwardPreHook): () => void {
    return addHook((this.#hooks ??= new Hooks()).before, hook);
  }

  /** Has `hook` see, and replace if it likes, the output of `forward`. @returns a function that takes the hook away again */
  registerForwardHook(hook: ForwardHook): () => void {
    return addHook((this.#hooks ??= new Hooks()).after, hook);
  }

  /**
   * Has `hook` see the gradients of the module's inputs and outputs once they are complete, and replace those of the inputs
   * if it likes.
   *
   * @returns a function that takes the hook away again
   * @example layer.registerFullBackwardHook((_, gradInput) => gradInput.map((dx) => dx && dx.clamp({ min: -1, max: 1 })))
   */
  registerFullBackwardHook(hook: BackwardHook): () => void {
    return addHook((this.#hooks ??= new Hooks()).backward, hook);
  }

  /**
   * Lists what it is made of: every module inside with the shapes of its outputs and the number of its parameters.
   *
   * @param inputs what to call it with, for the shapes: tensors, shapes that stand for zeros, and whatever else `forward`
   *   takes; without any, the table has no shapes
   * @returns numbers, and a table as text
   * @example console.log(String(model.summary([1, 3, 32, 32])));
   */
  summary(...inputs: readonly unknown[]): ModuleSummary {
    return summarize(this, inputs);
  }

  /** Its class, its options and what is inside, as a tree. */
  toString(): string {
    return describe(this);
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  /** Forgets all gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.grad = null;
  }

  /** Parameters and persistent buffers by name. A shared tensor appears under each of its names, as in PyTorch. */
  stateDict(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    walk(this, (name, value) => {
      if (value instanceof Parameter || (value instanceof Buffer && value.persistent)) state.set(name, value);
    });
    return state;
  }

  /**
   * Takes the values of parameters and persistent buffers from a state dict. Nothing is changed unless all fits that has to.
   *
   * @param state tensors, or host data with shapes as `io.parseState` gives it
   * @param options strict (default true), keepMismatched: leaves what has another shape as it is (default false), rename
   * @returns what was loaded, and what was missing, unexpected or mis-shaped
   * @throws ValueError that lists missing, unexpected and mis-shaped names
   * @example
   * model.loadStateDict(state, { rename: [["module.", ""]] }); // written by DataParallel
   * const { mismatched } = model.loadStateDict(state, { keepMismatched: true }); // all but a head of other classes
   */
  loadStateDict(state: ReadonlyMap<string, StateValue>, options: LoadOptions = {}): LoadReport {
    const own = this.stateDict();
    const { values, report } = matchState(state, own, options);
    for (const [name, value] of values) {
      const { storage, device, dtype } = own.get(name)!;
      if (value instanceof Tensor) copyInto(value, storage);
      else device.write(storage, encode(toNumbers(value.data), dtype, device.wordBytes));
    }
    return report;
  }

  /** Moves parameters and buffers to a device. Gradients are dropped. @returns itself */
  async to(device: DeviceName): Promise<this> {
    const target = deviceNamed(device);
    for (const tensor of new Set([...this.parameters(), ...this.namedBuffers().values()])) {
      if (tensor.device === target) continue;
      const values = await tensor.storage.device.read(tensor.storage);
      tensor.grad = null;
      tensor.rebind(Storage.from(target, elementType(tensor.dtype), values));
    }
    return this;
  }
}

function toNumbers(data: ReferenceArray | BigInt64Array): ArrayLike<number> {
  return data instanceof BigInt64Array ? Array.from(data, Number) : data;
}

function getNamed<T>(module: Module, method: string, what: string, name: string, found: ReadonlyMap<string, T>): T {
  const value = found.get(name);
  if (value !== undefined) return value;
  const names = [...found.keys()];
  throw new ValueError(`${method}: ${module.constructor.name} has no ${what} "${name}"${didYouMean(name, names)}`);
}

/** Sees a value; false keeps the walk from what is inside of it. */
type Visit = (name: string, value: unknown) => boolean | void;

/** Calls `visit` for the module and everything in it: modules, parameters, buffers, in arrays and plain objects too. */
function walk(root: Module, visit: Visit): void {
  const path: unknown[] = [];
  const enter = (name: string, value: unknown): void => {
    if (value instanceof Tensor) {
      visit(name, value);
      return;
    }
    const members =
      value instanceof Module
        ? value.members()
        : Array.isArray(value) || isPlainObject(value)
          ? Object.entries(value)
          : null;
    if (!members) return;
    if (path.includes(value)) throw new ValueError(`${root.constructor.name}: the module "${name}" contains itself`);
    if (visit(name, value) === false) return;
    path.push(value);
    for (const [key, member] of members) enter(name === "" ? key : `${name}.${key}`, member);
    path.pop();
  };
  enter("", root);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** `inProjWeight` as `in_proj_weight`, `weightIhL0` as `weight_ih_l0`. */
export function snakeCase(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

interface Located {
  readonly module: Module;
  readonly path: string;
  readonly message: string;
}

const located = new WeakMap<TilegradError, Located>();

// The error has come out of `module`: its path grows by the name that `module` has for where it came from.
function addModulePath(error: TilegradError, module: Module): void {
  const before = located.get(error);
  const message = before?.message ?? error.message;
  let path = before?.path ?? "";
  if (before) {
    const name = [...module.namedModules()].find(([, inner]) => inner === before.module)?.[0];
    if (name) path = path === "" ? name : `${name}.${path}`;
  }
  located.set(error, { module, path, message });
  error.message = path === "" ? message : `${path}: ${message}`;
}
