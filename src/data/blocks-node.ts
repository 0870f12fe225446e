/** Reading of files piece by piece in Node. */
import { createReadStream } from "node:fs";
import { refuseFile } from "../io/files-node.ts";
import { blocksOfLines } from "./lines.ts";

/** A file in pieces of whole lines. @throws DataError for a file that cannot be read */
export async function* readBlocks(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* blocksOfLines(createReadStream(file, { highWaterMark: 2 ** 16 }) as AsyncIterable<Uint8Array>);
  } catch (error) {
    refuseFile(file, error);
  }
}
