/** Reading of tar archives (ustar, GNU, pax) as a stream: an archive of a hundred thousand files takes the memory of one. */
import { DataError } from "../gpu/errors.ts";

export interface TarEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const BLOCK = 512;

/**
 * The regular files of an archive, in its order. Folders, links and devices are passed over. Names are the archive's: whoever
 * writes to them checks them first.
 *
 * @param source the archive, unpacked
 * @param file the name that messages use
 * @throws DataError for what is no tar archive, or one that is cut
 * @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
 */
export async function* readTar(source: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<TarEntry> {
  const take = byteReader(source, file);
  let longName: string | undefined; // told by an entry of its own, before the one that has it
  while (true) {
    const header = await take(BLOCK, true);
    if (!header || header.every((byte) => byte === 0)) return;
    checkSum(header, file);
    const size = numberOf(header.subarray(124, 136));
    const type = String.fromCharCode(header[156]!);
    const bytes = (await take(Math.ceil(size / BLOCK) * BLOCK))!.subarray(0, size);
    if (type === "L") longName = textOf(bytes);
    else if (type === "x") longName = paxPath(bytes) ?? longName;
    else if (type !== "g") {
      if (type === "0" || type === "\0" || type === "7") yield { name: longName ?? nameOf(header), bytes };
      longName = undefined;
    }
  }
}

type Take = (count: number, mayEnd?: boolean) => Promise<Uint8Array | null>;

// A function that gives the next `count` bytes; null at the end of the source, where that may be.
function byteReader(source: AsyncIterable<Uint8Array>, file: string): Take {
  const chunks = source[Symbol.asyncIterator]();
  let chunk: Uint8Array = new Uint8Array(0);
  return async (count, mayEnd = false) => {
    const bytes = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      if (chunk.length === 0) {
        const { done, value } = await chunks.next();
        if (done && filled === 0 && mayEnd) return null;
        if (done) throw new DataError(`${file}: ends within an entry; check that it was written whole`);
        chunk = value;
      }
      const part = chunk.subarray(0, count - filled);
      bytes.set(part, filled);
      filled += part.length;
      chunk = chunk.subarray(part.length);
    }
    return bytes;
  };
}

// The sum of the header's bytes, those of the sum itself counting as spaces.
function checkSum(header: Uint8Array, file: string): void {
  const sum = header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (sum !== numberOf(header.subarray(148, 156))) throw new DataError(`${file}: is no tar archive, or is damaged`);
}

// Octal digits; or, for what is larger, bits after a first byte with its highest bit set (GNU).
function numberOf(field: Uint8Array): number {
  if (field[0]! & 0x80) return field.slice(1).reduce((value, byte) => value * 256 + byte, field[0]! & 0x7f);
  return Number.parseInt(textOf(field).trim() || "0", 8);
}

function nameOf(header: Uint8Array): string {
  const isUstar = textOf(header.subarray(257, 262)) === "ustar" && header[262] === 0;
  const prefix = isUstar ? textOf(header.subarray(345, 500)) : "";
  const name = textOf(header.subarray(0, 100));
  return prefix ? `${prefix}/${name}` : name;
}

// Records "LENGTH path=VALUE\n".
function paxPath(bytes: Uint8Array): string | undefined {
  return /^\d+ path=(.*)$/m.exec(textOf(bytes))?.[1];
}

// Up to the first zero byte.
function textOf(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}
