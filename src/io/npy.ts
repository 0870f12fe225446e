/**
 * NumPy's files: one array (.npy, versions 1 to 3) and several under names (.npz, a zip of them). Arrays are entries as in
 * safetensors files, always row-major and little-endian, whatever the file is; `toFloat32` widens halves. Strings, objects
 * (which are pickled code), records and complex numbers are refused.
 *
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { strFromU8, unzipSync, zipSync } from "fflate";
import { checkOptions, DataError, ValueError } from "../gpu/errors.ts";
import type { SafetensorsEntry } from "./safetensors.ts";

// By the type's code in the file, without its byte order.
const DTYPES = {
  b1: { dtype: "BOOL", array: Uint8Array },
  u1: { dtype: "U8", array: Uint8Array },
  i1: { dtype: "I8", array: Int8Array },
  u2: { dtype: "U16", array: Uint16Array },
  i2: { dtype: "I16", array: Int16Array },
  f2: { dtype: "F16", array: Uint16Array },
  u4: { dtype: "U32", array: Uint32Array },
  i4: { dtype: "I32", array: Int32Array },
  f4: { dtype: "F32", array: Float32Array },
  u8: { dtype: "U64", array: BigUint64Array },
  i8: { dtype: "I64", array: BigInt64Array },
  f8: { dtype: "F64", array: Float64Array },
} as const;

type Code = keyof typeof DTYPES;
type ElementArray = InstanceType<(typeof DTYPES)[Code]["array"]>;

/** An array as NumPy holds it. `F16` are raw bits, which `toFloat32` widens. */
export type NpyEntry = Extract<SafetensorsEntry, { dtype: (typeof DTYPES)[Code]["dtype"] }>;

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // "\x93NUMPY"
const ALIGNMENT = 64;
const FIELD = /\s*'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\([\dL,\s]*\)|\[[^\]]*\])\s*(?:,|$)/y;

/**
 * Reads an array from a .npy file. It is a view of `bytes` where the file is as the array will be and its alignment allows
 * it, else a copy.
 *
 * @param bytes the whole file
 * @param options `file`: the name that messages use
 * @throws DataError for a file that is cut, damaged, too long, or of a type that is no plain number
 * @example const { shape, data } = io.parseNpy(await readFile("x.npy"));
 */
export function parseNpy(bytes: Uint8Array, options: { file?: string } = {}): NpyEntry {
  checkOptions("parseNpy", options, ["file"]);
  const { file = "npy" } = options;
  const { descr, fortranOrder, shape, dataStart } = readHeader(bytes, file);
  const [, order, code] = /^([<>|=]?)([a-z]\d+)$/.exec(descr) ?? [];
  if (code === undefined || !Object.hasOwn(DTYPES, code)) {
    throw new DataError(`${file}: its elements have the type ${descr}; ${remedyFor(descr)}`);
  }
  const { dtype, array } = DTYPES[code as Code];
  const width = array.BYTES_PER_ELEMENT;
  const size = shape.reduce((product, n) => product * n, 1);
  const expected = dataStart + size * width;
  if (bytes.length !== expected) {
    throw new DataError(
      `${file}: has ${bytes.length} bytes, expected ${expected} for ${descr} [${shape.join(", ")}]; ` +
        "check that it was written whole, and one array only",
    );
  }
  const start = bytes.byteOffset + dataStart;
  const swap = order === ">" && width > 1;
  let data: ElementArray;
  if (swap) data = new array(swapped(bytes.slice(dataStart), width).buffer as ArrayBuffer);
  else if (start % width === 0) data = new array(bytes.buffer as ArrayBuffer, start, size);
  else data = new array(bytes.slice(dataStart).buffer as ArrayBuffer);
  if (fortranOrder && shape.length > 1) data = rowMajor(data, shape);
  return { dtype, shape, data } as NpyEntry;
}

