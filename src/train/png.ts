/** Writes images as PNG: https://www.w3.org/TR/png-3/ */
import { deflateSync } from "node:zlib";
import crc32 from "crc-32";
import type { ImageShape } from "../data/images.ts";
import { ShapeError } from "../gpu/errors.ts";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const BITS_PER_SAMPLE = 8;
const COLOUR_TYPES: Readonly<Record<number, number>> = { 1: 0, 3: 2 }; // grey; red, green, blue

/**
 * Encodes one image.
 *
 * @param pixels [channels, height, width] row-major, from 0 to 255
 * @returns the bytes of a PNG file
 * @throws ShapeError unless there are 1 or 3 channels and as many pixels as the shape has
 */
export function encodePng(pixels: Uint8Array, { channels, height, width }: ImageShape): Uint8Array {
  const colourType = COLOUR_TYPES[channels];
  if (colourType === undefined) throw new ShapeError(`encodePng: there are ${channels} channels, expected 1 or 3`);
  if (pixels.length !== channels * height * width) {
    throw new ShapeError(
      `encodePng: there are ${pixels.length} pixels, expected ${channels} x ${height} x ${width} of them`,
    );
  }
  const area = height * width;
  const rowBytes = 1 + width * channels; // each row begins with the number of its filter: 0, none
  const rows = new Uint8Array(height * rowBytes);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) rows[y * rowBytes + 1 + x * channels + c] = pixels[c * area + y * width + x]!;
    }
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([BITS_PER_SAMPLE, colourType, 0, 0, 0], 8); // deflate, adaptive filters, not interlaced
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

// Length of the data, type, data, checksum of type and data.
function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setInt32(8 + data.length, crc32.buf(bytes.subarray(4, 8 + data.length)));
  return bytes;
}
