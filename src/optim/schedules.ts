/**
 * Learning-rate schedules, with PyTorch's names, defaults and, up to float64's rounding, values. A schedule sets `lr` in the
 * options of the optimizer's groups, on the host; the optimizer brings it to the device with its next step, whether that
 * is run or replayed.
 *
 * As in PyTorch, rates follow from the ones before, so that several schedules can work on one optimizer at a time.
 */
import { ValueError } from "../gpu/errors.ts";
import {
  above0,
  above0To1,
  atLeast0,
  type Check,
  checkValues,
  expectValue,
  finite,
  flag,
  from0To1,
  oneOf,
  wholeAbove0,
  wholeAtLeast0,
} from "./options.ts";

/** What a schedule sees of an optimizer. */
export interface Scheduled {
  readonly groups: readonly { readonly options: ScheduledOptions }[];
}

interface ScheduledOptions {
  lr: number;
  momentum?: number;
  betas?: readonly [number, number];
}

/** Where a schedule is: plain JSON. */
export interface ScheduleState {
  readonly [name: string]: number | null | readonly number[] | readonly ScheduleState[];
}

/** Whatever sets learning rates. */
export interface Schedule {
  readonly optimizer: Scheduled;
  /** The learning rate of each group. */
  readonly lastLr: readonly number[];
  /** Where it is. What it was made with is not in it, and the rates are in the optimizer's state. */
  stateDict(): ScheduleState;
  /** Goes on from what `stateDict` of a schedule that was made alike gave. @throws ValueError if it does not fit */
  loadStateDict(state: ScheduleState): void;
}

// The rates before the first schedule of each group, which all schedules begin from.
const initialRates = new WeakMap<ScheduledOptions, number>();

function initialRate(options: ScheduledOptions): number {
  if (!initialRates.has(options)) initialRates.set(options, options.lr);
  return initialRates.get(options)!;
}

function ratesOf({ groups }: Scheduled): number[] {
  return groups.map(({ options }) => options.lr);
}

/** A schedule that counts what `step` is called after: epochs, or steps of the optimizer. */
export abstract class LRScheduler implements Schedule {
  readonly optimizer: Scheduled;
  /** How often `step` was called. */
  lastEpoch = 0;
  /** The rates of the groups before their first schedule. */
  protected baseLrs: number[];

  constructor(optimizer: Scheduled) {
    this.optimizer = optimizer;
    this.baseLrs = optimizer.groups.map(({ options }) => initialRate(options));
  }

  get lastLr(): readonly number[] {
    return ratesOf(this.optimizer);
  }

  /** Goes on by one. */
  step(): void {
    this.lastEpoch++;
    this.setRates((lr, i) => this.next(lr, i));
  }

  /** Goes to epoch 0, from the rates that the groups have. A constructor ends with it. */
  start(): void {
    this.lastEpoch = 0;
    this.setRates((lr, i) => this.first(lr, i));
  }

  /** Goes to epoch 0, from the rates that the groups had before their first schedule. */
  restart(): void {
    for (const [i, lr] of this.baseLrs.entries()) this.optimizer.groups[i]!.options.lr = lr;
    this.start();
  }

  stateDict(): ScheduleState {
    return { lastEpoch: this.lastEpoch, baseLrs: [...this.baseLrs] };
  }

  loadStateDict(state: ScheduleState): void {
    const { lastEpoch, baseLrs } = state;
    const owner = `${this.constructor.name}.loadStateDict`;
    expectValue(owner, "lastEpoch", lastEpoch, wholeAtLeast0);
    expectValue(owner, "baseLrs", baseLrs, { isValid: Array.isArray, expected: "a list" });
    this.lastEpoch = lastEpoch as number;
    this.baseLrs = [...perGroup(owner, "baseLrs", baseLrs as readonly number[], this.optimizer)];
  }

  /** The rate of group `i` at epoch 0, where the group has `lr`. */
  protected first(lr: number, _i: number): number {
    return lr;
  }

  /** The rate of group `i` at `lastEpoch`, where it was `lr` at the epoch before. */
  protected abstract next(lr: number, i: number): number;

