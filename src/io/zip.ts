/**
 * Zip archives by ranges: what is read is the directory, and of the files only those that are asked for, so that an archive
 * larger than memory is no trouble. Stored and deflated files, zip64 included; what is read is held to its checksum.
 *
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import crc32 from "crc-32";
import { inflateSync } from "fflate";
import { DataError } from "../gpu/errors.ts";

/** Bytes that can be read in part. */
export interface ByteSource {
  readonly length: number;
  /** The bytes from `offset` on, which there are. */
  read(offset: number, length: number): Uint8Array;
}

export function sourceOf(bytes: Uint8Array): ByteSource {
  return { length: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** A file in an archive, as its directory describes it. */
export interface ZipEntry {
  readonly name: string;
  /** In bytes, as it is when read. */
  readonly size: number;
  readonly compressedSize: number;
  readonly method: number;
  readonly crc: number;
  readonly headerOffset: number;
}

const END = { signature: 0x06054b50, length: 22, longestComment: 0xffff };
const END_64 = { signature: 0x06064b50, length: 56 };
const LOCATOR_64 = { signature: 0x07064b50, length: 20 };
const CENTRAL = { signature: 0x02014b50, length: 46 };
const LOCAL = { signature: 0x04034b50, length: 30 };
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;
const HIGHEST_RATIO = 1032; // of deflate: nothing shrinks to less than that share
const REMEDY = "save or download the file again";

/** Whether a file begins as a zip archive does. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && viewOf(bytes).getUint32(0, true) === LOCAL.signature;
}

/**
 * The files of an archive by name.
 *
 * @throws DataError for an archive that is cut, damaged, encrypted or has a name twice
 */
export function readZipDirectory(source: ByteSource, file: string): Map<string, ZipEntry> {
  const { start, size, count } = findDirectory(source, file);
  const bytes = readRange(source, file, start, size);
  const view = viewOf(bytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL.length > size || view.getUint32(at, true) !== CENTRAL.signature) {
      throw new DataError(`${file}: its directory is damaged at file ${i} of ${count}; ${REMEDY}`);
    }
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const nameEnd = at + CENTRAL.length + nameLength!;
    const end = nameEnd + extraLength! + commentLength!;
    if (end > size) throw new DataError(`${file}: its directory is cut; ${REMEDY}`);
    const name = new TextDecoder().decode(bytes.subarray(at + CENTRAL.length, nameEnd));
    if ((view.getUint16(at + 8, true) & ENCRYPTED) !== 0) throw new DataError(`${file}: ${name} is encrypted`);
    const [compressed, uncompressed, offset] = wideFields(view, at, nameEnd, nameEnd + extraLength!);
    if (entries.has(name)) throw new DataError(`${file}: has ${JSON.stringify(name)} twice; ${REMEDY}`);
    entries.set(name, {
      name,
      size: uncompressed!,
      compressedSize: compressed!,
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      headerOffset: offset!,
    });
    at = end;
  }
  return entries;
}

/**
 * The bytes of a file in an archive; where it is stored, those that the source gives.
 *
 * @throws DataError for a file that is cut or damaged, or compressed in another way than by deflate
 */
export function readZipEntry(source: ByteSource, file: string, entry: ZipEntry): Uint8Array {
  const { name, size, compressedSize, method, crc, headerOffset } = entry;
  const header = viewOf(readRange(source, file, headerOffset, LOCAL.length));
  if (header.getUint32(0, true) !== LOCAL.signature) {
    throw new DataError(`${file}: ${name} is not where its directory says; ${REMEDY}`);
  }
  const start = headerOffset + LOCAL.length + header.getUint16(26, true) + header.getUint16(28, true);
  const stored = readRange(source, file, start, compressedSize);
  const bytes = method === STORED ? stored : inflated(file, entry, stored);
  if (bytes.length !== size || crc32.buf(bytes) >>> 0 !== crc) {
    throw new DataError(`${file}: ${name} is damaged, its checksum differs; ${REMEDY}`);
  }
  return bytes;
}

function inflated(file: string, { name, size, compressedSize, method }: ZipEntry, bytes: Uint8Array): Uint8Array {
  if (method !== DEFLATED) throw new DataError(`${file}: ${name} has compression ${method}, expected none or deflate`);
  if (size > compressedSize * HIGHEST_RATIO) throw new DataError(`${file}: ${name} has an impossible size; ${REMEDY}`);
  try {
    return inflateSync(bytes, { out: new Uint8Array(size) });
  } catch (cause) {
    throw new DataError(`${file}: ${name} is damaged and cannot be inflated; ${REMEDY}`, { cause });
  }
}

// The end of an archive is looked for from behind: a comment of any length may follow it.
function findDirectory(source: ByteSource, file: string): { start: number; size: number; count: number } {
  const tailLength = Math.min(source.length, END.length + END.longestComment);
  const tailStart = source.length - tailLength;
  const tail = viewOf(source.read(tailStart, tailLength));
  for (let at = tailLength - END.length; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END.signature) continue;
    const [count, size, start] = [
      tail.getUint16(at + 10, true),
      tail.getUint32(at + 12, true),
      tail.getUint32(at + 16, true),
    ];
    const isLarge = count === 0xffff || size === 0xffffffff || start === 0xffffffff;
    return isLarge ? findLargeDirectory(source, file, tailStart + at) : { start, size, count };
  }
  throw new DataError(`${file}: is cut, the directory at its end is missing; ${REMEDY}`);
}

function findLargeDirectory(
  source: ByteSource,
  file: string,
  end: number,
): { start: number; size: number; count: number } {
  const locator = viewOf(readRange(source, file, end - LOCATOR_64.length, LOCATOR_64.length));
  if (locator.getUint32(0, true) !== LOCATOR_64.signature) {
    throw new DataError(`${file}: the end of its directory is damaged; ${REMEDY}`);
  }
  const record = viewOf(readRange(source, file, Number(locator.getBigUint64(8, true)), END_64.length));
  if (record.getUint32(0, true) !== END_64.signature) {
    throw new DataError(`${file}: the end of its directory is damaged; ${REMEDY}`);
  }
  const [count, size, start] = [32, 40, 48].map((field) => Number(record.getBigUint64(field, true)));
  return { start: start!, size: size!, count: count! };
}

// Compressed size, size and offset of a directory's entry: those too large for their fields are in the extra field 1.
function wideFields(view: DataView, at: number, extraStart: number, extraEnd: number): number[] {
  const values = [20, 24, 42].map((field) => view.getUint32(at + field, true));
  const order = [1, 0, 2]; // the extra field has the size first
  for (let extra = extraStart; extra + 4 <= extraEnd; ) {
    const next = extra + 4 + view.getUint16(extra + 2, true);
    if (view.getUint16(extra, true) === 1) {
      let field = extra + 4;
      for (const i of order) {
        if (values[i] !== 0xffffffff || field + 8 > Math.min(next, extraEnd)) continue;
        values[i] = Number(view.getBigUint64(field, true));
        field += 8;
      }
    }
    extra = next;
  }
  return values;
}

function readRange(source: ByteSource, file: string, offset: number, length: number): Uint8Array {
  if (offset >= 0 && offset + length <= source.length) return source.read(offset, length);
  throw new DataError(`${file}: is cut or damaged, it refers to bytes behind its end; ${REMEDY}`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
