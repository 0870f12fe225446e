/** Trades time for memory: a region's saved tensors are dropped after the forward pass and computed again when needed. */
import { GradientError } from "../gpu/errors.ts";
import { keep, scope } from "../tensor/scope.ts";
import { alias, type Tensor } from "../tensor/tensor.ts";
import { isAutocastEnabled, withAutocast } from "./autocast.ts";
import { isGradEnabled, recordedNodes, withGrad } from "./record.ts";

/** Makes `fn` draw the same random numbers as at the time of this call; the random kernels provide it. */
export type RandomReplay = () => <R>(fn: () => R) => R;

let randomReplay: RandomReplay = () => (fn) => fn();

export function setRandomReplay(replay: RandomReplay): void {
  randomReplay = replay;
}

let recomputing = false;

/** Whether a checkpointed function runs again: what it changed in place the first time must not be changed twice. */
export function isRecomputing(): boolean {
  return recomputing;
}

/**
 * Computes `fn(...inputs)` and keeps nothing of it but the inputs; `backward` runs `fn` again, with the same random
 * numbers, to get what it needs. `fn` must do the same each time.
 *
 * @param fn a function of tensors; parameters it closes over get their gradients too
 * @returns what `fn` returns
 * @throws GradientError in backward, if `fn` ran other ops the second time
 * @see Chen et al. 2016, https://arxiv.org/abs/1604.06174
 */
export function checkpoint<R extends Tensor | readonly Tensor[]>(
  fn: (...inputs: Tensor[]) => R,
  ...inputs: Tensor[]
): R {
  if (!isGradEnabled()) return fn(...inputs);
  const replay = randomReplay();
  const isMixed = isAutocastEnabled();
  const { result, nodes } = recordedNodes(() => fn(...inputs));
  const versions = inputs.map((input) => input.storage.version);
  const held = inputs.map((input) => {
    const handle = alias(input);
    handle.graph = input.graph;
    handle.kept = true;
    return handle;
  });

  let pending = new Set(nodes.filter((node) => node.savedTensors.length > 0));
  const recompute = () => {
    const changed = held.findIndex((input, i) => input.storage.version !== versions[i]);
    if (changed >= 0)
      throw new GradientError(`checkpoint: input ${changed} was changed in place after the forward pass`);
    // The scope frees what the second run made, except what the nodes take over.
    scope(() => {
      const again = withAutocast(isMixed, () =>
        withGrad(true, () => recordedNodes(() => replay(() => runAgain(() => fn(...held))))),
      );
      if (again.nodes.length !== nodes.length) {
        throw new GradientError(
          `checkpoint: the function recorded ${again.nodes.length} ops where it had recorded ${nodes.length}; it must do the same each time`,
        );
      }
      for (const [i, node] of nodes.entries()) {
        if (!pending.has(node)) continue;
        node.adoptSaved(again.nodes[i]!);
        for (const tensor of node.savedTensors) keep(tensor);
      }
    });
    pending = new Set();
    for (const input of held) input.dispose();
  };
  for (const node of pending) node.postpone(recompute);
  if (pending.size === 0) for (const input of held) input.dispose();
  return result;
}

function runAgain<R>(fn: () => R): R {
  const before = recomputing;
  recomputing = true;
  try {
    return fn();
  } finally {
    recomputing = before;
  }
}
