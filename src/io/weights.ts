/**
 * Weights from files of others, whatever their format: safetensors, or what `torch.save` writes, which is told by what is in
 * the file and not by its name.
 */
import { checkOptions, DataError } from "../gpu/errors.ts";
import type { ReferenceArray } from "../gpu/kernel.ts";
import type { Shape } from "../tensor/shape.ts";
import { PytorchTensor, type PytorchValue, parsePytorch, readPytorch } from "./pytorch.ts";
import { parseState, toNumbers } from "./state.ts";
import { type ByteSource, isZip } from "./zip.ts";

/** A state dict as `module.loadStateDict` takes it. */
export type HostState = Map<string, { readonly shape: Shape; readonly data: ReferenceArray }>;

export interface WeightsOptions {
  /** Where in a checkpoint the state dict is, with dots between keys; by default it is looked for. */
  at?: string | undefined;
}

// Where checkpoints usually have it.
const USUAL_KEYS = ["model", "state_dict", "model_state_dict", "model_state", "net", "network", "module"];
const PICKLE = 0x80;

/**
 * Reads the state dict in a file of safetensors or of `torch.save`. Of a checkpoint it is the only state dict there is, or the
 * one under a usual name such as "model" or "state_dict".
 *
 * @param bytes the whole file
 * @param options `at`: where in the checkpoint it is; `file`: the name that messages use
 * @throws DataError for a file that neither format allows, or in which there is no state dict, or more than one
 * @example model.loadStateDict(io.parseWeights(await readFile("model.pt")));
 */
export function parseWeights(bytes: Uint8Array, options: WeightsOptions & { file?: string } = {}): HostState {
  checkOptions("parseWeights", options, ["at", "file"]);
  const { at, file = "weights" } = options;
  if (isZip(bytes) || bytes[0] === PICKLE) return stateIn(parsePytorch(bytes, { file }), file, at);
  if (at !== undefined)
    throw new DataError(`${file}: is a safetensors file, in which there is nothing to find at "${at}"`);
  return parseState(bytes, { file });
}

/** As `parseWeights`, for a file of torch.save that is read in part. */
export function readWeights(source: ByteSource, file: string, { at }: WeightsOptions): HostState {
  return stateIn(readPytorch(source, file), file, at);
}

function stateIn(value: PytorchValue, file: string, at: string | undefined): HostState {
  const state = at === undefined ? findState(value, file) : follow(value, file, at);
  return new Map(
    [...state].map(([name, tensor]) => {
      const { shape } = tensor;
      return [name, { shape, data: toNumbers(tensor.entry(), `${file}: ${name}`) }];
    }),
  );
}

type State = ReadonlyMap<string, PytorchTensor>;

function isState(value: unknown): value is State {
  if (!(value instanceof Map) || value.size === 0) return false;
  return [...value].every(([name, tensor]) => typeof name === "string" && tensor instanceof PytorchTensor);
}

function findState(value: PytorchValue, file: string): State {
  if (isState(value)) return value;
  const states = [...(value instanceof Map ? value : [])].filter(([, inner]) => isState(inner));
  const usual = states.filter(([key]) => USUAL_KEYS.includes(String(key)));
  const found = states.length === 1 ? states : usual;
  if (found.length === 1) return found[0]![1] as State;
  const keys = value instanceof Map ? [...value.keys()].map((key) => JSON.stringify(String(key))).join(", ") : "none";
  const what = states.length === 0 ? "there is no state dict" : `${states.length} state dicts are there`;
  throw new DataError(`${file}: ${what}; say where it is with the option at; keys: ${shorten(keys)}`);
}

function follow(value: PytorchValue, file: string, at: string): State {
  let inner: PytorchValue | undefined = value;
  for (const key of at.split(".")) inner = inner instanceof Map ? inner.get(key) : undefined;
  if (isState(inner)) return inner;
  const has = inner === undefined ? "is nothing" : "is something else";
  throw new DataError(`${file}: at "${at}" ${has}, expected a dict of tensors`);
}

function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}

/** As `optimizer.loadStateDict` takes it. */
export interface HostOptimizerState<Options> {
  readonly tensors: HostState;
  readonly groups: Partial<Options>[];
}

// What PyTorch keeps with a group that is none of its optimizer's mathematics.
const OF_PYTORCH_ALONE = [
  "params",
  "foreach",
  "capturable",
  "differentiable",
  "fused",
  "initial_lr",
  "decoupled_weight_decay",
];

/**
 * Converts what PyTorch's `optimizer.state_dict()` gave to what `optimizer.loadStateDict` takes, for the optimizers that count
 * steps as PyTorch's do: Adam, AdamW, NAdam, RAdam, Adamax, RMSprop, Adagrad and Adadelta. Parameters go by their order.
 *
 * @param value a part of what `parsePytorch` gave
 * @throws DataError for what is no optimizer's state
 * @example
 * const checkpoint = io.parsePytorch(bytes);
 * adam.loadStateDict(io.pytorchOptimizerState(checkpoint.get("optimizer")));
 */
export function pytorchOptimizerState<Options = Record<string, unknown>>(value: unknown): HostOptimizerState<Options> {
  const [state, groups] = value instanceof Map ? [value.get("state"), value.get("param_groups")] : [];
  if (!(state instanceof Map) || !Array.isArray(groups) || !groups.every((group) => group instanceof Map)) {
    throw new DataError(
      'pytorchOptimizerState: the value has no "state" and "param_groups", as state dicts of optimizers have',
    );
  }
  const tensors: HostState = new Map();
  for (const [g, group] of groups.entries()) {
    const params: unknown = group.get("params");
    for (const [i, param] of (Array.isArray(params) ? params : []).entries()) {
      for (const [name, kept] of state.get(param) ?? []) {
        const place = `${g}.${i}.${name}`;
        if (kept instanceof PytorchTensor) {
          tensors.set(place, { shape: kept.shape, data: toNumbers(kept.entry(), place) });
        } else if (typeof kept === "number") {
          tensors.set(place, { shape: [], data: Float32Array.of(kept) }); // a count of steps, before PyTorch 1.12
        }
      }
    }
  }
  return { tensors, groups: groups.map(optionsOf) as Partial<Options>[] };
}

// `weight_decay` becomes `weightDecay`. Only the names of options are used, as those of an object without a prototype's.
function optionsOf(group: Map<unknown, unknown>): Record<string, unknown> {
  const own = [...group].filter(([name]) => typeof name === "string" && /^[a-z_]+$/.test(name) && name !== "__proto__");
  return Object.fromEntries(
    own
      .filter(([name]) => !OF_PYTORCH_ALONE.includes(name as string))
      .map(([name, value]) => [(name as string).replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()), value]),
  );
}
