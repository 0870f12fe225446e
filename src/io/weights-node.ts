/** Weights from files in Node. Files of torch.save are read in part, so that one of any size takes its tensors' memory once. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { checkOptions, DataError } from "../gpu/errors.ts";
import { readFileChecked } from "./files-node.ts";
import { type PytorchValue, parsePytorch, readPytorch } from "./pytorch.ts";
import { type HostState, parseWeights, readWeights, type WeightsOptions } from "./weights.ts";
import { type ByteSource, isZip } from "./zip.ts";

/** What takes a state dict; a module. */
interface Loadable<Options, Report> {
  loadStateDict(state: HostState, options?: Options): Report;
}

/**
 * Loads the weights in a file of safetensors or of `torch.save` into a module, and says what was loaded and what was not.
 * Nothing that is in the file is run.
 *
 * @param options what `loadStateDict` takes, and `at`: where in a checkpoint the state dict is
 * @throws DataError for a file that cannot be used; ValueError, naming the file, if it does not fit the module
 * @example
 * const { missing } = await tg.loadWeights("resnet.pt", model, { rename: [["module.", ""]], strict: false });
 */
export async function loadWeights<Options extends object, Report>(
  path: string,
  module: Loadable<Options, Report>,
  options: Options & WeightsOptions = {} as Options,
): Promise<Report> {
  const { at, ...loading } = options;
  const state = await readWeightsFile(path, { at });
  try {
    return module.loadStateDict(state, loading as unknown as Options);
  } catch (error) {
    if (error instanceof Error) error.message = `${path}: ${error.message}`;
    throw error;
  }
}

/**
 * Reads the state dict in a file of safetensors or of `torch.save`.
 *
 * @param options `at`: where in a checkpoint it is; by default it is looked for
 * @throws DataError for a file that cannot be used
 */
export async function readWeightsFile(path: string, options: WeightsOptions = {}): Promise<HostState> {
  checkOptions("readWeightsFile", options, ["at"]);
  const source = openFile(path);
  const { at } = options;
  if (source && isZip(source.read(0, Math.min(4, source.length)))) return readWeights(source, path, { at });
  return parseWeights(await readFileChecked(path), { file: path, at });
}

/**
 * Reads a file of `torch.save` whatever is in it, as `io.parsePytorch` does; a tensor's elements are read when they are asked
 * for, so that the file is to stay as it is until then.
 *
 * @throws DataError for a file that cannot be used
 */
export async function readPytorchFile(path: string): Promise<PytorchValue> {
  const source = openFile(path);
  return source ? readPytorch(source, path) : parsePytorch(await readFileChecked(path), { file: path });
}

// Opened for each part, so that no file stays open when something fails; null for what is no file, which is refused elsewhere.
function openFile(path: string): ByteSource | null {
  const before = statSync(path, { throwIfNoEntry: false });
  if (!before?.isFile()) return null;
  return {
    length: before.size,
    read: (offset, length) => {
      const { size, mtimeMs, ino } = statSync(path);
      if (size !== before.size || mtimeMs !== before.mtimeMs || ino !== before.ino) {
        throw new DataError(`${path}: was changed while it was read; try again`);
      }
      return readRange(path, offset, length);
    },
  };
}

function readRange(path: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const file = openSync(path, "r");
  try {
    for (let done = 0; done < length; ) {
      const count = readSync(file, bytes, done, Math.min(length - done, 2 ** 30), offset + done);
      if (count === 0) throw new DataError(`${path}: was changed while it was read; try again`);
      done += count;
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}
