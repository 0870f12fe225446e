/** The IDX format of MNIST: an array of any rank and of one number type, big-endian. */
import { DataError } from "../gpu/errors.ts";

export interface IdxArray {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;
}

type Read = (view: DataView, at: number) => number;

// By the type byte: how wide an element is, what holds it, how it is read.
const TYPES: Readonly<Record<number, { bytes: number; of: (length: number) => IdxArray["data"]; read: Read }>> = {
  8: { bytes: 1, of: (length) => new Uint8Array(length), read: (view, at) => view.getUint8(at) },
  9: { bytes: 1, of: (length) => new Int8Array(length), read: (view, at) => view.getInt8(at) },
  11: { bytes: 2, of: (length) => new Int16Array(length), read: (view, at) => view.getInt16(at) },
  12: { bytes: 4, of: (length) => new Int32Array(length), read: (view, at) => view.getInt32(at) },
  13: { bytes: 4, of: (length) => new Float32Array(length), read: (view, at) => view.getFloat32(at) },
  14: { bytes: 8, of: (length) => new Float64Array(length), read: (view, at) => view.getFloat64(at) },
};

/**
 * Reads an array from the bytes of an IDX file, unpacked.
 *
 * @param file the name that messages use
 * @throws DataError for what is no IDX file, or one that is cut or too long
 * @see http://yann.lecun.com/exdb/mnist/, at the end
 */
export function parseIdx(bytes: Uint8Array, { file = "IDX data" }: { file?: string } = {}): IdxArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = bytes.length >= 4 && view.getUint16(0) === 0 ? TYPES[view.getUint8(2)] : undefined;
  if (!type) throw new DataError(`${file}: is no IDX file: it does not begin with two zero bytes and a type`);
  const rank = view.getUint8(3);
  const start = 4 + 4 * rank;
  if (bytes.length < start) throw new DataError(`${file}: ends within its header; check that it was written whole`);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = shape.reduce((product, n) => product * n, 1);
  const expected = start + size * type.bytes;
  if (bytes.length !== expected) {
    throw new DataError(
      `${file}: has ${bytes.length} bytes, expected ${expected} for [${shape.join(", ")}]; check that it was written whole`,
    );
  }
  if (type.bytes === 1) {
    const data = type.of(size);
    data.set(bytes.subarray(start));
    return { shape, data };
  }
  const data = type.of(size);
  for (let i = 0; i < size; i++) data[i] = type.read(view, start + i * type.bytes);
  return { shape, data };
}
