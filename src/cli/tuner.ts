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
  /** Whether a dispatch, by its kernel and entry, depends on the choice; all are measured by default. */
  readonly isTimed?: (label: string) => boolean;
}

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
  const values = given.operands.map((shape, i) => draw(sizeOf(shape), given.check, i));
  const operandsOn = (on: Device) =>
    withDevice(on, () => given.operands.map((shape, i) => tensor(values[i]!, { shape })));
  const operands = operandsOn(device);
  const before = device.tuning;
  const runWith = (choice: Choice) => {
    device.tuning = new Map([[bucket, choice]]);
    return scope(() => given.run(operands));
  };
  const timesOf = async (choices: readonly Choice[], repeats: number, round: number, times: Map<Choice, number>) => {
    for (const choice of inTurn(choices, round)) {
      if (isStopped()) return false;
      const ms = await timeOf(device, repeats, () => runWith(choice), given.isTimed);
      times.set(choice, Math.min(ms, times.get(choice) ?? Number.POSITIVE_INFINITY));
    }
    return true;
  };

  try {
    const [heuristic] = candidates as readonly [Choice, ...Choice[]];
    let expected: Numbers | null = null;
    if (given.products <= QUICK_PRODUCTS) {
      const reference = operandsOn(deviceNamed("cpu:f64"));
      const y = scope(() => given.run(reference));
      expected = await y.data();
      for (const x of [...reference, y]) x.dispose();
    }
    const right: Choice[] = [];
    for (const choice of candidates) {
      if (isStopped()) return null;
      const found = await resultOf(device, () => runWith(choice));
      if (choice === heuristic) expected ??= found;
      if (found && expected && isRight(found, expected, given.check)) right.push(choice);
    }

    const times = new Map<Choice, number>();
    const timeOfHeuristic = () => times.get(heuristic) ?? Number.POSITIVE_INFINITY;
    let repeats = 1;
    let contenders: readonly Choice[] = right;
    for (let round = 0; round < rounds; round++) {
      if (!(await timesOf(contenders, repeats, round, times))) return null;
      const best = Math.min(...times.values());
      const limit = best * (round === 0 ? HOPELESS.first : HOPELESS.later);
      contenders = contenders.filter((choice) => choice === heuristic || times.get(choice)! <= limit);
      if (round === 0) repeats = Math.min(Math.ceil(LEAST_MILLISECONDS[clockOf(device)] / best), MOST_REPEATS);
    }
    const [fastest] = [...contenders].sort((a, b) => times.get(a)! - times.get(b)!);
    let winner = fastest && times.get(fastest)! < CLEARLY * timeOfHeuristic() ? fastest : null;
    if (winner) {
      // Of many, the luckiest comes first: it has to win again, with times of their own.
      const pair = [heuristic, winner].filter((choice) => right.includes(choice));
      times.clear();
      for (let round = 0; round < rounds; round++) {
        if (!(await timesOf(pair, repeats, round, times))) return null;
      }
      if (times.get(winner)! >= CLEARLY * timeOfHeuristic()) winner = null;
    }
    return {
      bucket,
      heuristicMilliseconds: timeOfHeuristic(),
      winner: winner && { choice: winner, milliseconds: times.get(winner)! },
      candidates: candidates.length,
      refused: candidates.filter((choice) => !right.includes(choice)),
    };
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

function clockOf(device: WebGpuDevice): "gpu" | "wall" {
  return device.capabilities.features.includes("timestamp-query") ? "gpu" : "wall";
}

// Milliseconds of one run.
async function timeOf(
  device: WebGpuDevice,
  repeats: number,
  run: () => Tensor,
  isTimed: (label: string) => boolean = () => true,
): Promise<number> {
  const work = () => {
    for (let i = 0; i < repeats; i++) run().dispose();
  };
  if (clockOf(device) === "gpu") {
    const dispatches = (await device.profile(work)).filter(({ label }) => isTimed(label));
    return dispatches.reduce((sum, { start, end }) => sum + Math.max(0, end - start), 0) / 1e6 / repeats;
  }
  await device.fence();
  const start = performance.now();
  work();
  await device.fence();
  return (performance.now() - start) / repeats;
}

// Forwards in one round and backwards in the next, so that none always follows the same other.
function inTurn(choices: readonly Choice[], round: number): readonly Choice[] {
  return round % 2 === 0 ? choices : [...choices].reverse();
}
