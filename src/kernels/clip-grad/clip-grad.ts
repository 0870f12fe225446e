/** The kernels of gradient clipping and unscaling: all gradients in a few dispatches, in place, with nothing read back. */
import { type Device, Storage } from "../../gpu/device.ts";
import { type Bindable, ceilDiv, dispatch, loadKernel } from "../../gpu/kernel.ts";
import { scope } from "../../tensor/scope.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { MATH, REDUCE } from "../lib/lib.ts";
import { loadPacked } from "../lib/packed.ts";
import { clipGradReference, scaleGradReference } from "./clip-grad.reference.ts";

const normKernel = loadKernel(new URL("./clip-grad.wgsl", import.meta.url), {
  lib: [MATH, REDUCE],
  reference: clipGradReference,
});
const scaleKernels = loadPacked(new URL("./scale-grad.wgsl", import.meta.url), {
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
  changeInPlace("scaleAll", gradients, 0, { result });
}

/** Holds every element to [-limit, limit], in place. */
export function clampGradients(gradients: readonly Tensor[], limit: number): void {
  changeInPlace("clampAll", gradients, limit, {});
}

/**
 * Divides every gradient by a scale, in place, and notes whether one of them was not finite.
 *
 * @param scaler [4], the scale first
 * @param found u32 [4], of which the first becomes 1 then
 */
export function unscaleGradients(gradients: readonly Tensor[], scaler: Tensor, found: Tensor<"u32">): void {
  changeInPlace("unscaleAll", gradients, 0, { scaler, found });
}

function changeInPlace(
  entry: "scaleAll" | "clampAll" | "unscaleAll",
  gradients: readonly Tensor[],
  limit: number,
  bind: Readonly<Record<string, Bindable>>,
): void {
  // Leaves that were added have one gradient in common.
  const distinct = [...new Map(gradients.map((gradient) => [gradient.storage, gradient])).values()];
  for (const width of [4, 1]) {
    const alike = distinct.filter(({ size }) => (size % 4 === 0) === (width === 4));
    for (const chunk of chunks(alike)) {
      const sizes = chunk.map(({ size }) => size);
      const spare = spareStorages(chunk[0]!.device);
      dispatch(scaleKernels(width), entry, {
        bind: { ...named((j) => chunk[j] ?? spare[j]!), ...bind },
        params: { sizes, limit },
        groups: ceilDiv(Math.max(...sizes) / width, THREADS),
      });
    }
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
    list = Array.from({ length: GRADIENTS_PER_DISPATCH }, () => Storage.allocate(device, "f32", 4));
    spares.set(device, list);
  }
  return list;
}
