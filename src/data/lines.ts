/** Lines of files that are not in memory at once. A line ends with LF, CR LF or CR. */

import { withoutByteOrderMark } from "./utf8.ts";

export const LF = 0x0a;
export const CR = 0x0d;

/** Cuts a file into pieces that end where a line ends, but for the last; leaves out a byte order mark. */
export async function* blocksOfLines(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array();
  let isFirst = true;
  for await (const chunk of chunks) {
    const all = joined(rest, chunk);
    // A CR at the end may be half of a line's end, and one where lines end with LF may be no end.
    const end = all.lastIndexOf(LF) + 1 || all.subarray(0, -1).lastIndexOf(CR) + 1;
    rest = all.slice(end);
    if (end === 0) continue;
    const block = all.subarray(0, end);
    yield isFirst ? withoutByteOrderMark(block) : block;
    isFirst = false;
  }
  if (rest.length > 0) yield isFirst ? withoutByteOrderMark(rest) : rest;
}

/** Where the lines of a block end, their line breaks included. */
export function lineEnds(block: Uint8Array): number[] {
  const ends: number[] = [];
  for (let i = 0; i < block.length; i++) {
    if (block[i] === LF || (block[i] === CR && block[i + 1] !== LF)) ends.push(i + 1);
  }
  return ends;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
