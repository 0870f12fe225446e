/**
 * What `torch.save` writes: a zip archive with a pickle of the whole and a file for each storage. It is read without running
 * anything that is in it, and a tensor's bytes are read when they are asked for.
 *
 * @see https://pytorch.org/docs/stable/notes/serialization.html
 */
import { checkOptions, DataError } from "../gpu/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type PickleGlobal, unpickle } from "./pickle.ts";
import type { SafetensorsEntry } from "./safetensors.ts";
import { type ByteSource, isZip, readZipDirectory, readZipEntry, sourceOf, type ZipEntry } from "./zip.ts";

// By the names of PyTorch's storages, less "Storage", and by those of its dtypes.
const DTYPES = {
  Float: { torch: "float32", dtype: "F32", array: Float32Array },
  Double: { torch: "float64", dtype: "F64", array: Float64Array },
  Half: { torch: "float16", dtype: "F16", array: Uint16Array },
  BFloat16: { torch: "bfloat16", dtype: "BF16", array: Uint16Array },
  Long: { torch: "int64", dtype: "I64", array: BigInt64Array },
  Int: { torch: "int32", dtype: "I32", array: Int32Array },
  Short: { torch: "int16", dtype: "I16", array: Int16Array },
  Char: { torch: "int8", dtype: "I8", array: Int8Array },
  Byte: { torch: "uint8", dtype: "U8", array: Uint8Array },
  Bool: { torch: "bool", dtype: "BOOL", array: Uint8Array },
} as const;

type ElementType = (typeof DTYPES)[keyof typeof DTYPES];
type Elements = InstanceType<ElementType["array"]>;

const MOST_REPEATED = 2 ** 24; // elements of a tensor that has more than its storage

/** What a file holds: plain values, tensors, and lists and dicts of them. Tuples, sets and sizes are arrays. */
export type PytorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PytorchTensor
  | PytorchValue[]
  | Map<string | number | bigint | boolean | null, PytorchValue>;

interface Storage {
  readonly type: ElementType;
  /** Elements. */
  readonly length: number;
  readonly read: () => Elements;
}

/** A tensor in a file; its elements are read when `entry` is called. */
export class PytorchTensor {
  readonly shape: readonly number[];
  readonly #storage: Storage;
  readonly #offset: number;
  readonly #strides: readonly number[];

  /** @throws DataError for a tensor that is not within its storage */
  constructor(file: string, storage: Storage, offset: unknown, shape: unknown, strides: unknown) {
    if (!isSize(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) {
      throw new DataError(`${file}: a tensor has an impossible shape; save or download the file again`);
    }
    const size = sizeOf(shape);
    const last = shape.reduce((at, n, axis) => at + (n - 1) * strides[axis]!, offset);
    if (!Number.isSafeInteger(size) || (size > 0 && !(last < storage.length))) {
      throw new DataError(`${file}: a tensor of shape [${shape}] lies outside of its storage; save the file again`);
    }
    if (size > storage.length && size > MOST_REPEATED) {
      throw new DataError(
        `${file}: a tensor of shape [${shape}] repeats ${storage.length} elements; in Python, save x.clone() instead of x`,
      );
    }
    this.shape = shape;
    this.#storage = storage;
    this.#offset = offset;
    this.#strides = strides;
  }

  /** PyTorch's name of its dtype, such as "float32". */
  get dtype(): string {
    return this.#storage.type.torch;
  }

  /**
   * Its elements, row-major, as a safetensors file would have them: a view of what was read where they lie in that order.
   *
   * @throws DataError if the file is damaged there
   */
  entry(): SafetensorsEntry {
    const { dtype } = this.#storage.type;
    return { dtype, shape: this.shape, data: this.#gather(this.#storage.read()) } as SafetensorsEntry;
  }

  #gather(elements: Elements): Elements {
    const { shape } = this;
    const size = sizeOf(shape);
    if (isRowMajor(shape, this.#strides)) return elements.subarray(this.#offset, this.#offset + size) as Elements;
    const { array } = this.#storage.type;
    const data = new array(size);
    const at = new Array<number>(shape.length).fill(0);
    let from = this.#offset;
    for (let i = 0; i < size; i++) {
      data[i] = elements[from]!;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        from += this.#strides[axis]!;
        if (++at[axis]! < shape[axis]!) break;
        from -= shape[axis]! * this.#strides[axis]!;
        at[axis] = 0;
      }
    }
    return data;
  }
}

function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return sizeOf(shape) === 0;
    expected *= shape[axis]!;
  }
  return true;
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 64 && value.every(isSize);
}

/**
 * Reads what `torch.save` wrote: a state dict, a checkpoint with one inside, or whatever else is made of tensors and plain
 * values. Nothing that is in the file is run; what would need it is refused by name.
 *
 * @param bytes the whole file
 * @param options `file`: the name that messages use
 * @throws DataError for a file that is damaged, of PyTorch before 1.6, or made of anything but tensors and plain values
 * @example
 * const checkpoint = io.parsePytorch(await readFile("checkpoint.pt")); // a Map, as a dict is
 * const weight = checkpoint.get("model").get("head.weight").entry(); // { dtype: "F32", shape, data }
 */
