/** TensorBoard's event files: records of length, checksum, bytes, checksum, appended one after the other. */

import { appendFile, mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import crc32c from "crc-32/crc32c.js";
import { DataError } from "../../gpu/errors.ts";
import { type Event, encodeEvent } from "./messages.ts";

/** The length of a record and its checksum stand before its bytes, their checksum behind. */
const HEADER_BYTES = 12;
const FOOTER_BYTES = 4;
/** Bytes after which a file is written to. */
const MAX_BUFFERED = 1 << 18;

let opened = 0; // makes the names of this process's files differ

export class EventFile {
  readonly path: string;
  #buffered: Uint8Array[] = [];
  #bufferedBytes = 0;
  /** Everything before is written, or has failed. */
  #written: Promise<void> = Promise.resolve();

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Begins a file whose name no other one has.
   *
   * @throws DataError if the folder cannot be made or written to
   */
  static async create(folder: string): Promise<EventFile> {
    const seconds = Math.floor(Date.now() / 1000);
    const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${opened++}`;
    const file = new EventFile(join(folder, name));
    await mkdir(folder, { recursive: true }).catch((cause) => refuse(folder, cause));
    file.add({ wallTime: Date.now() / 1000, fileVersion: "brain.Event:2" });
    await file.flush();
    return file;
  }

  /** Adds an event; it is in the file after the next `flush`, or sooner. */
  add(event: Event): void {
    const record = encodeRecord(encodeEvent(event));
    this.#buffered.push(record);
    this.#bufferedBytes += record.length;
    if (this.#bufferedBytes > MAX_BUFFERED) this.flush().catch(() => {}); // the next flush throws it
  }

  /** Writes what was added. @throws DataError if that fails, or failed before */
  flush(): Promise<void> {
    const bytes = Buffer.concat(this.#buffered);
    this.#buffered = [];
    this.#bufferedBytes = 0;
    this.#written = this.#written.then(() =>
      bytes.length === 0 ? undefined : appendFile(this.path, bytes).catch((cause) => refuse(this.path, cause)),
    );
    return this.#written;
  }
}

function refuse(path: string, cause: Error): never {
  throw new DataError(`${path}: cannot be written (${cause.message}); check the folder, or do without TensorBoard`, {
    cause,
  });
}

/** @see https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details */
export function encodeRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(HEADER_BYTES + data.length + FOOTER_BYTES);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedChecksum(record.subarray(0, 8)), true);
  record.set(data, HEADER_BYTES);
  view.setUint32(HEADER_BYTES + data.length, maskedChecksum(data), true);
  return record;
}

// Rotated and shifted, so that a checksum of data that holds checksums is no trivial one.
function maskedChecksum(data: Uint8Array): number {
  const checksum = crc32c.buf(data) >>> 0;
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
}