  /** Groups that were added later are left alone. */
  protected setRates(rate: (lr: number, i: number) => number): void {
    for (const i of this.baseLrs.keys()) {
      const { options } = this.optimizer.groups[i]!;
      options.lr = rate(options.lr, i);
    }
  }
}

/** A value for each group, from one for all or a list. */
function perGroup<T>(owner: string, name: string, value: T | readonly T[], { groups }: Scheduled): readonly T[] {
  if (!Array.isArray(value)) return groups.map(() => value as T);
  if (value.length === groups.length) return value;
  throw new ValueError(`${owner}: ${name} has length ${value.length}, expected ${groups.length}, one per group`);
}

const aFunction: Check = { isValid: (value) => typeof value === "function", expected: "a function" };

/**
 * Multiplies the rates by `gamma` every `stepSize` epochs.
 *
 * @param options gamma (default 0.1)
 * @throws ValueError for an option out of range
 * @example
 * const schedule = new optim.StepLR(optimizer, 30);
 * for (const epoch of epochs) {
 *   await train(epoch);
 *   schedule.step();
 * }
 */
export class StepLR extends LRScheduler {
  readonly #stepSize: number;
  readonly #gamma: number;

  constructor(optimizer: Scheduled, stepSize: number, options: { gamma?: number } = {}) {
    super(optimizer);
    expectValue("StepLR", "stepSize", stepSize, wholeAbove0);
    const all = { gamma: 0.1, ...options };
    checkValues("StepLR", all, { gamma: atLeast0 });
    this.#stepSize = stepSize;
    this.#gamma = all.gamma;
    this.start();
  }

  protected override next(lr: number): number {
    return this.lastEpoch % this.#stepSize === 0 ? lr * this.#gamma : lr;
  }
}

/**
 * Multiplies the rates by `gamma` at each of the epochs `milestones`, as often as it is listed.
 *
 * @param options gamma (default 0.1)
 * @throws ValueError for an option out of range
 */
export class MultiStepLR extends LRScheduler {
  readonly #milestones: readonly number[];
  readonly #gamma: number;

  constructor(optimizer: Scheduled, milestones: readonly number[], options: { gamma?: number } = {}) {
    super(optimizer);
    const all = { gamma: 0.1, ...options };
    checkValues("MultiStepLR", all, { gamma: atLeast0 });
    this.#milestones = expectMilestones("MultiStepLR", milestones);
    this.#gamma = all.gamma;
    this.start();
  }

  protected override next(lr: number): number {
    return lr * this.#gamma ** this.#milestones.filter((milestone) => milestone === this.lastEpoch).length;
  }
}

function expectMilestones(owner: string, milestones: readonly number[]): readonly number[] {
  for (const [i, milestone] of milestones.entries()) expectValue(owner, `milestones[${i}]`, milestone, wholeAtLeast0);
  return [...milestones];
}

/**
 * Multiplies the rates by `gamma` every epoch.
 *
 * @throws ValueError for an option out of range
 */
export class ExponentialLR extends LRScheduler {
  readonly #gamma: number;

  constructor(optimizer: Scheduled, gamma: number) {
    super(optimizer);
    expectValue("ExponentialLR", "gamma", gamma, atLeast0);
    this.#gamma = gamma;
    this.start();
  }

  protected override next(lr: number): number {
    return lr * this.#gamma;
  }
}

/**
 * Multiplies the rates by `factor` for the first `totalIters` epochs.
 *
 * @param options factor (default 1/3), totalIters (5)
 * @throws ValueError for an option out of range
 */
export class ConstantLR extends LRScheduler {
  readonly #factor: number;
  readonly #totalIters: number;

  constructor(optimizer: Scheduled, options: { factor?: number; totalIters?: number } = {}) {
    super(optimizer);
    const all = { factor: 1 / 3, totalIters: 5, ...options };
    checkValues("ConstantLR", all, { factor: above0To1, totalIters: wholeAtLeast0 });
    this.#factor = all.factor;
    this.#totalIters = all.totalIters;
    this.start();
  }

  protected override first(lr: number): number {
    return lr * this.#factor;
  }

  protected override next(lr: number): number {
    return this.lastEpoch === this.#totalIters ? lr * (1 / this.#factor) : lr;
  }
}

