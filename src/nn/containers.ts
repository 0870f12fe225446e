/** Modules made of modules. */
import type { Tensor } from "../tensor/tensor.ts";
import { Module, type TensorModule } from "./module.ts";

/**
 * Modules in a row: each gets what the one before returned. Names in the state dict are "0", "1", ...
 *
 * @example
 * const mlp = new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), new nn.Linear(128, 10));
 */
export class Sequential extends Module {
  readonly layers: readonly TensorModule[];

  constructor(...layers: TensorModule[]) {
    super();
    this.layers = layers;
  }

  override *members(): Iterable<[string, unknown]> {
    for (const [i, layer] of this.layers.entries()) yield [`${i}`, layer];
  }

  override forward(x: Tensor): Tensor {
    return this.layers.reduce((x, layer) => layer.forward(x), x);
  }
}

/** A list of modules, iterable; its `forward` is left to the module that holds it. Names are "0", "1", ... */
export class ModuleList<M extends Module> extends Module {
  readonly modules: readonly M[];

  constructor(modules: readonly M[]) {
    super();
    this.modules = modules;
  }

  override *members(): Iterable<[string, unknown]> {
    for (const [i, module] of this.modules.entries()) yield [`${i}`, module];
  }

  get length(): number {
    return this.modules.length;
  }

  [Symbol.iterator](): Iterator<M> {
    return this.modules[Symbol.iterator]();
  }

  /** @throws TypeError always: a list has no computation of its own */
  override forward(): never {
    throw new TypeError("ModuleList: it has no forward; iterate over it");
  }
}
