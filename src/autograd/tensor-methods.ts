/** What autograd adds to `Tensor`: `requiresGrad`, `grad`, `backward`, hooks. */
import { DTypeError, GradientError } from "../gpu/errors.ts";
import { type DType, isFloat } from "../tensor/dtype.ts";
import { setReachable } from "../tensor/scope.ts";
import { alias, Tensor } from "../tensor/tensor.ts";
import { type BackwardOptions, backward, nodesFrom } from "./backward.ts";
import { entryOf, type GradientHook, type GraphEntry, newEntry } from "./record.ts";

declare module "../tensor/tensor.ts" {
  interface Tensor<D extends DType = DType> {
    /** Whether gradients flow to it. Settable on leaves: tensors that no recorded op made. */
    requiresGrad: boolean;
    /** The gradient that `backward` added up, on leaves and after `retainGrad`; null before. */
    grad: Tensor | null;
    /** Whether it was made by no recorded op. */
    readonly isLeaf: boolean;
    /** @see backward in autograd/backward.ts */
    backward(options?: BackwardOptions): void;
    /** A handle on the same storage that no gradient flows through. */
    detach(): Tensor<D>;
    /** Keeps the gradient of a tensor that is not a leaf in `grad`, too. @returns the tensor */
    retainGrad(): this;
    /**
     * Calls `hook` with the tensor's gradient once it is complete; what the hook returns replaces it.
     *
     * @returns a function that takes the hook away again
     */
    registerHook(hook: GradientHook): () => void;
  }
}

function graphOf(tensor: Tensor): GraphEntry {
  return (tensor.graph ??= newEntry(tensor.shape)) as GraphEntry;
}

function requireGraph(tensor: Tensor, method: string): GraphEntry {
  const entry = entryOf(tensor);
  if (!entry) throw new GradientError(`${method}: the tensor of shape [${tensor.shape}] does not require a gradient`);
  return entry;
}

Object.defineProperties(Tensor.prototype, {
  requiresGrad: {
    get(this: Tensor) {
      return entryOf(this) !== null;
    },
    set(this: Tensor, value: boolean) {
      if (value && !isFloat(this.dtype))
        throw new DTypeError(`requiresGrad: the tensor has dtype ${this.dtype}, expected f32`);
      const entry = graphOf(this);
      if (entry.node) {
        if (value) return;
        throw new GradientError(
          "requiresGrad: the tensor was made by an op, so it cannot be switched off; use detach()",
        );
      }
      entry.requiresGrad = value;
    },
  },
  grad: {
    get(this: Tensor) {
      return (this.graph as GraphEntry | null)?.grad ?? null;
    },
    set(this: Tensor, value: Tensor | null) {
      const entry = graphOf(this);
      if (value !== entry.grad) entry.grad?.dispose();
      if (value) value.kept = true;
      entry.grad = value;
    },
  },
  isLeaf: {
    get(this: Tensor) {
      return ((this.graph as GraphEntry | null)?.node ?? null) === null;
    },
  },
});

Tensor.prototype.backward = function (this: Tensor, options) {
  backward(this, options);
};

Tensor.prototype.detach = function (this: Tensor) {
  return alias(this);
};

Tensor.prototype.retainGrad = function (this: Tensor) {
  requireGraph(this, "retainGrad").retainsGrad = true;
  return this;
};

Tensor.prototype.registerHook = function (this: Tensor, hook) {
  const entry = requireGraph(this, "registerHook");
  entry.hooks ??= new Set();
  entry.hooks.add(hook);
  return () => {
    entry.hooks?.delete(hook);
  };
};

// A scope must not free what the graph of a surviving tensor still needs.
setReachable(function* (tensors) {
  const roots = [...tensors].map((tensor) => entryOf(tensor)?.node ?? null);
  for (const node of nodesFrom(roots)) yield* node.savedTensors;
});
