/** The kernels of the optimizers: many parameters in a few dispatches, with nothing read back. */
import { TilegradError } from "../../gpu/errors.ts";
import { type Bindable, ceilDiv, dispatch, type Reference } from "../../gpu/kernel.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { MATH } from "../lib/lib.ts";
import { loadPacked, type PackedKernel } from "../lib/packed.ts";
import {
  adadeltaRule,
  adagradRule,
  adamaxRule,
  adamRule,
  lionRule,
  movingAverageRule,
  nadamRule,
  PROGRESS_WORDS,
  type Rule,
  radamRule,
  rmspropRule,
  ruleReference,
  sgdRule,
} from "./optimizer.reference.ts";

const THREADS = 64;

export { PROGRESS_WORDS };

/** Room for every optimizer's struct Hyper. */
export const HYPER_WORDS = 16;

/** Parameters that lie together, and are changed by one dispatch where that pays. */
export const PACK = 4;

/** One optimizer's mathematics: optimizer.wgsl with what is appended to it. */
export class Algorithm {
  readonly kernel: PackedKernel;
  readonly #fields = new Map<string, readonly string[]>();

  constructor(name: string, rules: URL, rule: Rule) {
    const reference: Reference = ruleReference(rule, (struct) => this.fields(struct));
    this.kernel = loadPacked(new URL("./optimizer.wgsl", import.meta.url), { lib: [MATH, rules], reference, name });
  }

  /** The names of the fields of `Hyper` or `Progress`, as its WGSL declares them. */
  fields(struct: "Hyper" | "Progress"): readonly string[] {
    let names = this.#fields.get(struct);
    if (!names) {
      const { source } = this.kernel(1).variant("gpu");
      const body = new RegExp(`struct ${struct} \\{([^}]*)\\}`).exec(source)![1]!;
      names = [...body.matchAll(/(\w+): f32/g)].map((match) => match[1]!);
      this.#fields.set(struct, names);
    }
    return names;
  }

  /** The options as the kernel's struct Hyper has them. */
  hyper(values: Readonly<Record<string, number>>): Float64Array {
    const words = new Float64Array(HYPER_WORDS);
    for (const [k, name] of this.fields("Hyper").entries()) {
      const value = values[name];
      if (value === undefined)
        throw new TilegradError(`kernel ${this.kernel(1).name}: the option "${name}" is missing`);
      words[k] = value;
    }
    return words;
  }
}

export const SGD = new Algorithm("sgd", new URL("./sgd.wgsl", import.meta.url), sgdRule);
export const ADAM = new Algorithm("adam", new URL("./adam.wgsl", import.meta.url), adamRule);
export const NADAM = new Algorithm("nadam", new URL("./nadam.wgsl", import.meta.url), nadamRule);
export const RADAM = new Algorithm("radam", new URL("./radam.wgsl", import.meta.url), radamRule);
export const RMSPROP = new Algorithm("rmsprop", new URL("./rmsprop.wgsl", import.meta.url), rmspropRule);
export const ADAGRAD = new Algorithm("adagrad", new URL("./adagrad.wgsl", import.meta.url), adagradRule);
export const ADADELTA = new Algorithm("adadelta", new URL("./adadelta.wgsl", import.meta.url), adadeltaRule);
export const ADAMAX = new Algorithm("adamax", new URL("./adamax.wgsl", import.meta.url), adamaxRule);
export const LION = new Algorithm("lion", new URL("./lion.wgsl", import.meta.url), lionRule);
export const MOVING_AVERAGE = new Algorithm(
  "movingAverage",
  new URL("./moving-average.wgsl", import.meta.url),
  movingAverageRule,
);

/** Override constants of an algorithm. */
export type Flags = Readonly<Record<string, number>>;

export interface GroupStorages {
  readonly counts: Bindable; // [parameters, PROGRESS_WORDS]
  readonly enabled: Bindable; // [parameters] u32
  readonly hyper: Bindable; // [HYPER_WORDS]
  readonly found: Bindable; // [4] u32
}

/** Counts a step of every parameter of a group that is enabled. */
export function advance({ kernel }: Algorithm, group: GroupStorages, flags: Flags): void {
  const { counts, enabled, hyper, found } = group;
  const parameters = enabled.storage.length;
  dispatch(kernel(1), "advance", {
    bind: { counts, enabled, hyper, found },
    params: { sizes: [], offsets: [], place: 0, parameters },
    constants: flags,
    groups: ceilDiv(parameters, THREADS),
  });
}

export interface PackedParameter {
  /** In words, from the start of the pack. */
  readonly offset: number;
  /** Null: the parameter stays as it is. */
  readonly gradient: Tensor | null;
}

export interface PackStorages {
  readonly p: Bindable;
  /** Each of the length of `p`, or anything that is not empty where the algorithm does not use it. */
  readonly s0: Bindable;
  readonly s1: Bindable;
  readonly s2: Bindable;
  readonly progress: Bindable; // [PACK, PROGRESS_WORDS], a range of the group's counts
  readonly hyper: Bindable;
  readonly found: Bindable; // [4] u32
}

/**
 * Changes up to PACK parameters, in place.
 *
 * @param parameters whose sizes are all divisible by four, or none is
 */
export function update(
  { kernel }: Algorithm,
  { p, s0, s1, s2, progress, hyper, found }: PackStorages,
  parameters: readonly PackedParameter[],
  flags: Flags,
): void {
  const together = p.storage.device.family === "software" ? 1 : PACK;
  for (let place = 0; place < parameters.length; place += together) {
    const chunk = parameters.slice(place, place + together);
    const gradients = chunk.map(({ gradient }) => gradient);
    const some = gradients.find((gradient) => gradient !== null);
    if (!some) continue;
    const width = some.size % 4 === 0 ? 4 : 1;
    const sizes = gradients.map((gradient) => gradient?.size ?? 0);
    const [g0, g1, g2, g3] = Array.from({ length: PACK }, (_, j) => gradients[j] ?? some);
    dispatch(kernel(width), "update", {
      bind: { p, s0, s1, s2, g0: g0!, g1: g1!, g2: g2!, g3: g3!, progress, hyper, found },
      params: { sizes, offsets: chunk.map(({ offset }) => offset), place, parameters: chunk.length },
      constants: { ...flags, TOGETHER: together },
      groups: ceilDiv(Math.max(...sizes) / width, THREADS),
    });
  }
}
