/**
 * Mixed precision: whether matrix products round their operands to float16. Ops ask when they run; the graph remembers
 * what the forward pass was told, so that each gradient is computed as the op was.
 */
import { checkOptions } from "../gpu/errors.ts";
import { expectSync } from "../tensor/expect-sync.ts";
import { scope } from "../tensor/scope.ts";

/** What the operands of a product are rounded to. */
export type Precision = "f32" | "f16";

let enabled = false;

/** Whether `autocast` is on here. */
export function isAutocastEnabled(): boolean {
  return enabled;
}

/** What a product that runs now rounds its operands to. */
export function productPrecision(): Precision {
  return enabled ? "f16" : "f32";
}

/** Runs `fn` with autocast on or off. */
export function withAutocast<R>(on: boolean, fn: () => R): R {
  const before = enabled;
  enabled = on;
  try {
    return fn();
  } finally {
    enabled = before;
  }
}

/** As `scope`, for what is computed in float32 whatever autocast says, and its gradients too. */
export function scopeInFloat32<R>(fn: () => R): R {
  return withAutocast(false, () => scope(fn));
}

/**
 * Runs `fn` in mixed precision: matmul, linear, bilinear, einsum and the convolutions, their gradients included, round their
 * two operands to float16 (to nearest, ties to even; beyond 65,504 to infinity) and add the products up in float32. Every
 * tensor stays f32, as do biases, activations, normalisations, softmax, losses, attention, recurrence and the optimizers.
 * Gradients are rounded too, so that small ones are lost unless the loss is scaled: see `optim.GradScaler`.
 *
 * It needs no feature of the adapter. Calls nest, and what counts for a gradient is where its op ran, not where `backward`
 * is called.
 *
 * @param fn synchronous
 * @param options enabled: false to switch it off inside of another (default true)
 * @returns what `fn` returns
 * @throws ValueError if `fn` returns a promise, or for an unknown option
 * @see https://docs.pytorch.org/docs/stable/amp.html
 * @example
 * const loss = tg.autocast(() => tg.crossEntropy(model.forward(x), labels));
 * scaler.scale(loss).backward();
 */
export function autocast<R>(fn: () => R, options: { enabled?: boolean } = {}): R {
  checkOptions("autocast", options, ["enabled"]);
  return withAutocast(options.enabled ?? true, () => expectSync("autocast", fn()));
}
