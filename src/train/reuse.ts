/** What a text run takes from another one: its tokenizer, its vocabulary, and its weights but for a head of other classes. */
import { type Tokenizer, tokenizerFromJSON } from "../data/tokenizer.ts";
import { Vocab } from "../data/vocab.ts";
import { DataError, TilegradError } from "../gpu/errors.ts";
import { readFileChecked } from "../io/files-node.ts";
import { parseState } from "../io/state.ts";
import type { Module } from "../nn/index.ts";
import type { AdamOptions } from "../optim/adam.ts";
import type { ParameterGroup } from "../optim/optimizer.ts";
import { layerRates } from "../optim/parameter-groups.ts";
import { RunFolder } from "./run-folder.ts";
import type { TextModelOptions } from "./text-run.ts";

/** How the weights of another run are used. */
export interface Reuse {
  /** The folder of a pre-training, or of a text classifier. */
  readonly from: string;
  /** Names of parameters, or of modules, that are not trained. */
  readonly freeze: readonly string[];
  /** The learning rate of what is taken; default: the head's. */
  readonly bodyLr?: number | undefined;
  /** What that rate is multiplied by from each layer to the one below it. */
  readonly layerDecay: number;
}

/** A run whose parts can be used. */
export interface Source {
  readonly folder: RunFolder;
  readonly model: TextModelOptions;
  readonly tokenizer: Tokenizer;
  readonly vocab: Vocab;
  /** The classes of its head; null after a pre-training. */
  readonly labels: readonly string[] | null;
}

/** @throws DataError for a folder that is not that of a text run or a pre-training */
export async function openSource(path: string): Promise<Source> {
  const folder = new RunFolder(path);
  const file = folder.file("config.json");
  const config = await folder.readConfig();
  const { task, objective } = config;
  if (task !== "text" && task !== "pretrain") {
    throw new DataError(`${file}: the task is ${JSON.stringify(task)}, expected "pretrain" or "text"`);
  }
  const causal = objective === "causal";
  const ofPretraining = { model: "transformer", pooling: "mean", hidden: 128, bidirectional: false, causal };
  return {
    folder,
    model: { ...(task === "pretrain" ? ofPretraining : {}), ...(config.model as object) } as TextModelOptions,
    tokenizer: tokenizerFromJSON(config.tokenizer, file),
    vocab: Vocab.fromJSON(config.vocab, file),
    labels: task === "text" ? (config.labels as string[]) : null,
  };
}

const HEAD = /^(head\.|class_token$)/;
const OF_LANGUAGE_MODELS = /^(transform|norm|bias)(\.|$)/;

/**
 * Loads the weights of a source's model into one of the same sizes. A head of the same classes is among them.
 *
 * @param labels the classes of the module's head
 * @returns a line about what was taken
 * @throws DataError if the file is damaged, or the sizes are others
 */
export async function takeWeights(source: Source, module: Module, labels: readonly string[]): Promise<string> {
  const { folder } = source;
  const file = folder.file("model.safetensors");
  const isSame = JSON.stringify(source.labels) === JSON.stringify(labels);
  const state = parseState(await readFileChecked(file), { file });
  const rename = (name: string) =>
    source.labels === null && OF_LANGUAGE_MODELS.test(name) ? null : !isSame && name.startsWith("head.") ? null : name;
  try {
    const { loaded, missing, unexpected } = module.loadStateDict(state, { strict: false, rename });
    const wrong = [...missing.filter((name) => !HEAD.test(name)), ...unexpected];
    if (wrong.length > 0) throw new DataError(`${wrong.join(", ")} are in one model and not in the other`);
    const fresh = missing.length === 0 ? "the head with its classes too" : `${missing.join(", ")} are new`;
    return `${loaded.length} tensors from ${folder.path}; ${fresh}`;
  } catch (cause) {
    if (!(cause instanceof TilegradError)) throw cause;
    throw new DataError(`${file}: does not fit the model (${cause.message})`, { cause });
  }
}

/**
 * Freezes what is to be frozen, and makes the groups of the rest: the head at the run's learning rate, what was taken at its
 * own, which falls by layer.
 *
 * @throws ValueError for a name that matches no parameter
 */
export function reuseGroups(
  module: Module,
  { freeze, bodyLr, layerDecay }: Reuse,
  lr: number,
): ParameterGroup<AdamOptions>[] {
  if (freeze.length > 0) module.freeze(...freeze);
  const body = [...module.namedParameters().keys()].filter((name) => !HEAD.test(name));
  const count = Math.max(0, ...body.map((name) => Number(/^encoder\.layers\.(\d+)\./.exec(name)?.[1] ?? -1) + 1));
  const inLayers = Array.from({ length: count }, (_, i) =>
    body.filter((name) => name.startsWith(`encoder.layers.${i}.`)),
  );
  const layers = [body.filter((name) => !/^encoder\.layers\./.test(name)), ...inLayers];
  return layerRates(module, layers, { lr: bodyLr ?? lr, decay: layerDecay, headLr: lr });
}
