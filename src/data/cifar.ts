/** The binary files of CIFAR-10: records of a label and 32 x 32 pixels, red, then green, then blue. */
import { DataError } from "../gpu/errors.ts";
import type { ImageShape } from "./images.ts";

export const CIFAR_SHAPE: ImageShape = { channels: 3, height: 32, width: 32 };
const PIXELS = 3 * 32 * 32;
const CLASSES = 10;

export interface LabelledPixels {
  /** [images] */
  readonly labels: Int32Array;
  /** Row-major [images, channels, height, width]. */
  readonly pixels: Uint8Array;
}

/**
 * Reads a file of CIFAR-10's binary version, such as `data_batch_1.bin`.
 *
 * @param file the name that messages use
 * @throws DataError for a file that is cut or has labels above 9
 * @see https://www.cs.toronto.edu/~kriz/cifar.html
 */
export function parseCifar10(bytes: Uint8Array, { file = "CIFAR-10 data" }: { file?: string } = {}): LabelledPixels {
  const count = bytes.length / (1 + PIXELS);
  if (!Number.isInteger(count) || count === 0) {
    throw new DataError(
      `${file}: has ${bytes.length} bytes, expected a multiple of ${1 + PIXELS}, a label and the pixels of each image; ` +
        "check that it was written whole",
    );
  }
  const labels = new Int32Array(count);
  const pixels = new Uint8Array(count * PIXELS);
  for (let i = 0; i < count; i++) {
    const start = i * (1 + PIXELS);
    labels[i] = bytes[start]!;
    if (labels[i]! >= CLASSES) {
      throw new DataError(`${file}: image ${i} has the label ${labels[i]}, expected 0 to 9; it is no file of CIFAR-10`);
    }
    pixels.set(bytes.subarray(start + 1, start + 1 + PIXELS), i * PIXELS);
  }
  return { labels, pixels };
}
