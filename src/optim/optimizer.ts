/**
 * What all optimizers share: groups of parameters with their own options, packed so that a step is a few dispatches for
 * the whole model. Learning rates and all other options are data on the device.
 */
import type { Device } from "../gpu/device.ts";
import { ValueError } from "../gpu/errors.ts";
import type { Algorithm } from "../kernels/optimizer/optimizer.ts";
import { Parameter, type StateValue } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Checks, checkValues } from "./options.ts";
import { PackedTensors, type Settings, type Slots } from "./packed-tensors.ts";
import { expectState, type Place, writeState } from "./state.ts";

/** The options that every optimizer has. */
export interface OptimizerOptions {
  /** The learning rate. */
  lr: number;
  /** Added to the gradient times the weight; where the decay is decoupled, the weight shrinks by lr times this instead. */
  weightDecay: number;
  /** Whether the loss is to grow. */
  maximize: boolean;
}

/** Parameters that share options; what is left out is the optimizer's. */
export type ParameterGroup<Options> = { readonly parameters: Iterable<Parameter> } & Partial<Options>;

/** What is optimized: a module's `parameters()`, or groups with their own options. */
export type Optimized<Options> = Iterable<Parameter> | Iterable<ParameterGroup<Options>>;

/** One optimizer: its mathematics, and what its options mean there. */
export interface Definition<Options extends OptimizerOptions> {
  readonly name: string;
  readonly algorithm: Algorithm;
  readonly defaults: Options;
  readonly checks: Checks<Options>;
  /** What is wrong with options that are each right, or null. */
  readonly conflict?: (options: Options) => string | null;
  /** Whether the decay shrinks the weights themselves. */
  readonly decoupled?: (options: Options) => boolean;
  /** The fields of the algorithm's struct Hyper, except those that all algorithms have. */
  readonly hyper: (options: Options) => Readonly<Record<string, number>>;
  /** The algorithm's override constants. */
  readonly flags?: (options: Options) => Readonly<Record<string, boolean>>;
  /** PyTorch's names of the state that the options need. */
  readonly slots: (options: Options) => Slots;
  readonly initialState?: (options: Options) => number;
  /** By PyTorch's names: the fields of the algorithm's struct Progress that do not follow from others. */
  readonly counters?: Readonly<Record<string, string>>;
}

/** One group as an optimizer keeps it. */
export interface Group<Options> {
  /**
   * May be changed between steps, as schedules do: the next step brings them to the device, a replayed one too. Only
   * what turns parts of the mathematics on or off, such as a momentum that was 0, a replayed step does not see.
   */
  readonly options: Options;
  readonly parameters: readonly Parameter[];
}

/** What an optimizer remembers, for a checkpoint. */
export interface OptimizerState<Options> {
  /** By group, parameter and PyTorch's name for it, such as `0.3.exp_avg`. */
  readonly tensors: ReadonlyMap<string, StateValue>;
  /** The options of each group: plain JSON. */
  readonly groups: readonly Partial<Options>[];
}

interface PackedGroup<Options> extends Group<Options> {
  readonly packed: PackedTensors;
}

export abstract class Optimizer<Options extends OptimizerOptions = OptimizerOptions> {
  readonly #definition: Definition<Options>;
  readonly #defaults: Options;
  readonly #groups: PackedGroup<Options>[] = [];
  readonly #device: Device;

  protected constructor(definition: Definition<Options>, optimized: Optimized<Options>, options: Partial<Options>) {
    this.#definition = definition;
    this.#defaults = this.#checked({ ...definition.defaults, ...options });
    const all: unknown[] = [...optimized];
    const groups = (all.every(isGroup) ? all : [{ parameters: all }]) as ParameterGroup<Options>[];
    const first = groups.map(({ parameters }) => [...parameters][0]).find((parameter) => parameter !== undefined);
    if (!first) throw new ValueError(`${definition.name}: there are no parameters`);
    expectParameter(definition.name, first, 0);
    this.#device = first.device;
    for (const group of groups) this.addParameterGroup(group);
  }

  /** The groups, in the order given. */
  get groups(): readonly Group<Options>[] {
    return this.#groups;
  }

  /** The learning rate of the first group; setting it sets all groups'. */
  get lr(): number {
    return this.#groups[0]!.options.lr;
  }

