/** Strict reading of UTF-8: a byte that is not UTF-8 is refused with its line, never replaced by a question mark. */

import { DataError } from "../gpu/errors.ts";
import { place } from "./messages.ts";

const LONGEST_STRING = 2 ** 29 - 24; // V8's limit; a file decodes to at most as many characters as it has bytes
const LF = 0x0a;
const CR = 0x0d;

/** The bytes after a UTF-8 byte order mark, or all of them where there is none. */
export function withoutByteOrderMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

/**
 * Decodes a file as UTF-8, less its byte order mark.
 *
 * @param file the name that messages use
 * @param start where in the file the bytes begin
 * @throws DataError naming line and byte of what is not UTF-8, and how to convert the file
 */
export function decodeUtf8(bytes: Uint8Array, file: string, start = { line: 1, offset: 0 }): string {
  if (bytes.length > LONGEST_STRING) {
    throw new DataError(`${file}: has ${bytes.length} bytes, the most that fit are ${LONGEST_STRING}; split the file`);
  }
  if (isUtf8(bytes)) return new TextDecoder().decode(bytes);
  const offset = invalidOffset(bytes);
  const isUtf16 = [0xfffe, 0xfeff].includes((bytes[0]! << 8) | bytes[1]!);
  const remedy = isUtf16 ? "it looks like UTF-16" : "for instance with: iconv -f WINDOWS-1252 -t UTF-8";
  const byte = `0x${bytes[offset]!.toString(16)}`;
  const where = place(file, start.line - 1 + lineCounter(bytes)(offset));
  throw new DataError(
    `${where}: byte ${byte} at offset ${start.offset + offset} is not UTF-8; convert the file to UTF-8 (${remedy})`,
  );
}

/** Returns a function from offsets, asked in ascending order, to the line (from 1) that each is on. */
export function lineCounter(bytes: Uint8Array): (offset: number) => number {
  let line = 1;
  let seen = 0;
  return (offset) => {
    for (; seen < offset; seen++) {
      if (bytes[seen] === LF || (bytes[seen] === CR && bytes[seen + 1] !== LF)) line++;
    }
    return line;
  };
}

// Where the first character that is not UTF-8 begins.
function invalidOffset(bytes: Uint8Array): number {
  let good = 0; // a prefix of this length is UTF-8, up to a character cut off at its end
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    if (isUtf8(bytes.subarray(0, middle), { stream: true })) good = middle;
    else bad = middle;
  }
  while (!isUtf8(bytes.subarray(0, good))) good--;
  return good;
}

function isUtf8(bytes: Uint8Array, options: TextDecodeOptions = {}): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, options);
    return true;
  } catch {
    return false;
  }
}
