/**
 * The state behind random ops: a seed on the device, and the ordinal of the next call. The same seed gives the same
 * numbers on every device (normal ones to rounding), whatever the kernels.
 */
import { setRandomReplay } from "../../autograd/checkpoint.ts";
import { type Device, Storage } from "../../gpu/device.ts";
import { ValueError } from "../../gpu/errors.ts";
import { setStepRandomness } from "../../tensor/capture.ts";
import { keep } from "../../tensor/scope.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** Which random numbers a call draws: bind `randomState`, pass `stream` as a param. */
export interface RandomStream {
  readonly randomState: Tensor;
  readonly stream: number;
}

/** Everything that the random numbers to come depend on. */
export interface RandomGeneratorState {
  readonly seed: number;
  /** Calls so far, per device name. */
  readonly calls: Readonly<Record<string, number>>;
}

interface Generator {
  /** Made at the first call. */
  randomState: Tensor | null;
  calls: number;
}

let seed = 0;
let restored: Readonly<Record<string, number>> = {};
const generators = new Map<Device, Generator>();

/**
 * Seeds the random numbers of all devices; until it is called the seed is 0.
 *
 * @param value a whole number from 0 to 2^53 - 1
 * @throws ValueError for another number
 */
export function manualSeed(value: number): void {
  setRandomState({ seed: value, calls: {} });
}

/** What `setRandomState` needs to continue from here. */
export function randomState(): RandomGeneratorState {
  const calls = { ...restored };
  for (const [device, generator] of generators) calls[device.name] = generator.calls;
  return { seed, calls };
}

/** Continues from a state that `randomState` returned. @throws ValueError if its seed is not a whole number in range */
export function setRandomState(state: RandomGeneratorState): void {
  if (!Number.isSafeInteger(state.seed) || state.seed < 0) {
    throw new ValueError(`manualSeed: the seed is ${state.seed}, expected a whole number from 0 to 2^53 - 1`);
  }
  seed = state.seed;
  restored = state.calls;
  // A graph that drew from an old state holds its own handle on it.
  for (const { randomState } of generators.values()) randomState?.dispose();
  generators.clear();
}

/** The numbers of the next random call on a device. */
export function nextStream(device: Device): RandomStream {
  const generator = generatorOf(device);
  generator.randomState ??= stateTensor(device);
  return { randomState: generator.randomState, stream: generator.calls++ };
}

/** As `nextStream`, for numbers that are drawn on the host, by threefry.ts: the state's words in its place. */
export function nextHostStream(device: Device): { state: Uint32Array; stream: number } {
  return { state: stateWords(0), stream: generatorOf(device).calls++ };
}

function generatorOf(device: Device): Generator {
  let generator = generators.get(device);
  if (!generator) {
    generator = { randomState: null, calls: restored[device.name] ?? 0 };
    generators.set(device, generator);
  }
  return generator;
}

function stateTensor(device: Device): Tensor {
  return keep(new Tensor(Storage.from(device, "u32", stateWords(0)), [4], "u32"));
}

/** What kernels read: the key, and what is added to the number of a call. */
function stateWords(base: number): Uint32Array {
  return Uint32Array.of(seed % 2 ** 32, Math.floor(seed / 2 ** 32), base, 0);
}

// A captured step numbers its calls from 0, and the calls before it are the base, which is data.
setStepRandomness((device) => {
  const randomState = stateTensor(device);
  let callsPerStep: number | null = null;
  const writeBase = () => {
    if (callsPerStep !== 0) device.write(randomState.storage, stateWords(generatorOf(device).calls));
  };
  return {
    record(step) {
      const generator = generatorOf(device);
      const ofStep: Generator = { randomState, calls: 0 };
      device.eachStep(writeBase);
      generators.set(device, ofStep);
      try {
        return step();
      } finally {
        generators.set(device, generator);
        callsPerStep = ofStep.calls;
        generator.calls += callsPerStep;
      }
    },
    advance: () => {
      generatorOf(device).calls += callsPerStep ?? 0;
    },
    dispose: () => randomState.dispose(),
  };
});

// Activation checkpointing runs a function again with the numbers it drew the first time.
setRandomReplay(() => {
  const before = new Map([...generators].map(([device, { calls }]) => [device, calls]));
  return (fn) => {
    const after = new Map([...generators].map(([device, { calls }]) => [device, calls]));
    for (const [device, generator] of generators) generator.calls = before.get(device) ?? restored[device.name] ?? 0;
    try {
      return fn();
    } finally {
      for (const [device, generator] of generators) generator.calls = after.get(device) ?? generator.calls;
    }
  };
});
