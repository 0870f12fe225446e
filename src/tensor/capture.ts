/**
 * `capture(step)` learns what a step has the device do, and then has it done again without running the step's code: a
 * replay costs a few calls per dispatch where the code costs shapes, checks, allocations and a graph.
 */

import type { Device } from "../gpu/device.ts";
import { CaptureError, checkOptions, DTypeError, ShapeError, ValueError } from "../gpu/errors.ts";
import type { Recording } from "../gpu/recording.ts";
import { WebGpuDevice } from "../gpu/webgpu.ts";
import { defaultDevice } from "./device.ts";
import { keep, scope } from "./scope.ts";
import { formatShape, shapesEqual } from "./shape.ts";
import { empty, Tensor } from "./tensor.ts";

/** The random numbers of a step: its calls are numbered from a base that is data on the device. */
export interface StepRandomness {
  /** Runs the step with calls numbered from the base. */
  record<R>(step: () => R): R;
  /** Counts the calls of a step that was replayed. */
  advance(): void;
  dispose(): void;
}

let stepRandomness: (device: Device) => StepRandomness = () => ({
  record: (step) => step(),
  advance() {},
  dispose() {},
});

/** The random kernels provide it. */
export function setStepRandomness(make: (device: Device) => StepRandomness): void {
  stepRandomness = make;
}

/** What a step may return: tensors, or arrays and plain objects of them. */
export type StepResult = Tensor | readonly StepResult[] | { readonly [name: string]: StepResult };

export interface CaptureOptions {
  /**
   * Run neighbours that work element by element as one kernel each (default false). A compiler may round what it sees
   * together differently: results are those of the step to a few units in the last place per element, not to the bit.
   */
  fuse?: boolean;
}

/** A captured step: call it as the step itself. */
export interface CapturedStep<A extends readonly Tensor[], R> {
  (...inputs: A): R;
  /** Whether the next call is a replay. */
  readonly isReplaying: boolean;
  /** Dispatches and copies of a replay; 0 before there is one. */
  readonly commands: number;
  /** Gives the memory of the recording back. */
  dispose(): void;
}

/**
 * Captures a step. The first call runs it, the second and third run it and record what it does, and if both did the
 * same, every further call replays that. Each call has the effects of the step, to the bit.
 *
 * What the step uses besides its inputs (parameters, optimizer state) is fixed: the same tensors each time, and whatever
 * else changes from step to step has to be a tensor, or something that an optimizer brings to the device by itself, such
 * as its learning rate. Gradients that a replay leaves are in the tensors that the last recording left. On the cpu
 * device every call runs the step.
 *
 * @param step a synchronous function of tensors that reads nothing back
 * @param options fuse: fewer kernels, at the price of the last bit
 * @returns a function of tensors with the first call's shapes and dtypes
 * @throws CaptureError, at the third call, with the kernel and what differs, if the step does not do the same each time;
 *   at the second, if it writes host data or reads back
 * @example
 * const step = tg.capture((x, labels) => {
 *   const loss = tg.crossEntropy(model.forward(x), labels);
 *   adam.zeroGrad();
 *   loss.backward();
 *   adam.step();
 *   return loss;
 * });
 * for (const { x, labels } of batches) console.log(await step(x, labels).item());
 */
export function capture<A extends readonly Tensor[], R extends StepResult>(
  step: (...inputs: A) => R,
  options: CaptureOptions = {},
): CapturedStep<A, R> {
  checkOptions("capture", options, ["fuse"]);
  const state: CaptureState<R> = { calls: 0, randomness: null, inputs: null, earlier: null, recorded: null };
  const captured = (...inputs: A): R => {
    const device = inputs[0]?.device ?? defaultDevice();
    if (!(device instanceof WebGpuDevice)) return scope(() => step(...inputs));
    if (state.calls++ === 0) return scope(() => step(...inputs));
    takeInputs(state, inputs);
    if (state.recorded) return replay(state, device);
    return record(state, device, () => step(...(state.inputs as unknown as A)), options.fuse ?? false);
  };
  return Object.defineProperties(captured as CapturedStep<A, R>, {
    isReplaying: { get: () => state.recorded !== null },
    commands: { get: () => state.recorded?.recording.commands.length ?? 0 },
    dispose: { value: () => dispose(state) },
  });
}