export function parsePytorch(bytes: Uint8Array, options: { file?: string } = {}): PytorchValue {
  checkOptions("parsePytorch", options, ["file"]);
  return readPytorch(sourceOf(bytes), options.file ?? "pt");
}

/** As `parsePytorch`, from bytes that are read in part. */
export function readPytorch(source: ByteSource, file: string): PytorchValue {
  const start = source.read(0, Math.min(4, source.length));
  if (!isZip(start)) {
    const isPickle = start[0] === 0x80;
    const what = isPickle ? "is in the format of PyTorch before 1.6" : "is no file of torch.save";
    throw new DataError(
      `${file}: ${what}; in Python, torch.save(torch.load(path, map_location="cpu"), path) writes it anew`,
    );
  }
  const entries = readZipDirectory(source, file);
  const pickles = [...entries.values()].filter(({ name }) => /(^|\/)data\.pkl$/.test(name));
  const pickle = pickles[0];
  if (!pickle || pickles.length > 1) throw new DataError(`${file}: is a zip archive, but none of torch.save's`);
  const folder = pickle.name.slice(0, -"data.pkl".length);
  if (entries.has(`${folder}constants.pkl`)) {
    throw new DataError(
      `${file}: is a TorchScript program; in Python, torch.save(model.state_dict(), path) writes its tensors`,
    );
  }
  const order = entries.get(`${folder}byteorder`);
  if (order && new TextDecoder().decode(readZipEntry(source, file, order)) !== "little") {
    throw new DataError(`${file}: was written on a machine with another byte order; save it on a little-endian one`);
  }
  const persistent = storages(source, file, folder, entries);
  const global = (name: string) => globals(file).get(name);
  return unpickle(readZipEntry(source, file, pickle), { file, global, persistent }) as PytorchValue;
}

// Storages by the ids that the pickle has for them: ("storage", type, key, device, elements).
function storages(source: ByteSource, file: string, folder: string, entries: ReadonlyMap<string, ZipEntry>) {
  const known = new Map<string, Storage>();
  return (id: unknown): Storage => {
    const [kind, type, key, , length] = Array.isArray(id) ? id : [];
    if (kind !== "storage" || !isElementType(type) || typeof key !== "string" || !isSize(length)) {
      throw new DataError(`${file}: has a storage of an unknown kind; save or download the file again`);
    }
    const entry = entries.get(`${folder}data/${key}`);
    if (!entry || entry.size !== length * type.array.BYTES_PER_ELEMENT) {
      throw new DataError(
        `${file}: the elements of storage ${JSON.stringify(key)} are missing; save or download it again`,
      );
    }
    const before = known.get(key);
    if (before?.type === type) return before;
    let elements: Elements | undefined;
    const read = () => (elements ??= toElements(type, readZipEntry(source, file, entry)));
    const storage = { type, length, read };
    known.set(key, storage);
    return storage;
  };
}

function toElements({ array }: ElementType, bytes: Uint8Array): Elements {
  const isAligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0;
  const { buffer, byteOffset } = isAligned ? bytes : Uint8Array.from(bytes);
  return new array(buffer as ArrayBuffer, byteOffset, bytes.length / array.BYTES_PER_ELEMENT);
}

function isElementType(value: unknown): value is ElementType {
  return Object.values(DTYPES).includes(value as ElementType);
}

// All that a file may name. Constants are what they are; everything else is a function of ours.
function globals(file: string): ReadonlyMap<string, PickleGlobal> {
  const rebuild = ([storage, offset, shape, strides]: readonly unknown[]) => {
    const isStorage = typeof storage === "object" && storage !== null && "read" in storage;
    if (!isStorage) throw new DataError(`${file}: a tensor has no storage; save or download the file again`);
    return new PytorchTensor(file, storage as Storage, offset, shape, strides);
  };
  const first = ([value]: readonly unknown[]) => value ?? null;
  const listOf = ([items = []]: readonly unknown[]) => {
    if (!Array.isArray(items)) throw new DataError(`${file}: a list is made of what is none; save the file again`);
    return items;
  };
  const orderedDict = ([items = []]: readonly unknown[]) => {
    const isPairs = Array.isArray(items) && items.every((item) => Array.isArray(item) && item.length === 2);
    if (!isPairs) throw new DataError(`${file}: a dict is made of what are no pairs; save the file again`);
    return new Map(items as [unknown, unknown][]);
  };
  return new Map<string, PickleGlobal>([
    ["collections.OrderedDict", { call: orderedDict }],
    ["torch._utils._rebuild_tensor", { call: rebuild }],
    ["torch._utils._rebuild_tensor_v2", { call: rebuild }],
    ["torch._utils._rebuild_parameter", { call: first }],
    ["torch.Size", { call: listOf }],
    ["torch.device", { call: (args) => args.join(":") }],
    ["builtins.set", { call: listOf }],
    ["__builtin__.set", { call: listOf }],
    // How protocol 2 writes bytes: as text of the same code points.
    ["_codecs.encode", { call: ([text]) => Uint8Array.from(String(text), (character) => character.codePointAt(0)!) }],
    ["torch.storage.UntypedStorage", { value: DTYPES.Byte }],
    ...Object.entries(DTYPES).flatMap(([name, type]): [string, PickleGlobal][] => [
      [`torch.${name}Storage`, { value: type }],
      [`torch.${type.torch}`, { value: type.torch }],
    ]),
  ]);
}
