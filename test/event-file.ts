/** Reads TensorBoard's event files as TensorBoard does: checksums, records, messages by its definitions. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const protos = fileURLToPath(new URL("./protos", import.meta.url));
const root = new protobuf.Root();
for (const file of ["tensorboard.proto", "hparams.proto"]) root.loadSync(join(protos, file));
const Event = root.lookupType("tensorboard.Event");
const HParamsPluginData = root.lookupType("tensorboard.hparams.HParamsPluginData");

export interface DecodedEvent {
  wallTime: number;
  step: number;
  fileVersion?: string;
  sessionLog?: { status: string };
  summary?: { value: DecodedValue[] };
}

export interface DecodedValue {
  tag: string;
  simpleValue?: number;
  image?: { height: number; width: number; colorspace: number; encodedImageString: Uint8Array };
  histo?: {
    min: number;
    max: number;
    num: number;
    sum: number;
    sumSquares: number;
    bucketLimit: number[];
    bucket: number[];
  };
  tensor?: { dtype: string; tensorShape: { dim: { size: number }[] }; stringVal: Uint8Array[]; floatVal: number[] };
  metadata?: { pluginData: { pluginName: string; content: Uint8Array }; dataClass: string };
}

const options = { longs: Number, enums: String, arrays: true, defaults: true } as const;

/** @throws Error for a record whose checksum is wrong, or a message that is none */
export function decodeEvents(bytes: Uint8Array): DecodedEvent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const events: DecodedEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(view.getBigUint64(at, true));
    expectChecksum(bytes.subarray(at, at + 8), view.getUint32(at + 8, true));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expectChecksum(data, view.getUint32(at + 12 + length, true));
    const message = Event.decode(data);
    events.push(Event.toObject(message, options) as DecodedEvent);
    at += length + 16;
  }
  return events;
}

export function decodeHyperParameters(content: Uint8Array): Record<string, unknown> {
  return HParamsPluginData.toObject(HParamsPluginData.decode(content), options);
}

/** The files of a folder, the oldest first. */
export function eventFiles(folder: string): string[] {
  const number = (name: string) => Number(name.split(".").at(-1));
  return readdirSync(folder)
    .filter((name) => name.includes("tfevents"))
    .sort((a, b) => number(a) - number(b))
    .map((name) => join(folder, name));
}

export const readEvents = (file: string): DecodedEvent[] => decodeEvents(readFileSync(file));

function expectChecksum(data: Uint8Array, masked: number): void {
  const checksum = crc32c(data);
  const expected = (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
  if (expected !== masked) throw new Error(`the checksum is ${masked}, expected ${expected}`);
}

/** The Castagnoli polynomial, bit by bit: https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4 */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
