/** Runs the kernels of recurrent networks. Nothing here records a gradient; `recurrent.ts` does. */
import { indexSite } from "../../gpu/index-error.ts";
import { type Bindable, ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { full } from "../creation/creation.ts";
import { INDEX_ERROR, MATH } from "../lib/lib.ts";
import { planRecurrent, type RecurrentEntry, type RecurrentPlan } from "./plan.ts";
import { type CellName, paddingReference, recurrentReference } from "./recurrent.reference.ts";

/** A recurrent network's sizes, and which way it walks. */
export interface Walk {
  readonly cell: CellName;
  readonly gates: number;
  readonly b: number;
  readonly t: number;
  readonly hidden: number;
  readonly isReverse: boolean;
  /** Whether the nonlinearity of an `rnn` is relu. */
  readonly isRelu: boolean;
}

const FAMILIES = {
  gpu: new URL("./recurrent-gpu.wgsl", import.meta.url),
  software: new URL("./recurrent-software.wgsl", import.meta.url),
};
const CELLS = {
  rnn: new URL("./rnn.wgsl", import.meta.url),
  lstm: new URL("./lstm.wgsl", import.meta.url),
  gru: new URL("./gru.wgsl", import.meta.url),
};
const kernels = new Map<string, Kernel>();

function kernelFor(cell: CellName, { family, rows }: RecurrentPlan): Kernel {
  const key = `${cell} ${family} ${rows}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    kernel = loadKernel(FAMILIES[family], {
      lib: [new URL("./recurrent.wgsl", import.meta.url), CELLS[cell], MATH],
      append: family === "software" ? `const GROUPS = ${rows / 8}u;\n` : "",
      reference: recurrentReference(cell),
      name: `${cell}-${family}`,
    });
    kernels.set(key, kernel);
  }
  return kernel;
}

/**
 * Makes all steps of one direction.
 *
 * @param bind gates, weight as it is, bias, lengths, states, y; kept unless it is an `rnn`; cell for an `lstm`
 * @param keeps whether to write what the way back needs
 */
export function walkForward(walk: Walk, bind: Record<string, Tensor>, keeps: boolean): void {
  run(walk, "forward", bind, walk.t, keeps);
}

/**
 * Computes the gates' gradients of all steps, from the last to the first.
 *
 * @param bind weight as it is, lengths, savedGates, savedKept, dy, dGates, dHidden; dCell for an `lstm`, dInput for a `gru`
 */
export function walkBackward(walk: Walk, bind: Record<string, Tensor>): void {
  run(walk, "backward", bind, walk.t + 1, false);
}

function run(walk: Walk, entry: RecurrentEntry, bind: Record<string, Tensor>, total: number, keeps: boolean): void {
  const { device } = bind.weight!;
  const { cell, b, t, hidden } = walk;
  const plan = planRecurrent(device, walk, entry);
  const weight = device.kind === "webgpu" ? packWeight(walk, bind.weight!, entry) : bind.weight!;
  // On the cpu device, the reference makes all steps at once.
  const most = device.kind === "webgpu" ? plan.stepsPerDispatch : total;
  for (let step = 0; step < total; step += most) {
    dispatch(kernelFor(cell, plan), entry, {
      bind: { ...bind, weight },
      params: {
        ...{ b, t, hidden, step },
        steps: Math.min(most, total - step),
        parts: plan.parts,
        blocks: plan.blocks,
        isReverse: Number(walk.isReverse),
        keeps: Number(keeps),
        isRelu: Number(walk.isRelu),
      },
      constants: plan.constants,
      groups: ceilDiv(b, plan.rows) * plan.parts,
    });
  }
  if (weight !== bind.weight) weight.dispose();
}

const THREADS = 64;
const packKernel = loadKernel(new URL("./pack-weight.wgsl", import.meta.url), { reference: {} });

function packWeight({ gates, hidden }: Walk, x: Tensor, entry: RecurrentEntry): Tensor {
  const y = empty([x.size], { device: x.device });
  const params = { gates, hidden, isBackward: Number(entry === "backward") };
  dispatch(packKernel, "forward", { bind: { x, y }, params, groups: ceilDiv(x.size / 4, THREADS) });
  return y;
}

// --- sequences of different lengths

const paddingKernel = loadKernel(new URL("./padding.wgsl", import.meta.url), {
  lib: [INDEX_ERROR],
  reference: paddingReference,
});

function padding(
  entry: keyof typeof paddingReference,
  size: number,
  bind: Record<string, Bindable>,
  params: { b: number; t: number; cols?: number; isReverse?: boolean; site?: number },
): void {
  const { b, t, cols = 0, isReverse = false, site = 0 } = params;
  dispatch(paddingKernel, entry, {
    bind,
    params: { b, t, cols, isReverse: Number(isReverse), site },
    groups: ceilDiv(size, THREADS),
  });
}

/** Lengths that kernels can rely on: the caller's, with those that are out of range reported, or t for all. */
export function checkedLengths(op: string, given: Tensor | undefined, x: Tensor): Tensor {
  const [b, t] = x.shape as [number, number];
  const { device } = x;
  if (!given) return full([b], t, { dtype: "i32", device });
  const lengths = empty([b], { dtype: "i32", device });
  padding("checkLengths", b, { given, lengths }, { b, t, site: indexSite(op, "lengths", t + 1) });
  return lengths;
}

/** x [b, t, cols], and 0 past the lengths. */
export function clearPadding(x: Tensor, lengths: Tensor): Tensor {
  const y = empty(x.shape, { device: x.device });
  const [b, t, cols] = x.shape as [number, number, number];
  padding("clearPadding", x.size, { x, given: lengths, y }, { b, t, cols });
  return y;
}

/** The state before each step [b, t, hidden], 0 past the lengths, from those after each step and the first. */
export function previousStates({ isReverse }: Walk, x: Tensor, first: Tensor, lengths: Tensor): Tensor {
  const y = empty(x.shape, { device: x.device });
  const [b, t, cols] = x.shape as [number, number, number];
  padding("previousStates", x.size, { x, given: lengths, first, y }, { b, t, cols, isReverse });
  return y;
}

/** The states after each row's last step [b, hidden], from those before even and odd steps. */
export function lastStates(states: Tensor, lengths: Tensor): Tensor {
  const [, b, cols] = states.shape as [number, number, number];
  const last = empty([b, cols], { device: states.device });
  padding("lastStates", sizeOf(last.shape), { states, given: lengths, last }, { b, t: 0, cols });
  return last;
}
