/** The kernels of gradient clipping: all gradients in a few dispatches, in place, with nothing read back. */
import { type Device, Storage } from "../../gpu/device.ts";
import { ceilDiv, dispatch, loadKernel } from "../../gpu/kernel.ts";
import { scope } from "../../tensor/scope.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { MATH, REDUCE } from "../lib/lib.ts";
import { clipGradReference, scaleGradReference } from "./clip-grad.reference.ts";

const normKernel = loadKernel(new URL("./clip-grad.wgsl", import.meta.url), {
  lib: [MATH, REDUCE],
  reference: clipGradReference,
});
const scaleKernel = loadKernel(new URL("./scale-grad.wgsl", import.meta.url), {
  lib: [MATH],
  reference: scaleGradReference,
});

const GRADIENTS_PER_DISPATCH = 7;
const BLOCK = 1024;
const THREADS = 64;

/**
 * The norm of all gradients seen as one vector.
 *
 * @param gradients f32, at least one, on one device
 * @param normType the power; Infinity for the largest magnitude
 * @returns [norm, min(1, maxNorm / (norm + 1e-6))]
 */
export function gradientNorm(gradients: readonly Tensor[], maxNorm: number, normType: number): Tensor {
  const { device } = gradients[0]!;
  const blocksOf = (gradient: Tensor) => ceilDiv(gradient.size, BLOCK);
  const total = gradients.reduce((sum, gradient) => sum + blocksOf(gradient), 0);
  const largest = normType === Number.POSITIVE_INFINITY;
  const constants = { LARGEST: Number(largest) };
  const params = { power: largest ? 1 : normType, maxNorm };
  const result = empty([2], { device });
  scope(() => {
    const partials = empty([total], { device });
    let first = 0;
    for (const chunk of chunks(gradients)) {
      const ends = cumulative(chunk.map(blocksOf));
      const blocks = ends.at(-1)!;
      dispatch(normKernel, "blocks", {
        // A binding that is not used gets the last gradient.
        bind: { ...named((j) => chunk[Math.min(j, chunk.length - 1)]!), partials },
        params: { ...params, ends, sizes: chunk.map(({ size }) => size), first, blocks },
        constants,
        groups: blocks,
      });
      first += blocks;
    }
    dispatch(normKernel, "finish", {
      bind: { partials, result },
      params: { ...params, ends: [], sizes: [], first: 0, blocks: total },
      constants,
      groups: 1,
    });
  });
  return result;
}

/** Multiplies every gradient by result[1], in place; nothing is touched where that is 1. */
export function scaleGradients(gradients: readonly Tensor[], result: Tensor): void {
  changeInPlace("scaleAll", gradients, 0, result);
}

/** Holds every element to [-limit, limit], in place. */
export function clampGradients(gradients: readonly Tensor[], limit: number): void {
  changeInPlace("clampAll", gradients, limit, null);
}

function changeInPlace(
  entry: "scaleAll" | "clampAll",
  gradients: readonly Tensor[],
  limit: number,
  result: Tensor | null,
): void {
  for (const chunk of chunks(gradients)) {
    const sizes = chunk.map(({ size }) => size);
    const spare = spareStorages(chunk[0]!.device);
    dispatch(scaleKernel, entry, {
      bind: { ...named((j) => chunk[j] ?? spare[j]!), ...(result ? { result } : {}) },
      params: { sizes, limit },
      groups: ceilDiv(Math.max(...sizes), THREADS),
    });
  }
}

function* chunks(gradients: readonly Tensor[]): Iterable<Tensor[]> {
  for (let i = 0; i < gradients.length; i += GRADIENTS_PER_DISPATCH)
    yield gradients.slice(i, i + GRADIENTS_PER_DISPATCH);
}

function cumulative(counts: readonly number[]): number[] {
  let sum = 0;
  return counts.map((count) => (sum += count));
}

function named<T>(at: (j: number) => T): Record<string, T> {
  return Object.fromEntries(Array.from({ length: GRADIENTS_PER_DISPATCH }, (_, j) => [`g${j}`, at(j)]));
}

const spares = new Map<Device, Storage[]>();

// What is written through two bindings must be two buffers, so each unused binding has one of its own.
function spareStorages(device: Device): Storage[] {
  let list = spares.get(device);
  if (!list) {
    list = Array.from({ length: GRADIENTS_PER_DISPATCH }, () => Storage.allocate(device, "f32", 1));
    spares.set(device, list);
  }
  return list;
}
