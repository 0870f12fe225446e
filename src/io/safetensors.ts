/**
 * The safetensors format: 8 bytes with the header's length, a JSON header, the tensors' bytes end to end. The reader
 * accepts the files in which every byte belongs to exactly one tensor, and believes nothing that it has not checked; it
 * throws nothing but a `DataError`. The writer gives the same bytes for the same tensors, in whatever order they come.
 *
 * @see https://github.com/huggingface/safetensors#format
 */

import { checkOptions, DataError, DTypeError, didYouMean, ValueError } from "../gpu/errors.ts";

const LONGEST_HEADER = 100_000_000; // the official reader's limit
const METADATA = "__metadata__";
const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NEXT_IS_COLON = /\s*:/y;

// In the official order, which is also that of alignment: a file has its last dtypes first. Elements that JavaScript has
// no array for stay raw bits or bytes.
const DTYPES = {
  BOOL: { bits: 8, array: Uint8Array },
  F4: { bits: 4, array: Uint8Array },
  F6_E2M3: { bits: 6, array: Uint8Array },
  F6_E3M2: { bits: 6, array: Uint8Array },
  U8: { bits: 8, array: Uint8Array },
  I8: { bits: 8, array: Int8Array },
  F8_E5M2: { bits: 8, array: Uint8Array },
  F8_E4M3: { bits: 8, array: Uint8Array },
  F8_E8M0: { bits: 8, array: Uint8Array },
  I16: { bits: 16, array: Int16Array },
  U16: { bits: 16, array: Uint16Array },
  F16: { bits: 16, array: Uint16Array },
  BF16: { bits: 16, array: Uint16Array },
  I32: { bits: 32, array: Int32Array },
  U32: { bits: 32, array: Uint32Array },
  F32: { bits: 32, array: Float32Array },
  C64: { bits: 64, array: Uint8Array },
  F64: { bits: 64, array: Float64Array },
  I64: { bits: 64, array: BigInt64Array },
  U64: { bits: 64, array: BigUint64Array },
} as const;
const DTYPE_NAMES = Object.keys(DTYPES) as SafetensorsDType[];

export type SafetensorsDType = keyof typeof DTYPES;

/** A tensor as a file holds it. */
export type SafetensorsEntry = {
  [D in SafetensorsDType]: {
    dtype: D;
    shape: readonly number[];
    /** Row-major. F16 and BF16 are raw bits, which `toFloat32` widens; C64 and the F8, F6 and F4 formats are bytes. */
    data: InstanceType<(typeof DTYPES)[D]["array"]>;
  };
}[SafetensorsDType];

export interface Safetensors {
  /** By name, in the order of the file. */
  tensors: Map<string, SafetensorsEntry>;
  metadata: Record<string, string>;
}

/** One tensor of the header, checked against itself but not yet against the others. */
interface Extent {
  name: string;
  dtype: SafetensorsDType;
  shape: number[];
  begin: number;
  end: number;
}

/**
 * Reads a safetensors file. The tensors are views of `bytes` where their alignment allows it, else copies.
 *
 * @param bytes the whole file
 * @param options `file`: the name that messages use
 * @throws DataError for a file that is truncated, damaged, or made to deceive: anything but tensors that fill it exactly,
 *   without overlap or hole, under names that occur once
 */
export function parseSafetensors(bytes: Uint8Array, options: { file?: string } = {}): Safetensors {
  checkOptions("parseSafetensors", options, ["file"]);
  const { file = "safetensors" } = options;
  const refuse: Refuse = (what) => {
    throw new DataError(`${file}: ${what}; save or download the file again`);
  };

  const { header, dataStart } = readHeader(bytes, refuse);
  const { [METADATA]: metadata = {}, ...infos } = header;
  if (!isStrings(metadata)) return refuse(`its ${METADATA} is not an object of strings`);
  const extents = Object.entries(infos)
    .map(([name, info]) => readExtent(name, info, refuse))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(extents, bytes.length - dataStart, refuse);

  const tensors = new Map<string, SafetensorsEntry>();
  for (const { name, dtype, shape, begin, end } of extents) {
    const { array } = DTYPES[dtype];
    const start = bytes.byteOffset + dataStart + begin;
    const isAligned = start % array.BYTES_PER_ELEMENT === 0;
    const data = isAligned
      ? new array(bytes.buffer as ArrayBuffer, start, (end - begin) / array.BYTES_PER_ELEMENT)
      : new array(new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end)).buffer);
    tensors.set(name, { dtype, shape, data } as SafetensorsEntry);
  }
  return { tensors, metadata };
}

