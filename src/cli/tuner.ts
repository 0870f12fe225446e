/**
 * Measures the kernels that an op could use at one size. A candidate counts only if its result is right, and takes the place of
 * the heuristic's choice only if it is faster beyond the noise.
 */
import type { Device } from "../gpu/device.ts";
import { DeviceLostError, TilegradError } from "../gpu/errors.ts";
import type { Choice, Tuning } from "../gpu/tuning.ts";
import type { WebGpuDevice } from "../gpu/webgpu.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { deviceNamed, withDevice } from "../tensor/device.ts";
import { scope } from "../tensor/scope.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** An op at one size. */
export interface TuningCase {
  /** The sizes that its winner is remembered for. */
  readonly bucket: string;
  /** The heuristic's choice first. */
  readonly candidates: readonly Choice[];
  readonly operands: readonly Shape[];
  /** Products in all. */
  readonly products: number;
  readonly check: Check;
  readonly run: (operands: readonly Tensor[]) => Tensor;
  /** `wall` where candidates differ by many dispatches, whose launch is a part of what they cost; the GPU's by default, if it has one. */
  readonly clock?: Clock;
}

type Clock = "gpu" | "wall";

/**
 * How a result is told to be right. A sum of `terms` products is exact in float32, in any order, where the operands are whole
 * numbers so small that no sum passes 2^24: then every right result has the reference's bits, and no tolerance can hide a wrong
 * one. Where more than sums is computed, the operands are small fractions, and `tolerance` is of the result's largest magnitude.
 */
export type Check = { readonly terms: number } | { readonly tolerance: number };

type Numbers = ArrayLike<number>;

export interface Measurement {
  readonly bucket: string;
  /** Of the heuristic's choice; infinite if that is wrong on this adapter. */
  readonly heuristicMilliseconds: number;
  /** The choice that is faster, if there is one. */
  readonly winner: { readonly choice: Choice; readonly milliseconds: number } | null;
  readonly candidates: number;
  /** Candidates whose result was wrong, or that the adapter could not run. */
  readonly refused: readonly Choice[];
}

export interface MeasureOptions {
  /** Turns that each candidate gets. */
  readonly rounds: number;
  /** Whether to leave off: then nothing is found. */
  readonly isStopped?: () => boolean;
}

// Of the heuristic's time: a candidate must stay below.
const CLEARLY = 0.95;
// Of the best time so far: a candidate above it after its first turn, or after a later one, gets no more.
const HOPELESS = { first: 2, later: 1.2 } as const;
// One timing takes at least this long, so that the clock's steps, or without a clock of the GPU the launch, do not matter.
const LEAST_MILLISECONDS = { gpu: 1, wall: 20 } as const;
const MOST_REPEATS = 64;
// The reference of so many products takes a second.
const QUICK_PRODUCTS = 2 ** 25;

/**
 * Measures a case on a device, whose tuning is the candidate's for as long as that runs.
 *
 * @returns what was found, or null if it was stopped
 */
export async function measure(
  device: WebGpuDevice,
  given: TuningCase,
  { rounds, isStopped = () => false }: MeasureOptions,
): Promise<Measurement | null> {
  const { bucket, candidates } = given;
  const [heuristic] = candidates as readonly [Choice, ...Choice[]];
  const before = device.tuning;
  const operands = operandsOn(device, given);
  const run = (choice: Choice) => {
    if (isStopped()) throw new Stopped();
    device.tuning = new Map([[bucket, choice]]);
    return scope(() => given.run(operands));
  };
  const watch = new Stopwatch(device, given.clock ?? clockOf(device), run);
  try {
    const right = await rightOnes(device, given, run);
    let times = await race(heuristic, right, rounds, watch);
    let [winner = heuristic] = [...right].sort((a, b) => bestOf(times.get(a)) - bestOf(times.get(b)));
    if (winner !== heuristic) {
      // Of many, the luckiest comes first: it has to win again, with times of their own.
      const pair = right.filter((choice) => choice === heuristic || choice === winner);
      times = new Map();
      for (let round = 0; round < rounds; round++) await watch.round(pair, round, times);
      if (!isClearlyFaster(times.get(winner), times.get(heuristic))) winner = heuristic;
    }
    return {
      bucket,
      heuristicMilliseconds: bestOf(times.get(heuristic)),
      winner: winner === heuristic ? null : { choice: winner, milliseconds: bestOf(times.get(winner)) },
      candidates: candidates.length,
      refused: candidates.filter((choice) => !right.includes(choice)),
    };
  } catch (error) {
    if (error instanceof Stopped) return null;
    throw error;
  } finally {
    device.tuning = before;
    for (const x of operands) x.dispose();
  }
}

/** The tuning with what was measured: a winner takes its bucket's place, and where the heuristic held out, it decides again. */
export function remember(tuning: Tuning, { bucket, winner }: Measurement): Tuning {
  const choices = new Map(tuning);
  if (winner) choices.set(bucket, winner.choice);
  else choices.delete(bucket);
  return choices;
}

class Stopped extends Error {}

// --- right or wrong