  set lr(value: number) {
    for (const { options } of this.#groups) options.lr = value;
  }

  /**
   * Optimizes more parameters, as when layers are unfrozen during a training.
   *
   * @param group parameters of no group yet, and the options in which it differs from the optimizer
   * @throws ValueError for an unknown option or one out of range, or a parameter that is in a group; DeviceError
   */
  addParameterGroup({ parameters, ...options }: ParameterGroup<Options>): void {
    const { name, algorithm } = this.#definition;
    const merged = this.#checked({ ...this.#defaults, ...(options as unknown as Partial<Options>) });
    const list = [...parameters];
    for (const [i, parameter] of list.entries()) expectParameter(name, parameter, i);
    const all = [...this.#groups.flatMap((group) => group.parameters), ...list];
    if (new Set(all).size < all.length) throw new ValueError(`${name}: a parameter is listed twice`);
    const packed = new PackedTensors(name, algorithm, list, this.#device);
    packed.prepareState(this.#settings(merged));
    this.#groups.push({ options: merged, parameters: list, packed });
  }

  /**
   * Changes every parameter that has a gradient; the others stay as they are, and no step of theirs is counted.
   *
   * @param found u32 [4] on the device: where the first is not 0, nothing is changed and no step counted. A `GradScaler` has it.
   */
  step(found?: Tensor<"u32">): void {
    for (const { packed, parameters, options } of this.#groups) {
      packed.step(
        parameters.map(({ grad }) => grad),
        () => this.#settings(options),
        found,
      );
    }
  }

  /** Sets the gradients of all parameters to null. */
  zeroGrad(): void {
    for (const { parameters } of this.#groups) for (const parameter of parameters) parameter.grad = null;
  }

  /**
   * What it remembers: a training that goes on from here, with the parameters saved at the same moment, goes on in the same bits.
   *
   * @returns tensors by group, parameter and PyTorch's name for them (`0.3.exp_avg`, `0.3.step`), and the options apart
   *   from them. The tensors share the optimizer's memory but for the counters: save them before the next step.
   * @example
   * const { tensors, groups } = optimizer.stateDict();
   */
  stateDict(): { tensors: Map<string, Tensor>; groups: Options[] } {
    const tensors = new Map<string, Tensor>();
    for (const [g, { packed, parameters, options }] of this.#groups.entries()) {
      const slots = this.#definition.slots(options);
      for (const [i, { shape }] of parameters.entries()) {
        for (const [name, field] of this.#counters) tensors.set(`${g}.${i}.${name}`, packed.progress(field, i));
        for (const [k, name] of slots.entries()) {
          if (name !== null) tensors.set(`${g}.${i}.${name}`, new Tensor(packed.state(k, i), shape, "f32"));
        }
      }
    }
    return { tensors, groups: this.#groups.map(({ options }) => structuredClone(options)) };
  }

  /**
   * Takes what `stateDict` gave, options included. Nothing is changed unless all fits.
   *
   * @param state tensors, or host data with shapes as `io.parseSafetensors` gives it
   * @throws ValueError that lists missing, unexpected and mis-shaped names; for options that are unknown or out of range
   */
  loadStateDict({ tensors, groups }: OptimizerState<Options>): void {
    const owner = `${this.#definition.name}.loadStateDict`;
    if (groups.length !== this.#groups.length) {
      throw new ValueError(`${owner}: groups has length ${groups.length}, expected ${this.#groups.length}`);
    }
    const loaded = groups.map((options) => this.#checked({ ...this.#defaults, ...structuredClone(options) }));
    const places = new Map<string, Place>();
    for (const [g, { packed, parameters }] of this.#groups.entries()) {
      const slots = this.#definition.slots(loaded[g]!);
      for (const [i, { shape }] of parameters.entries()) {
        for (const [name, field] of this.#counters) {
          places.set(`${g}.${i}.${name}`, { shape: [], write: (value) => packed.setProgress(field, i, value) });
        }
        for (const [k, name] of slots.entries()) {
          if (name === null) continue;
          places.set(`${g}.${i}.${name}`, { shape, write: (value) => packed.writeState(k, i, value) });
        }
      }
    }
    expectState(owner, places, tensors, this.#device);
    for (const [g, { packed, options }] of this.#groups.entries()) {
      Object.assign(options, loaded[g]);
      packed.prepareState(this.#settings(options));
    }
    writeState(places, tensors, this.#device);
  }

  get #counters(): [name: string, field: string][] {
    return Object.entries(this.#definition.counters ?? { step: "step" });
  }

  #checked(options: Options): Options {
    const { name, checks, conflict } = this.#definition;
    checkValues(name, options, checks);
    const problem = conflict?.(options);
    if (problem) throw new ValueError(`${name}: ${problem}`);
    return options;
  }

  #settings(given: Options): Settings {
    const { decoupled, hyper, flags, slots, initialState } = this.#definition;
    const options = this.#checked(given);
    const { lr, weightDecay, maximize } = options;
    const isDecoupled = decoupled?.(options) ?? false;
    return {
      hyper: {
        sign: maximize ? -1 : 1,
        l2: isDecoupled ? 0 : weightDecay,
        shrink: isDecoupled ? lr * weightDecay : 0,
        lr,
        ...hyper(options),
      },
      flags: Object.fromEntries(Object.entries(flags?.(options) ?? {}).map(([name, on]) => [name, Number(on)])),
      slots: slots(options),
      initialState: initialState?.(options) ?? 0,
    };
  }
}

function isGroup(value: unknown): boolean {
  return typeof value === "object" && value !== null && !(value instanceof Tensor) && "parameters" in value;
}

function expectParameter(optimizer: string, value: unknown, index: number): asserts value is Parameter {
  if (value instanceof Parameter) return;
  throw new ValueError(`${optimizer}: parameter ${index} is ${String(value)}, expected a Parameter`);
}

/** What the kernels take of betas: what is kept of a running mean in each step, what is taken of the new, and the logarithms. */
export function moments([beta1, beta2]: readonly [number, number]) {
  return {
    keep1: beta1,
    take1: 1 - beta1,
    keep2: beta2,
    take2: 1 - beta2,
    logBeta1: logarithm(beta1),
    logBeta2: logarithm(beta2),
  };
}

// Finite at 0 too, since WGSL promises nothing for infinities; no power of the smallest differs from 0.
function logarithm(beta: number): number {
  return Math.log(Math.max(beta, 1e-30));
}