type Refuse = (what: string) => never;

function readHeader(bytes: Uint8Array, refuse: Refuse): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length < 8) refuse(`is truncated: has ${bytes.length} bytes, the header's length alone takes 8`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > LONGEST_HEADER) {
    refuse(
      `its header would have ${length} bytes, more than the ${LONGEST_HEADER} allowed, so this is no safetensors file`,
    );
  }
  const dataStart = 8 + Number(length);
  if (dataStart > bytes.length) refuse(`is truncated: at least ${dataStart - bytes.length} bytes are missing`);

  const text = attempt(() => STRICT_UTF8.decode(bytes.subarray(8, dataStart))) ?? refuse("its header is not UTF-8");
  if (!text.startsWith("{")) refuse("its header does not begin with {");
  const header = attempt(() => JSON.parse(text)) ?? refuse("its header is not JSON");
  const twice = duplicateKey(text);
  if (twice !== undefined) refuse(`its header has ${shown(twice)} twice`);
  return { header, dataStart };
}

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

// JSON.parse keeps the last of two equal keys; a reader that keeps the first would see another file.
function duplicateKey(json: string): string | undefined {
  const open: Set<string>[] = []; // the keys so far of every object or array around the current place
  for (let i = 0; i < json.length; i++) {
    const character = json[i]!;
    if (character === "{" || character === "[") open.push(new Set());
    else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const start = i;
      for (i++; json[i] !== '"'; i++) if (json[i] === "\\") i++;
      NEXT_IS_COLON.lastIndex = i + 1;
      if (!NEXT_IS_COLON.test(json)) continue;
      const key: string = JSON.parse(json.slice(start, i + 1)); // escapes can spell one key in two ways
      if (open.at(-1)!.has(key)) return key;
      open.at(-1)!.add(key);
    }
  }
  return undefined;
}

