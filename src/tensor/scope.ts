/**
 * `scope(fn)` frees, when `fn` returns, every tensor that was made in it, except what it returns and what is kept.
 * Memory is then a matter of the program's text and not of the garbage collector.
 */

import { forget, releaseWhenCollected } from "./collector.ts";
import { expectSync } from "./expect-sync.ts";
import type { Tensor } from "./tensor.ts";

/** Tensors that live exactly as long as another one's graph; autograd provides them. */
export type Reachable = (tensors: Iterable<Tensor>) => Iterable<Tensor>;

let reachableFrom: Reachable = () => [];

/** Autograd tells what the graph of a surviving tensor holds, so that a scope does not free it. */
export function setReachable(fn: Reachable): void {
  reachableFrom = fn;
}

const stack: Set<Tensor>[] = [];

/** Registers a new tensor handle with the innermost scope, or with the collector where there is none. */
export function born(tensor: Tensor): void {
  const scope = stack.at(-1);
  if (scope) scope.add(tensor);
  else releaseWhenCollected(tensor, tensor.storage);
}

/** Takes a handle that was disposed out of the books. */
export function died(tensor: Tensor): void {
  if (stack.length === 0) forget(tensor);
  else if (!stack.some((scope) => scope.delete(tensor))) forget(tensor);
}

/**
 * Runs `fn` and frees every tensor made in it, except those in its result (arrays, maps and plain objects are looked
 * into), parameters, buffers, gradients of leaves, optimizer state and what was given to `keep`.
 *
 * @param fn a synchronous function
 * @returns what `fn` returns
 * @throws ValueError if `fn` returns a promise
 * @example
 * for (const batch of batches) {
 *   const loss = scope(() => step(batch));
 *   total += await loss.item();
 *   loss.dispose();
 * }
 */
export function scope<R>(fn: () => R): R {
  const tensors = new Set<Tensor>();
  stack.push(tensors);
  let survivors: Iterable<Tensor> = [];
  try {
    const result = expectSync("scope", fn());
    survivors = survivorsOf(result, tensors);
    return result;
  } finally {
    stack.pop();
    for (const tensor of survivors) {
      if (tensors.delete(tensor)) adopt(tensor);
    }
    for (const tensor of tensors) {
      if (tensor.kept) adopt(tensor);
      else tensor.dispose();
    }
  }
}

function adopt(tensor: Tensor): void {
  if (!tensor.disposed) born(tensor);
}

/**
 * Exempts a tensor from the scopes around it; free it with `dispose`.
 *
 * @returns the tensor
 */
export function keep<T extends Tensor>(tensor: T): T {
  tensor.kept = true;
  return tensor;
}

/**
 * Frees every tensor in values, looking where `scope` looks: into arrays, sets, maps and plain objects.
 *
 * @example
 * for await (const batch of loader) {
 *   const loss = scope(() => step(batch));
 *   dispose(batch, loss);
 * }
 */
export function dispose(...values: unknown[]): void {
  const tensors = new Set<Tensor>();
  collectTensors(values, tensors);
  for (const tensor of tensors) tensor.dispose();
}

function survivorsOf(result: unknown, tensors: ReadonlySet<Tensor>): Set<Tensor> {
  const survivors = new Set<Tensor>();
  collectTensors(result, survivors);
  for (const tensor of tensors) if (tensor.kept) survivors.add(tensor);
  for (const tensor of reachableFrom([...survivors])) survivors.add(tensor);
  return survivors;
}

/** Adds every tensor in `value` to `found`: the value itself, or elements of arrays, sets, maps and plain objects. */
function collectTensors(value: unknown, found: Set<Tensor>): void {
  const seen = new Set<unknown>();
  const pending = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next !== "object" || next === null || seen.has(next)) continue;
    seen.add(next);
    if (isTensor(next)) found.add(next);
    else if (next instanceof Map) pending.push(...next.values());
    else if (Array.isArray(next) || next instanceof Set) pending.push(...next);
    else if (Object.getPrototypeOf(next) === Object.prototype || Object.getPrototypeOf(next) === null)
      pending.push(...Object.values(next));
  }
}

// Without importing the class, which imports this file.
function isTensor(value: object): value is Tensor {
  return "storage" in value && "shape" in value && "dtype" in value && "kept" in value;
}