// Those whose result is the reference's or, where that takes too long, the heuristic's.
async function rightOnes(device: WebGpuDevice, given: TuningCase, run: (choice: Choice) => Tensor): Promise<Choice[]> {
  let expected = given.products <= QUICK_PRODUCTS ? await referenceOf(given) : null;
  const right: Choice[] = [];
  for (const [i, choice] of given.candidates.entries()) {
    const found = await resultOf(device, () => run(choice));
    if (i === 0) expected ??= found;
    if (found && expected && isRight(found, expected, given.check)) right.push(choice);
  }
  return right;
}

async function referenceOf(given: TuningCase): Promise<Numbers> {
  const operands = operandsOn(deviceNamed("cpu:f64"), given);
  const y = scope(() => given.run(operands));
  const data = await y.data();
  for (const x of [...operands, y]) x.dispose();
  return data;
}

// Its elements, or null where the adapter cannot run it.
async function resultOf(device: WebGpuDevice, run: () => Tensor): Promise<Numbers | null> {
  try {
    const y = run();
    const data = await y.data();
    y.dispose();
    return data;
  } catch (error) {
    if (!(error instanceof TilegradError) || error instanceof DeviceLostError) throw error;
    device.clearError();
    return null;
  }
}

function operandsOn(device: Device, { operands, check }: TuningCase): Tensor[] {
  return withDevice(device, () => operands.map((shape, i) => tensor(draw(sizeOf(shape), check, i), { shape })));
}

function draw(count: number, check: Check, seed: number): Float32Array {
  const most =
    "terms" in check ? Math.max(1, Math.min(8, Math.floor(Math.sqrt(2 ** 24 / Math.max(check.terms, 1))))) : 8;
  const unit = "terms" in check ? 1 : 1 / 64;
  let state = seed + 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes, section 7.1
    return unit * (Math.floor((state / 2 ** 32) * (2 * most + 1)) - most);
  });
}

function isRight(found: Numbers, expected: Numbers, check: Check): boolean {
  const allowed = "terms" in check ? 0 : check.tolerance * largestOf(expected);
  for (let i = 0; i < expected.length; i++) if (!(Math.abs(found[i]! - expected[i]!) <= allowed)) return false;
  return found.length === expected.length;
}

function largestOf(numbers: Numbers): number {
  let largest = 0;
  for (let i = 0; i < numbers.length; i++) largest = Math.max(largest, Math.abs(numbers[i]!));
  return largest;
}

// --- fast or slow

type Times = Map<Choice, number[]>;

// All times, of turns in which those that fall behind drop out; the heuristic's choice stays.
async function race(heuristic: Choice, runners: readonly Choice[], rounds: number, watch: Stopwatch): Promise<Times> {
  const times: Times = new Map();
  let left = runners;
  for (let round = 0; round < rounds && (round === 0 || left.length > 1); round++) {
    await watch.round(left, round, times);
    const best = Math.min(...left.map((choice) => bestOf(times.get(choice))));
    const limit = (round === 0 ? HOPELESS.first : HOPELESS.later) * best;
    left = left.filter((choice) => choice === heuristic || bestOf(times.get(choice)) <= limit);
    if (round === 0) watch.adjust(best);
  }
  return times;
}

function bestOf(times: readonly number[] = []): number {
  return Math.min(...times);
}

// By the best times, which other work on the machine disturbs least, and by the middle ones, which luck does.
function isClearlyFaster(times: readonly number[] = [], others: readonly number[] = []): boolean {
  const medianOf = (of: readonly number[]) => [...of].sort((a, b) => a - b)[of.length >> 1] ?? Number.POSITIVE_INFINITY;
  return [bestOf, medianOf].every((of) => of(times) < CLEARLY * of(others));
}

class Stopwatch {
  readonly #device: WebGpuDevice;
  readonly #clock: Clock;
  readonly #run: (choice: Choice) => Tensor;
  #repeats = 1;

  constructor(device: WebGpuDevice, clock: Clock, run: (choice: Choice) => Tensor) {
    this.#device = device;
    this.#clock = clock;
    this.#run = run;
  }

  /** Has a run that takes so long repeated for as long as the clock needs. */
  adjust(milliseconds: number): void {
    this.#repeats = Math.min(Math.ceil(LEAST_MILLISECONDS[this.#clock] / milliseconds), MOST_REPEATS);
  }

  /** A turn for each: forwards in one round and backwards in the next, so that none always follows the same other. */
  async round(choices: readonly Choice[], round: number, times: Times): Promise<void> {
    for (const choice of round % 2 === 0 ? choices : [...choices].reverse()) {
      const milliseconds = await this.#time(choice);
      times.set(choice, [...(times.get(choice) ?? []), milliseconds]);
    }
  }

  // Of one run.
  async #time(choice: Choice): Promise<number> {
    const work = () => {
      for (let i = 0; i < this.#repeats; i++) this.#run(choice).dispose();
    };
    if (this.#clock === "gpu") {
      const dispatches = await this.#device.profile(work);
      return dispatches.reduce((sum, { start, end }) => sum + Math.max(0, end - start), 0) / 1e6 / this.#repeats;
    }
    await this.#device.fence();
    const start = performance.now();
    work();
    await this.#device.fence();
    return (performance.now() - start) / this.#repeats;
  }
}

function clockOf(device: WebGpuDevice): Clock {
  return device.capabilities.features.includes("timestamp-query") ? "gpu" : "wall";
}