function readExtent(name: string, info: unknown, refuse: Refuse): Extent {
  const of = `tensor ${shown(name)}`;
  if (!isObject(info)) return refuse(`${of} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = info;
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPES, dtype)) {
    return refuse(
      `${of} has the dtype ${shown(dtype)}${typeof dtype === "string" ? didYouMean(dtype, DTYPE_NAMES) : ""}`,
    );
  }
  if (!isSizes(shape)) return refuse(`${of} has the shape ${shown(shape)}, expected integers of at least 0`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    return refuse(`${of} has the data_offsets ${shown(offsets)}, expected two integers of at least 0`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = sizeInBytes(dtype as SafetensorsDType, shape);
  if (bytes === undefined)
    return refuse(`${of} of shape ${shown(shape)} and dtype ${dtype} has no whole number of bytes`);
  if (end - begin !== bytes) {
    return refuse(
      `${of} of shape ${shown(shape)} and dtype ${dtype} needs ${bytes} bytes, data_offsets are ${shown(offsets)}`,
    );
  }
  return { name, dtype: dtype as SafetensorsDType, shape, begin, end };
}

// Every byte of the data belongs to exactly one tensor: overlaps would let a small file fill the memory, and holes could
// hide another file in this one.
function checkLayout(extents: readonly Extent[], dataBytes: number, refuse: Refuse): void {
  let covered = 0;
  for (const { name, begin, end } of extents) {
    if (begin < covered) refuse(`tensor ${shown(name)} begins at ${begin}, inside the tensor that ends at ${covered}`);
    if (begin > covered)
      refuse(`no tensor owns the bytes from ${covered} to ${begin}, where tensor ${shown(name)} begins`);
    covered = end;
  }
  if (covered > dataBytes) refuse(`is truncated: ${covered - dataBytes} of ${covered} bytes of tensors are missing`);
  if (covered < dataBytes) refuse(`has ${dataBytes - covered} bytes after the last tensor`);
}

// Undefined where the size is no exact number, or elements of 4 or 6 bits do not fill their last byte.
function sizeInBytes(dtype: SafetensorsDType, shape: readonly number[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  const bits = count * DTYPES[dtype].bits;
  return Number.isSafeInteger(bits) && bits % 8 === 0 ? bits / 8 : undefined;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0 && !Object.is(size, -0));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((text) => typeof text === "string");
}

// What a file says, on one line and not too long.
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

/**
 * Writes a safetensors file. Tensors are ordered by dtype, widest first, then by name, as the official library does, so
 * that all are aligned; metadata is ordered by key. Equal tensors and metadata give equal bytes.
 *
 * @param tensors name and tensor: a `Map`, or what `Object.entries` gives
 * @param metadata strings to keep with the tensors, such as `{ format: "pt" }`, which some Python libraries ask for
 * @throws ValueError for a name that occurs twice or cannot be one, or data that dtype and shape do not describe
 */
export function serializeSafetensors(
  tensors: Iterable<readonly [string, SafetensorsEntry]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const entries = [...tensors];
  checkEntries(entries);
  entries.sort(
    ([a, { dtype: m }], [b, { dtype: n }]) => DTYPE_NAMES.indexOf(n) - DTYPE_NAMES.indexOf(m) || (a < b ? -1 : 1),
  );

  // Written out, since an object would put names such as "0" first.
  const fields: string[] = [];
  const keys = Object.keys(metadata).sort();
  const texts = keys.map((key) => `${wellFormed(key)}:${wellFormed(metadata[key]!)}`);
  if (keys.length > 0) fields.push(`"${METADATA}":{${texts.join(",")}}`);
  let end = 0;
  for (const [name, { dtype, shape, data }] of entries) {
    const begin = end;
    end += data.byteLength;
    fields.push(`${wellFormed(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const header = new TextEncoder().encode(`{${fields.join(",")}}`);
  const dataStart = 8 + Math.ceil(header.length / 8) * 8;

  const bytes = new Uint8Array(dataStart + end).fill(0x20, 8 + header.length, dataStart);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(dataStart - 8), true);
  bytes.set(header, 8);
  let start = dataStart;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
    start += data.byteLength;
  }
  return bytes;
}

function checkEntries(entries: readonly (readonly [string, SafetensorsEntry])[]): void {
  const names = new Set<string>();
  for (const [name, { dtype, shape, data }] of entries) {
    const of = `serializeSafetensors: tensor ${shown(name)}`;
    if (name === METADATA)
      throw new ValueError(`${of} has the name that the format keeps for metadata; choose another`);
    if (names.has(name)) throw new ValueError(`${of} occurs twice, expected each name once`);
    names.add(name);
    if (!Object.hasOwn(DTYPES, dtype))
      throw new ValueError(`${of} has dtype ${shown(dtype)}${didYouMean(dtype, DTYPE_NAMES)}`);
    if (!isSizes(shape)) throw new ValueError(`${of} has shape ${shown(shape)}, expected integers of at least 0`);
    const { array } = DTYPES[dtype];
    if (!(data instanceof array))
      throw new ValueError(`${of} of dtype ${dtype} has other data, expected ${array.name}`);
    const expected = sizeInBytes(dtype, shape);
    if (data.byteLength !== expected) {
      throw new ValueError(
        `${of} has ${data.byteLength} bytes, expected ${expected} for ${dtype} of shape ${shown(shape)}`,
      );
    }
  }
}

// A string as JSON that every reader takes: half a surrogate pair has no UTF-8 form.
function wellFormed(text: string): string {
  if (!/\p{Surrogate}/u.test(text)) return JSON.stringify(text);
  throw new ValueError(`serializeSafetensors: ${shown(text)} has half a surrogate pair, expected valid Unicode`);
}

/**
 * The numbers of a floating-point tensor as float32: F32 as it is, F16 and BF16 exactly, F64 rounded.
 *
 * @throws DTypeError for another dtype
 */
export function toFloat32({ dtype, data }: SafetensorsEntry): Float32Array {
  switch (dtype) {
    case "F32":
      return data;
    case "F64":
      return Float32Array.from(data);
    case "F16":
      return Float32Array.from(data, halfToNumber);
    case "BF16":
      return new Float32Array(Uint32Array.from(data, (bits) => bits << 16).buffer);
    default:
      throw new DTypeError(`toFloat32: the tensor's dtype is ${dtype}, expected F32, F64, F16 or BF16`);
  }
}

// IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction.
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