/**
 * Multiplies the rates by a factor that goes from `startFactor` to `endFactor` in `totalIters` epochs: a warm-up.
 *
 * @param options startFactor (default 1/3), endFactor (1), totalIters (5)
 * @throws ValueError for an option out of range
 */
export class LinearLR extends LRScheduler {
  readonly #startFactor: number;
  readonly #endFactor: number;
  readonly #totalIters: number;

  constructor(optimizer: Scheduled, options: { startFactor?: number; endFactor?: number; totalIters?: number } = {}) {
    super(optimizer);
    const all = { startFactor: 1 / 3, endFactor: 1, totalIters: 5, ...options };
    checkValues("LinearLR", all, { startFactor: above0To1, endFactor: from0To1, totalIters: wholeAtLeast0 });
    this.#startFactor = all.startFactor;
    this.#endFactor = all.endFactor;
    this.#totalIters = all.totalIters;
    this.start();
  }

  protected override first(lr: number): number {
    return lr * this.#startFactor;
  }

  protected override next(lr: number): number {
    if (this.lastEpoch > this.#totalIters) return lr;
    const change = this.#endFactor - this.#startFactor;
    return lr * (1 + change / (this.#totalIters * this.#startFactor + (this.lastEpoch - 1) * change));
  }
}

/**
 * Lets the rates fall to 0 in `totalIters` epochs, as `(1 - epoch / totalIters)^power`.
 *
 * @param options totalIters (default 5), power (1)
 * @throws ValueError for an option out of range
 */
export class PolynomialLR extends LRScheduler {
  readonly #totalIters: number;
  readonly #power: number;

  constructor(optimizer: Scheduled, options: { totalIters?: number; power?: number } = {}) {
    super(optimizer);
    const all = { totalIters: 5, power: 1, ...options };
    checkValues("PolynomialLR", all, { totalIters: wholeAbove0, power: finite });
    this.#totalIters = all.totalIters;
    this.#power = all.power;
    this.start();
  }

  protected override next(lr: number): number {
    if (this.lastEpoch > this.#totalIters) return lr;
    const left = (epoch: number) => 1 - epoch / this.#totalIters;
    return lr * (left(this.lastEpoch) / left(this.lastEpoch - 1)) ** this.#power;
  }
}

/**
 * Lets the rates fall to `etaMin` along half a cosine in `tMax` epochs, and rise again after.
 *
 *     etaMin + (lr - etaMin) (1 + cos(pi epoch / tMax)) / 2
 *
 * @param options etaMin (default 0)
 * @throws ValueError for an option out of range
 * @see Loshchilov, Hutter 2016, https://arxiv.org/abs/1608.03983
 */
export class CosineAnnealingLR extends LRScheduler {
  readonly #tMax: number;
  readonly #etaMin: number;

  constructor(optimizer: Scheduled, tMax: number, options: { etaMin?: number } = {}) {
    super(optimizer);
    expectValue("CosineAnnealingLR", "tMax", tMax, wholeAbove0);
    const all = { etaMin: 0, ...options };
    checkValues("CosineAnnealingLR", all, { etaMin: atLeast0 });
    this.#tMax = tMax;
    this.#etaMin = all.etaMin;
    this.start();
  }

  protected override next(lr: number, i: number): number {
    // Just after the bottom, where the quotient below is one by 0.
    if ((this.lastEpoch - 1 - this.#tMax) % (2 * this.#tMax) === 0) {
      return lr + ((this.baseLrs[i]! - this.#etaMin) * (1 - Math.cos(Math.PI / this.#tMax))) / 2;
    }
    const height = (epoch: number) => 1 + Math.cos((Math.PI * epoch) / this.#tMax);
    return (height(this.lastEpoch) / height(this.lastEpoch - 1)) * (lr - this.#etaMin) + this.#etaMin;
  }
}

/**
 * As `CosineAnnealingLR`, but starts again from the top after `t0` epochs, then after `tMult` times as many, and so on.
 *
 * @param options tMult (default 1), etaMin (0)
 * @throws ValueError for an option out of range
 * @see Loshchilov, Hutter 2016, https://arxiv.org/abs/1608.03983
 * @example
 * schedule.step(epoch + batch / batches); // after each batch, in fractions of an epoch
 */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  readonly #t0: number;
  readonly #tMult: number;
  readonly #etaMin: number;
  #length: number; // of the period it is in
  #passed = 0; // of that period

  constructor(optimizer: Scheduled, t0: number, options: { tMult?: number; etaMin?: number } = {}) {
    super(optimizer);
    expectValue("CosineAnnealingWarmRestarts", "t0", t0, wholeAbove0);
    const all = { tMult: 1, etaMin: 0, ...options };
    checkValues("CosineAnnealingWarmRestarts", all, { tMult: wholeAbove0, etaMin: atLeast0 });
    this.#t0 = t0;
    this.#tMult = all.tMult;
    this.#etaMin = all.etaMin;
    this.#length = t0;
    this.start();
  }

  /** Goes on by one, or to `epoch`, which may be a fraction. @throws ValueError for one below 0 */
  override step(epoch?: number): void {
    if (epoch === undefined) {
      this.lastEpoch++;
      if (++this.#passed >= this.#length) {
        this.#passed -= this.#length;
        this.#length *= this.#tMult;
      }
    } else {
      expectValue("CosineAnnealingWarmRestarts.step", "epoch", epoch, atLeast0);
      this.#goTo(epoch);
    }
    this.setRates((_, i) => this.#rate(i));
  }

  override start(): void {
    this.#goTo(0);
    this.setRates((_, i) => this.#rate(i));
  }

  override stateDict(): ScheduleState {
    return { ...super.stateDict(), length: this.#length, passed: this.#passed };
  }

  override loadStateDict(state: ScheduleState): void {
    expectValue("CosineAnnealingWarmRestarts.loadStateDict", "length", state.length, above0);
    expectValue("CosineAnnealingWarmRestarts.loadStateDict", "passed", state.passed, atLeast0);
    super.loadStateDict(state);
    this.#length = state.length as number;
    this.#passed = state.passed as number;
  }

  protected override next(_: number, i: number): number {
    return this.#rate(i);
  }

  #goTo(epoch: number): void {
    this.lastEpoch = Math.floor(epoch);
    this.#length = this.#t0;
    this.#passed = this.#tMult === 1 ? epoch % this.#t0 : epoch;
    while (this.#passed >= this.#length) {
      this.#passed -= this.#length;
      this.#length *= this.#tMult;
    }
  }

  #rate(i: number): number {
    const height = (1 + Math.cos((Math.PI * this.#passed) / this.#length)) / 2;
    return this.#etaMin + (this.baseLrs[i]! - this.#etaMin) * height;
  }
}

export interface OneCycleOptions {
  /** All steps; or `epochs` and `stepsPerEpoch`. */
  totalSteps?: number;
  epochs?: number;
  stepsPerEpoch?: number;
  /** The part of the steps in which the rate rises. */
  pctStart?: number;
  annealStrategy?: "cos" | "linear";
  /** Whether momentum, or beta1, falls where the rate rises and rises where it falls. */
  cycleMomentum?: boolean;
  baseMomentum?: number | readonly number[];
  maxMomentum?: number | readonly number[];
  /** maxLr is so many times the first rate. */
  divFactor?: number;
  /** The first rate is so many times the last. */
  finalDivFactor?: number;
  /** Whether to go down to the first rate as fast as up, and to the last from there. */
  threePhase?: boolean;
}

interface Turn {
  readonly step: number;
  readonly lr: "first" | "max" | "last";
  readonly momentum: "base" | "max";
}

/**
 * One cycle: the rates rise from `maxLr / divFactor` to `maxLr`, then fall far below where they began. To be stepped after
 * every step of the optimizer.
 *
 * @param maxLr for all groups, or one per group
 * @param options totalSteps, or epochs and stepsPerEpoch; pctStart (default 0.3), annealStrategy ("cos"), cycleMomentum (true),
 *   baseMomentum (0.85), maxMomentum (0.95), divFactor (25), finalDivFactor (1e4), threePhase (false)
 * @throws ValueError for an option out of range, or if momentum is to be cycled and the optimizer has none
 * @see Smith, Topin 2017, https://arxiv.org/abs/1708.07120
 */
export class OneCycleLR extends LRScheduler {
  readonly #totalSteps: number;
  readonly #turns: readonly Turn[];
  readonly #anneal: (from: number, to: number, part: number) => number;
  readonly #lrs: readonly Record<Turn["lr"], number>[];
  readonly #momentums: readonly Record<Turn["momentum"], number>[] | null;

  constructor(optimizer: Scheduled, maxLr: number | readonly number[], options: OneCycleOptions = {}) {
    super(optimizer);
    const owner = "OneCycleLR";
    const { totalSteps, epochs, stepsPerEpoch, baseMomentum = 0.85, maxMomentum = 0.95, ...rest } = options;
    const all = {
      pctStart: 0.3,
      annealStrategy: "cos",
      cycleMomentum: true,
      divFactor: 25,
      finalDivFactor: 1e4,
      threePhase: false,
      ...rest,
    };
    checkValues(owner, all, {
      pctStart: from0To1,
      annealStrategy: oneOf("cos", "linear"),
      cycleMomentum: flag,
      divFactor: above0,
      finalDivFactor: above0,
      threePhase: flag,
    });
    this.#totalSteps = stepsOf({ totalSteps, epochs, stepsPerEpoch });
    this.#turns = turnsOf(this.#totalSteps, all.pctStart, all.threePhase);
    this.#anneal = all.annealStrategy === "cos" ? annealByCosine : annealByLine;
    this.#lrs = perGroup(owner, "maxLr", maxLr, optimizer).map((max) => {
      expectValue(owner, "maxLr", max, atLeast0);
      const first = max / all.divFactor;
      return { first, max, last: first / all.finalDivFactor };
    });
    for (const [i, { options }] of optimizer.groups.entries()) initialRates.set(options, this.#lrs[i]!.first);
    this.baseLrs = this.#lrs.map(({ first }) => first);
    this.#momentums = all.cycleMomentum ? momentumsOf(optimizer, baseMomentum, maxMomentum) : null;
    this.start();
  }

  /** @throws ValueError after the last step */
  override step(): void {
    if (this.lastEpoch >= this.#totalSteps) {
      throw new ValueError(`OneCycleLR: step ${this.lastEpoch + 1}, expected at most ${this.#totalSteps}`);
    }
    super.step();
  }

  protected override first(_: number, i: number): number {
    return this.#set(i);
  }

  protected override next(_: number, i: number): number {
    return this.#set(i);
  }

  // Sets the momentum of a group. Returns its rate.
  #set(i: number): number {
    const end = this.#turns.findIndex(({ step }, k) => k > 0 && this.lastEpoch <= step);
    const [from, to] = this.#turns.slice(end < 0 ? -2 : end - 1) as [Turn, Turn];
    const part = to.step === from.step ? 1 : (this.lastEpoch - from.step) / (to.step - from.step);
    const { options } = this.optimizer.groups[i]!;
    const momentums = this.#momentums?.[i];
    if (momentums) {
      const momentum = this.#anneal(momentums[from.momentum], momentums[to.momentum], part);
      if (options.betas) options.betas = [momentum, options.betas[1]];
      else options.momentum = momentum;
    }
    return this.#anneal(this.#lrs[i]![from.lr], this.#lrs[i]![to.lr], part);
  }
}

function stepsOf({ totalSteps, epochs, stepsPerEpoch }: Record<string, number | undefined>): number {
  if (totalSteps !== undefined) {
    expectValue("OneCycleLR", "totalSteps", totalSteps, wholeAbove0);
    return totalSteps;
  }
  if (epochs === undefined && stepsPerEpoch === undefined) {
    throw new ValueError("OneCycleLR: totalSteps is missing, expected it, or epochs and stepsPerEpoch");
  }
  expectValue("OneCycleLR", "epochs", epochs, wholeAbove0);
  expectValue("OneCycleLR", "stepsPerEpoch", stepsPerEpoch, wholeAbove0);
  return epochs! * stepsPerEpoch!;
}

// Where the rates turn, the beginning and the end included.
function turnsOf(totalSteps: number, pctStart: number, threePhase: boolean): Turn[] {
  const begin: Turn = { step: 0, lr: "first", momentum: "max" };
  const top: Turn = { step: pctStart * totalSteps - 1, lr: "max", momentum: "base" };
  const down: Turn = { step: 2 * pctStart * totalSteps - 2, lr: "first", momentum: "max" };
  const end: Turn = { step: totalSteps - 1, lr: "last", momentum: "max" };
  return threePhase ? [begin, top, down, end] : [begin, top, end];
}

function momentumsOf(
  optimizer: Scheduled,
  base: number | readonly number[],
  max: number | readonly number[],
): Record<Turn["momentum"], number>[] {
  const bases = perGroup("OneCycleLR", "baseMomentum", base, optimizer);
  const maxes = perGroup("OneCycleLR", "maxMomentum", max, optimizer);
  return optimizer.groups.map(({ options }, i) => {
    if (!options.betas && options.momentum === undefined) {
      throw new ValueError("OneCycleLR: cycleMomentum is true, expected an optimizer with momentum or betas");
    }
    expectValue("OneCycleLR", "baseMomentum", bases[i], from0To1);
    expectValue("OneCycleLR", "maxMomentum", maxes[i], from0To1);
    return { base: bases[i]!, max: maxes[i]! };
  });
}

function annealByCosine(from: number, to: number, part: number): number {
  return to + ((from - to) / 2) * (Math.cos(Math.PI * part) + 1);
}

function annealByLine(from: number, to: number, part: number): number {
  return (to - from) * part + from;
}

/**
 * Sets the rates to those before the first schedule, times a function of the epoch.
 *
 * @param lrLambda for all groups, or one per group
 * @throws ValueError if it is not a function, or not one per group
 * @example
 * new optim.LambdaLR(optimizer, (step) => Math.min((step + 1) / 100, 1)); // a warm-up
 */
export class LambdaLR extends LRScheduler {
  readonly #lambdas: readonly ((epoch: number) => number)[];

  constructor(optimizer: Scheduled, lrLambda: ((epoch: number) => number) | readonly ((epoch: number) => number)[]) {
    super(optimizer);
    this.#lambdas = perGroup("LambdaLR", "lrLambda", lrLambda, optimizer);
    for (const lambda of this.#lambdas) expectValue("LambdaLR", "lrLambda", lambda, aFunction);
    this.start();
  }

  protected override first(_: number, i: number): number {
    return this.baseLrs[i]! * this.#lambdas[i]!(this.lastEpoch);
  }

  protected override next(_: number, i: number): number {
    return this.baseLrs[i]! * this.#lambdas[i]!(this.lastEpoch);
  }
}

/**
 * Multiplies the rates by a function of the epoch, from epoch 1 on.
 *
 * @param lrLambda for all groups, or one per group
 * @throws ValueError if it is not a function, or not one per group
 */
export class MultiplicativeLR extends LRScheduler {
  readonly #lambdas: readonly ((epoch: number) => number)[];

  constructor(optimizer: Scheduled, lrLambda: ((epoch: number) => number) | readonly ((epoch: number) => number)[]) {
    super(optimizer);
    this.#lambdas = perGroup("MultiplicativeLR", "lrLambda", lrLambda, optimizer);
    for (const lambda of this.#lambdas) expectValue("MultiplicativeLR", "lrLambda", lambda, aFunction);
    this.start();
  }

  /** Goes to epoch 0, and, as in PyTorch, leaves the rates as they are. */
  override restart(): void {
    this.start();
  }

  protected override next(lr: number, i: number): number {
    return lr * this.#lambdas[i]!(this.lastEpoch);
  }
}

/**
 * One schedule after the other: the next takes over at each of `milestones`, and begins from the rates before the first.
 *
 * @param schedulers all of `optimizer`
 * @param milestones epochs, one fewer than there are schedules
 * @throws ValueError for a schedule of another optimizer, or another number of milestones
 * @example
 * const warmUp = new optim.LinearLR(optimizer, { totalIters: 100 });
 * const decay = new optim.CosineAnnealingLR(optimizer, 900);
 * const schedule = new optim.SequentialLR(optimizer, [warmUp, decay], [100]);
 */
export class SequentialLR implements Schedule {
  readonly optimizer: Scheduled;
  /** How often `step` was called. */
  lastEpoch = 0;
  readonly #schedulers: readonly LRScheduler[];
  readonly #milestones: readonly number[];

  constructor(optimizer: Scheduled, schedulers: readonly LRScheduler[], milestones: readonly number[]) {
    this.optimizer = optimizer;
    this.#schedulers = expectOneOptimizer("SequentialLR", schedulers, optimizer);
    if (milestones.length !== schedulers.length - 1) {
      throw new ValueError(
        `SequentialLR: milestones has length ${milestones.length}, expected ${schedulers.length - 1}, one fewer than schedulers`,
      );
    }
    this.#milestones = expectMilestones("SequentialLR", milestones);
    for (const { options } of optimizer.groups) options.lr = initialRate(options);
    schedulers[0]!.start();
  }

  get lastLr(): readonly number[] {
    return ratesOf(this.optimizer);
  }

  /** Goes on by one. */
  step(): void {
    this.lastEpoch++;
    const passed = this.#milestones.filter((milestone) => milestone <= this.lastEpoch);
    const scheduler = this.#schedulers[passed.length]!;
    if (passed.at(-1) === this.lastEpoch) scheduler.restart();
    else scheduler.step();
  }

  stateDict(): ScheduleState {
    return { lastEpoch: this.lastEpoch, schedulers: this.#schedulers.map((scheduler) => scheduler.stateDict()) };
  }

  loadStateDict(state: ScheduleState): void {
    expectValue("SequentialLR.loadStateDict", "lastEpoch", state.lastEpoch, wholeAtLeast0);
    loadAll("SequentialLR", this.#schedulers, state);
    this.lastEpoch = state.lastEpoch as number;
  }
}

/**
 * Several schedules at a time: each changes the rates that the one before has set.
 *
 * @param schedulers all of one optimizer
 * @throws ValueError if there are none, or their optimizers differ
 */
export class ChainedScheduler implements Schedule {
  readonly optimizer: Scheduled;
  readonly #schedulers: readonly LRScheduler[];

  constructor(schedulers: readonly LRScheduler[]) {
    this.#schedulers = expectOneOptimizer("ChainedScheduler", schedulers, schedulers[0]?.optimizer);
    this.optimizer = schedulers[0]!.optimizer;
  }

  get lastLr(): readonly number[] {
    return ratesOf(this.optimizer);
  }

  /** Goes on by one. */
  step(): void {
    for (const scheduler of this.#schedulers) scheduler.step();
  }

  stateDict(): ScheduleState {
    return { schedulers: this.#schedulers.map((scheduler) => scheduler.stateDict()) };
  }

  loadStateDict(state: ScheduleState): void {
    loadAll("ChainedScheduler", this.#schedulers, state);
  }
}

function expectOneOptimizer(
  owner: string,
  schedulers: readonly LRScheduler[],
  optimizer: Scheduled | undefined,
): readonly LRScheduler[] {
  if (schedulers.length === 0) throw new ValueError(`${owner}: there are no schedulers`);
  const other = schedulers.findIndex((scheduler) => scheduler.optimizer !== optimizer);
  if (other >= 0) throw new ValueError(`${owner}: schedulers[${other}] is of another optimizer`);
  return [...schedulers];
}

function loadAll(owner: string, schedulers: readonly LRScheduler[], { schedulers: states }: ScheduleState): void {
  const length = Array.isArray(states) ? states.length : 0;
  if (length !== schedulers.length) {
    throw new ValueError(`${owner}.loadStateDict: schedulers has length ${length}, expected ${schedulers.length}`);
  }
  for (const [i, scheduler] of schedulers.entries()) scheduler.loadStateDict((states as ScheduleState[])[i]!);
}

export interface PlateauOptions {
  /** Whether the measure is better when it is smaller, or larger. */
  mode?: "min" | "max";
  /** What the rates are multiplied by. */
  factor?: number;
  /** Epochs without improvement that are let pass. */
  patience?: number;
  /** How much better counts as an improvement. */
  threshold?: number;
  /** Whether `threshold` is a part of the best measure, or a difference from it. */
  thresholdMode?: "rel" | "abs";
  /** Epochs after a reduction in which nothing is counted. */
  cooldown?: number;
  /** For all groups, or one per group. */
  minLr?: number | readonly number[];
  /** A reduction by no more than this is left out. */
  eps?: number;
}

/**
 * Multiplies the rates by `factor` when a measure has not improved for more than `patience` epochs.
 *
 * @param options mode (default "min"), factor (0.1), patience (10), threshold (1e-4), thresholdMode ("rel"), cooldown (0),
 *   minLr (0), eps (1e-8)
 * @throws ValueError for an option out of range
 * @example
 * const schedule = new optim.ReduceLROnPlateau(optimizer, { patience: 3 });
 * schedule.step(validationLoss);
 */
export class ReduceLROnPlateau implements Schedule {
  readonly optimizer: Scheduled;
  /** How often `step` was called. */
  lastEpoch = 0;
  readonly #options: Required<Omit<PlateauOptions, "minLr">>;
  readonly #minLrs: readonly number[];
  #best: number | null = null; // null before the first measure that is a number
  #badEpochs = 0;
  #cooldown = 0;

  constructor(optimizer: Scheduled, { minLr = 0, ...options }: PlateauOptions = {}) {
    const owner = "ReduceLROnPlateau";
    this.optimizer = optimizer;
    this.#options = {
      mode: "min",
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      thresholdMode: "rel",
      cooldown: 0,
      eps: 1e-8,
      ...options,
    };
    checkValues(owner, this.#options, {
      mode: oneOf("min", "max"),
      factor: { isValid: (value) => from0To1.isValid(value) && value !== 1, expected: "a number from 0 up to 1" },
      patience: wholeAtLeast0,
      threshold: atLeast0,
      thresholdMode: oneOf("rel", "abs"),
      cooldown: wholeAtLeast0,
      eps: atLeast0,
    });
    this.#minLrs = perGroup(owner, "minLr", minLr, optimizer);
    for (const least of this.#minLrs) expectValue(owner, "minLr", least, atLeast0);
  }

  get lastLr(): readonly number[] {
    return ratesOf(this.optimizer);
  }

  /** Goes on by one epoch, which had this measure. NaN is no improvement. */
  step(measure: number): void {
    const { patience, cooldown } = this.#options;
    this.lastEpoch++;
    if (this.#isBetter(measure)) {
      this.#best = measure;
      this.#badEpochs = 0;
    } else {
      this.#badEpochs++;
    }
    if (this.#cooldown > 0) {
      this.#cooldown--;
      this.#badEpochs = 0;
    }
    if (this.#badEpochs > patience) {
      this.#reduce();
      this.#cooldown = cooldown;
      this.#badEpochs = 0;
    }
  }

  stateDict(): ScheduleState {
    return { lastEpoch: this.lastEpoch, best: this.#best, badEpochs: this.#badEpochs, cooldown: this.#cooldown };
  }

  loadStateDict({ lastEpoch, best, badEpochs, cooldown }: ScheduleState): void {
    const owner = "ReduceLROnPlateau.loadStateDict";
    for (const [name, value] of Object.entries({ lastEpoch, badEpochs, cooldown })) {
      expectValue(owner, name, value, wholeAtLeast0);
    }
    if (best !== null) expectValue(owner, "best", best, finite);
    this.lastEpoch = lastEpoch as number;
    this.#best = best as number | null;
    this.#badEpochs = badEpochs as number;
    this.#cooldown = cooldown as number;
  }

  #isBetter(measure: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options;
    const sign = mode === "min" ? 1 : -1;
    const best = this.#best;
    if (best === null) return sign * measure < Number.POSITIVE_INFINITY;
    const bound = thresholdMode === "rel" ? best * (1 - sign * threshold) : best - sign * threshold;
    return sign * measure < sign * bound;
  }

  #reduce(): void {
    for (const [i, least] of this.#minLrs.entries()) {
      const { options } = this.optimizer.groups[i]!;
      const lr = Math.max(options.lr * this.#options.factor, least);
      if (options.lr - lr > this.#options.eps) options.lr = lr;
    }
  }
}
