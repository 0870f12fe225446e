/** Groups of a module's parameters by their names, as optimizers take them: other learning rates for other layers. */
import { ValueError } from "../gpu/errors.ts";
import type { Module, Parameter } from "../nn/module.ts";
import { type NamePattern, nameMatches, selectNames } from "../nn/names.ts";
import type { OptimizerOptions, ParameterGroup } from "./optimizer.ts";
import { above0To1, atLeast0, checkValues } from "./options.ts";

/** Which parameters have options of their own. */
export type GroupRule<Options> = { readonly names: NamePattern | readonly NamePattern[] } & Partial<Options>;

/**
 * Makes a group for each rule, of the parameters that its names mean and no rule before it; and last one of all others,
 * with the optimizer's options. What is frozen is in none, and a group without parameters is left out.
 *
 * @throws ValueError for a pattern that no parameter's name matches
 * @example
 * new optim.AdamW(optim.parameterGroups(model, [
 *   { names: ["**.bias", /norm/], weightDecay: 0 },
 *   { names: "encoder", lr: 1e-5 },
 * ]), { lr: 1e-3, weightDecay: 0.01 });
 */
export function parameterGroups<Options extends OptimizerOptions = OptimizerOptions>(
  module: Module,
  rules: readonly GroupRule<Options>[],
): ParameterGroup<Options>[] {
  const named = [...module.namedParameters()];
  const patterns = rules.map(({ names }) => (Array.isArray(names) ? names : [names]) as readonly NamePattern[]);
  const all = named.map(([name]) => name);
  for (const own of patterns) selectNames("parameterGroups", own, all);
  const members: Parameter[][] = [...rules, null].map(() => []);
  for (const [name, parameter] of named) {
    if (!parameter.requiresGrad) continue;
    const first = patterns.findIndex((own) => own.some((pattern) => nameMatches(pattern, name)));
    members[first === -1 ? rules.length : first]!.push(parameter);
  }
  const options = [...rules.map(({ names, ...options }) => options), {}];
  const groups = members.map((parameters, i) => ({ ...options[i], parameters }) as unknown as ParameterGroup<Options>);
  return groups.filter((_, i) => members[i]!.length > 0);
}

export interface LayerRates {
  /** Of the uppermost layer. */
  lr: number;
  /** What the rate is multiplied by from each layer to the one below it (default 1). */
  decay?: number;
  /** Of what is in no layer, such as a new head (default `lr`). */
  headLr?: number;
}

/**
 * Makes a group for each layer, with a rate that falls from layer to layer, so that what is most general changes least:
 * lr decayᵏ for the k-th below the uppermost.
 *
 * @param layers the names of each layer's parameters, from the input upwards
 * @throws ValueError for rates out of range, or names that match nothing
 * @see Howard & Ruder 2018, discriminative fine-tuning, https://arxiv.org/abs/1801.06146
 * @example
 * const layers = [["embedding", "positions"], "encoder.layers.0", "encoder.layers.1"];
 * new optim.Adam(optim.layerRates(model, layers, { lr: 1e-4, decay: 0.8, headLr: 1e-3 }));
 */
export function layerRates(
  module: Module,
  layers: readonly (NamePattern | readonly NamePattern[])[],
  rates: LayerRates,
): ParameterGroup<OptimizerOptions>[] {
  const { lr, decay = 1, headLr = lr } = rates;
  checkValues("layerRates", { ...rates }, { lr: atLeast0, decay: above0To1, headLr: atLeast0 });
  if (layers.length === 0) throw new ValueError("layerRates: layers is empty, expected at least one");
  const rules = layers.map((names, i) => ({ names, lr: lr * decay ** (layers.length - 1 - i) }));
  return parameterGroups(module, rules).map((group) => ({ lr: headLr, ...group }));
}