interface Recorded<R> {
  readonly recording: Recording;
  readonly device: WebGpuDevice;
  /** What the step returned, in the recording's memory. */
  readonly result: R;
}

interface CaptureState<R> {
  calls: number;
  randomness: StepRandomness | null;
  /** Where the recorded commands read their inputs. */
  inputs: readonly Tensor[] | null;
  /** The first recording, released. */
  earlier: Recording | null;
  recorded: Recorded<R> | null;
}

function takeInputs<R>(state: CaptureState<R>, inputs: readonly Tensor[]): void {
  state.inputs ??= inputs.map((x) => keep(empty(x.shape, { dtype: x.dtype, device: x.device })));
  if (inputs.length !== state.inputs.length) {
    throw new ValueError(`capture: the step got ${inputs.length} inputs, expected ${state.inputs.length} as before`);
  }
  for (const [i, own] of state.inputs.entries()) {
    const x = inputs[i]!;
    if (!shapesEqual(x.shape, own.shape)) {
      throw new ShapeError(
        `capture: input ${i} has shape ${formatShape(x.shape)}, expected ${formatShape(own.shape)} as before; capture a step per shape`,
      );
    }
    if (x.dtype !== own.dtype) {
      throw new DTypeError(`capture: input ${i} has dtype ${x.dtype}, expected ${own.dtype} as before`);
    }
    x.device.copy(x.storage, own.storage);
  }
}

function record<R extends StepResult>(
  state: CaptureState<R>,
  device: WebGpuDevice,
  step: () => R,
  isFused: boolean,
): R {
  state.randomness ??= stepRandomness(device);
  const { result, recording } = device.record(() => state.randomness!.record(() => scope(step)));
  eachTensor(result, keep);
  const now = { recording, device, result };
  const { earlier } = state;
  const difference = earlier && recording.differenceFrom(earlier);
  state.earlier = earlier ? null : recording;
  if (difference) {
    forget(now);
    throw new CaptureError(`capture: the step did not do the same twice: ${difference}`);
  }
  const own = copyOf(result);
  if (!earlier) {
    forget(now); // so that the second recording has its memory
    return own;
  }
  if (isFused) device.fuse(recording);
  state.recorded = now;
  return own;
}

function replay<R extends StepResult>(state: CaptureState<R>, device: WebGpuDevice): R {
  const { recording, result } = state.recorded!;
  device.replay(recording);
  state.randomness!.advance();
  return copyOf(result);
}

function forget<R extends StepResult>({ recording, device, result }: Recorded<R>): void {
  eachTensor(result, (tensor) => tensor.dispose());
  device.release(recording);
}

function dispose<R extends StepResult>(state: CaptureState<R>): void {
  if (state.recorded) forget(state.recorded);
  for (const input of state.inputs ?? []) input.dispose();
  state.randomness?.dispose();
  Object.assign(state, { calls: 0, randomness: null, inputs: null, earlier: null, recorded: null });
}

function eachTensor(value: StepResult, visit: (tensor: Tensor) => void): void {
  if (value instanceof Tensor) visit(value);
  else for (const part of Object.values(value)) eachTensor(part, visit);
}

/** The same structure with tensors of its own, which later replays leave alone. */
function copyOf<R extends StepResult>(value: R): R {
  if (value instanceof Tensor) {
    const copy = empty(value.shape, { dtype: value.dtype, device: value.device });
    value.device.copy(value.storage, copy.storage);
    return copy as unknown as R;
  }
  if (Array.isArray(value)) return value.map(copyOf) as unknown as R;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, copyOf(part)])) as R;
}
