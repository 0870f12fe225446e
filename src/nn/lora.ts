/**
 * Low-rank adaptation: a trained model is fitted to a task by the change of its weights alone, as a product of two small
 * matrices, which is trained, saved and exchanged apart from the model.
 *
 * @see Hu et al. 2021, LoRA, https://arxiv.org/abs/2106.09685
 */
import { noGrad } from "../autograd/record.ts";
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { copyInto } from "../kernels/strided-copy/strided-copy.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MultiheadAttention } from "./attention.ts";
import { Embedding } from "./embedding.ts";
import { Linear } from "./linear.ts";
import { matchState, type Renaming } from "./load-state.ts";
import { LoraAdapter } from "./lora-adapter.ts";
import { Buffer, type Module, type Parameter, type StateValue } from "./module.ts";
import { type NamePattern, nameMatches, selectNames } from "./names.ts";
import { LearnedPositions } from "./positions.ts";

export interface LoraOptions {
  /** r: the more, the more an adapter can learn (default 8). */
  rank?: number;
  /** The change is alpha / r times the product (default r). */
  alpha?: number;
  /** Of what an adapter sees, in training (default 0). */
  dropout?: number;
  /**
   * The names of layers that are adapted, or of modules around them: Linear, MultiheadAttention (its projections of queries,
   * keys and values; the one of its output is a Linear) and Embedding. By default all but embeddings and what `train` names.
   */
  targets?: readonly NamePattern[];
  /** The names of what is trained as a whole, such as a new head; nothing by default. */
  train?: readonly NamePattern[];
}

type Adapted = Linear | MultiheadAttention | Embedding;

// PEFT's, for what it wraps.
const PEFT_PREFIX = "base_model.model.";

/**
 * Puts adapters beside the layers of a model and freezes everything else. The outputs are the same as before, in every bit:
 * what is added is 0 at first. Optimize what is left to train: `model.parameters().filter((p) => p.requiresGrad)`.
 *
 * @returns the names of the layers that are adapted
 * @throws ValueError for options out of range, names that match nothing, or a model that has adapters
 * @example
 * nn.lora.inject(model, { rank: 8, alpha: 16, targets: ["**.self_attn", "**.linear1"], train: ["head"] });
 * const adam = new optim.Adam(optim.parameterGroups(model, []), { lr: 1e-3 });
 */
export function inject(model: Module, options: LoraOptions = {}): string[] {
  checkOptions("lora.inject", options, ["rank", "alpha", "dropout", "targets", "train"]);
  const { rank = 8, alpha = rank, dropout = 0, targets, train = [] } = options;
  if (!Number.isInteger(rank) || rank < 1) {
    throw new ValueError(`lora.inject: rank is ${rank}, expected a whole number from 1 up`);
  }
  if (!Number.isFinite(alpha)) throw new ValueError(`lora.inject: alpha is ${alpha}, expected a number`);
  if (adaptersOf(model).length > 0)
    throw new ValueError("lora.inject: the model has adapters; take them away with eject");
  const chosen = chooseLayers(model, targets, train);
  const adapters = chosen.map(([, layer]) => {
    const { weight, isTable } = weightOf(layer);
    return new LoraAdapter(weight, isTable, { rank, scale: alpha / rank, dropout }).train(layer.training);
  });
  const parameters = model.namedParameters();
  const kept = new Set(selectNames("lora.inject", train, [...parameters.keys()]));
  for (const [name, parameter] of parameters) {
    parameter.requiresGrad = kept.has(name);
    if (!parameter.requiresGrad) parameter.grad = null;
  }
  for (const [i, [, layer]] of chosen.entries()) layer.adapter = adapters[i]!;
  return chosen.map(([name]) => name);
}

function chooseLayers(
  model: Module,
  targets: readonly NamePattern[] | undefined,
  train: readonly NamePattern[],
): [name: string, layer: Adapted][] {
  const modules = [...model.namedModules()];
  // Positions take rows of their table themselves.
  const ofPositions = new Set(
    modules.flatMap(([, m]) => (m instanceof LearnedPositions ? [m.positions as Module] : [])),
  );
  const layers = modules.filter(
    (entry): entry is [string, Adapted] => isAdaptable(entry[1]) && !ofPositions.has(entry[1]),
  );
  const isNamed = (patterns: readonly NamePattern[], name: string) => patterns.some((p) => nameMatches(p, name));
  for (const pattern of targets ?? []) {
    if (layers.some(([name]) => nameMatches(pattern, name))) continue;
    throw new ValueError(`lora.inject: no layer that can be adapted has a name like ${String(pattern)}`);
  }
  const seen = new Set<Module>();
  const chosen = layers.filter(([name, layer]) => {
    const wanted = targets ? isNamed(targets, name) : !(layer instanceof Embedding) && !isNamed(train, name);
    if (!wanted || seen.has(layer)) return false;
    seen.add(layer);
    return true;
  });
  if (chosen.length === 0) throw new ValueError("lora.inject: the model has no layer to adapt");
  return chosen;
}

function isAdaptable(module: Module): module is Adapted {
  const isAttention = module instanceof MultiheadAttention && module.inProjWeight !== null;
  return module instanceof Linear || module instanceof Embedding || isAttention;
}