function readHeader(bytes: Uint8Array, file: string) {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw new DataError(`${file}: is no .npy file: it does not begin with \\x93NUMPY`);
  }
  const cut = (): never => {
    throw new DataError(`${file}: ends within its header; check that it was written whole`);
  };
  const version = bytes[6];
  if (bytes.length < 12) cut();
  if (version !== 1 && version !== 2 && version !== 3) {
    throw new DataError(`${file}: is of version ${version} of the format, expected 1 to 3; write it with numpy.save`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const headerStart = version === 1 ? 10 : 12;
  const dataStart = headerStart + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (bytes.length < dataStart) cut();
  const text = strFromU8(bytes.subarray(headerStart, dataStart), version !== 3).trim();

  const fields = new Map<string, string>();
  const inner = text.slice(1, -1).trim();
  FIELD.lastIndex = 0;
  while (FIELD.lastIndex < inner.length) {
    const [, name, value] = FIELD.exec(inner) ?? [];
    if (name === undefined || fields.has(name)) break;
    fields.set(name, value!);
  }
  const [descr, order, shape] = ["descr", "fortran_order", "shape"].map((name) => fields.get(name));
  const isRead = text.startsWith("{") && text.endsWith("}") && fields.size === 3;
  if (!isRead || !/^['[]/.test(descr!) || !/^[TF]/.test(order!) || !shape!.startsWith("(")) {
    throw new DataError(`${file}: its header is ${JSON.stringify(text.slice(0, 100))}, which is none of NumPy's`);
  }
  return {
    descr: descr!.startsWith("'") ? descr!.slice(1, -1) : descr!,
    fortranOrder: order === "True",
    shape: (shape!.match(/\d+/g) ?? []).map(Number),
    dataStart,
  };
}

function remedyFor(descr: string): string {
  if (descr.startsWith("[")) return "write each field of the records to a file of its own";
  if (/O/.test(descr)) return "such objects are pickled code, which is not run here: write numbers";
  if (/[US]\d/.test(descr)) return "texts are read from CSV or JSON lines: write them there";
  return `expected one of ${Object.keys(DTYPES).join(", ")}: convert it with astype`;
}

// Reverses the bytes of each element, in place.
function swapped(bytes: Uint8Array, width: number): Uint8Array {
  for (let start = 0; start < bytes.length; start += width) bytes.subarray(start, start + width).reverse();
  return bytes;
}

// The elements of a column-major array, whose first axis runs fastest, with the last axis running fastest.
function rowMajor(data: ElementArray, shape: readonly number[]): ElementArray {
  const result = data.slice();
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, n) => product * n, 1));
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let i = 0; i < data.length; i++) {
    result[i] = data[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}

/**
 * Writes an array as a .npy file of version 1, in row-major order, the bytes being those that `numpy.save` writes.
 *
 * @throws ValueError for a dtype that NumPy has not, or data that dtype and shape do not describe
 * @example await writeFile("x.npy", io.serializeNpy({ dtype: "F32", shape: [2, 3], data: new Float32Array(6) }));
 */
export function serializeNpy({ dtype, shape, data }: NpyEntry): Uint8Array {
  const [code] = Object.entries(DTYPES).find(([, known]) => known.dtype === dtype) ?? [];
  if (code === undefined) {
    const known = Object.values(DTYPES).map(({ dtype }) => dtype);
    throw new ValueError(`serializeNpy: dtype is ${JSON.stringify(dtype)}, expected ${known.join(", ")}`);
  }
  const { array } = DTYPES[code as Code];
  const size = shape.reduce((product, n) => product * n, 1);
  if (!(data instanceof array) || data.length !== size) {
    throw new ValueError(
      `serializeNpy: data is ${data.constructor.name} of ${data.length}, expected ${array.name} of ${size} ` +
        `for ${dtype} [${shape.join(", ")}]`,
    );
  }
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const order = array.BYTES_PER_ELEMENT === 1 ? "|" : "<";
  // NumPy leaves room for the first axis to grow to 20 digits.
  const room = shape.length === 0 ? "" : " ".repeat(Math.max(0, 21 - String(shape[0]).length));
  const header = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': (${sizes}), }${room}`;
  const dataStart = Math.ceil((10 + header.length + 1) / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(dataStart + data.byteLength);
  bytes.set([...MAGIC, 1, 0, (dataStart - 10) & 0xff, (dataStart - 10) >> 8]);
  bytes.set(new TextEncoder().encode(`${header.padEnd(dataStart - 11)}\n`), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), dataStart);
  return bytes;
}

/**
 * Reads the arrays of a .npz file, compressed or not, by the names that `numpy.savez` was given.
 *
 * @param bytes the whole file
 * @param options `file`: the name that messages use
 * @throws DataError for a file that is no zip, damaged, or holds what `parseNpy` refuses
 * @example const weights = io.parseNpz(await readFile("weights.npz")); // Map { "arr_0" => { dtype, shape, data } }
 */
export function parseNpz(bytes: Uint8Array, options: { file?: string } = {}): Map<string, NpyEntry> {
  checkOptions("parseNpz", options, ["file"]);
  const { file = "npz" } = options;
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes);
  } catch (cause) {
    throw new DataError(
      `${file}: is no .npz file, or is damaged (${(cause as Error).message}); check that it was written whole`,
      { cause },
    );
  }
  return new Map(
    Object.entries(files).map(([name, content]) => [
      name.replace(/\.npy$/, ""),
      parseNpy(content, { file: `${file}, ${name}` }),
    ]),
  );
}

/**
 * Writes arrays under names as a .npz file, which `numpy.load` reads.
 *
 * @param options `compress`: whether to deflate, as `numpy.savez_compressed` does (default false)
 * @throws ValueError as `serializeNpy` does
 */
export function serializeNpz(entries: ReadonlyMap<string, NpyEntry>, options: { compress?: boolean } = {}): Uint8Array {
  checkOptions("serializeNpz", options, ["compress"]);
  const { compress = false } = options;
  const files = [...entries].map(([name, entry]) => [`${name}.npy`, serializeNpy(entry)] as const);
  // A date of its own would make the same arrays other bytes each time; the format's first year is what NumPy writes.
  return zipSync(Object.fromEntries(files), { level: compress ? 6 : 0, mtime: new Date(1980, 0, 1) });
}