function weightOf(layer: Adapted): { weight: Parameter; isTable: boolean } {
  if (layer instanceof MultiheadAttention) return { weight: layer.inProjWeight!, isTable: false };
  return { weight: layer.weight, isTable: layer instanceof Embedding };
}

// A layer with several names by its first.
function adaptersOf(model: Module): { name: string; layer: Adapted; adapter: LoraAdapter }[] {
  const seen = new Set<Module>();
  return [...model.namedModules()].flatMap(([name, layer]) => {
    if (seen.has(layer) || !isAdaptable(layer) || !layer.adapter) return [];
    seen.add(layer);
    return [{ name, layer, adapter: layer.adapter }];
  });
}

function expectAdapters(op: string, model: Module) {
  const found = adaptersOf(model);
  if (found.length === 0) throw new ValueError(`lora.${op}: the model has no adapters; give it some with lora.inject`);
  return found;
}

/**
 * Adds the adapters to the weights, so that the model is as fast as it was without them. The weights as they were are kept for
 * `unmerge`, until `eject`. What is merged is not trained. An embedding whose rows also score tokens, as in `Gpt`, is not to be
 * merged: the scores would change, too.
 *
 * @returns the model
 * @throws ValueError if there are no adapters, or a weight belongs to another layer too
 */
export function merge<M extends Module>(model: M): M {
  const adapted = expectAdapters("merge", model);
  for (const { name, layer } of adapted) {
    const { weight } = weightOf(layer);
    const names = [...model.stateDict()].flatMap(([name, value]) => (value === weight ? [name] : []));
    const owners = [...model.namedModules()].flatMap(([other, module]) => (module === layer ? [other] : []));
    const isOther = names.some((other) => !owners.some((owner) => other.startsWith(`${owner}.`)));
    if (isOther && name !== "")
      throw new ValueError(`lora.merge: ${names.join(" and ")} are one weight, which both would change`);
  }
  noGrad(() =>
    scope(() => {
      for (const { layer, adapter } of adapted) {
        if (adapter.isMerged) continue;
        const { weight } = weightOf(layer);
        adapter.base = new Buffer(weight.detach().clone(), { persistent: false });
        copyInto(weight.add(adapter.delta()), weight.storage);
      }
    }),
  );
  return model;
}

/**
 * Gives the model the weights that it had before `merge`, in every bit.
 *
 * @returns the model
 * @throws ValueError if there are no adapters
 */
export function unmerge<M extends Module>(model: M): M {
  for (const { layer, adapter } of expectAdapters("unmerge", model)) {
    if (!adapter.base) continue;
    copyInto(adapter.base, weightOf(layer).weight.storage);
    adapter.base.dispose();
    adapter.base = undefined;
  }
  return model;
}

/**
 * Takes the adapters away and unfreezes the model. Those that are merged stay in the weights, for good.
 *
 * @returns the model
 * @example nn.lora.eject(nn.lora.merge(model)); // a plain model, fitted to its task
 */
export function eject<M extends Module>(model: M): M {
  for (const { layer, adapter } of expectAdapters("eject", model)) {
    adapter.base?.dispose();
    adapter.a.dispose();
    adapter.b.dispose();
    layer.adapter = undefined;
  }
  return model.unfreeze();
}

/**
 * The adapters, and whatever else of the model is trained, under the names that they have in PEFT's files, such as
 * `base_model.model.encoder.layers.0.linear1.lora_A.weight`: some thousandths of the model's size.
 *
 * @throws ValueError if there are no adapters
 * @example await writeFile("adapter.safetensors", await io.serializeState(nn.lora.stateDict(model)));
 */
export function stateDict(model: Module): Map<string, Tensor> {
  return new Map([...trained("stateDict", model)].map(([name, value]) => [toPeft(name), value]));
}

/**
 * Loads what `stateDict` gave, into a model with adapters at the same layers.
 *
 * @throws ValueError that lists missing, unexpected and mis-shaped names; if adapters are merged, or there are none
 */
export function loadStateDict(model: Module, state: ReadonlyMap<string, StateValue>): void {
  const merged = expectAdapters("loadStateDict", model).find(({ adapter }) => adapter.isMerged);
  if (merged)
    throw new ValueError(`lora.loadStateDict: ${merged.name} has its adapter merged; call lora.unmerge first`);
  const own = trained("loadStateDict", model);
  const ownNames = new Map([...own.keys()].map((name) => [toPeft(name), name]));
  const rename: Renaming = (name) => ownNames.get(name) ?? name;
  const { values } = matchState(state, own, { rename }); // refuses what does not fit, before anything is changed
  model.loadStateDict(values, { strict: false });
}

function trained(op: string, model: Module): Map<string, Parameter> {
  const adapters = new Set(expectAdapters(op, model).flatMap(({ adapter }) => [adapter.a, adapter.b]));
  return new Map([...model.namedParameters()].filter(([, value]) => adapters.has(value) || value.requiresGrad));
}

function toPeft(name: string): string {
  return PEFT_PREFIX + name.replace(/(^|\.)adapter\.(?=lora_)/, "$1");
}
