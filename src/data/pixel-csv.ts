/**
 * Images in CSV: a row for each, with a label and its pixels from 0 to 255. Read from the bytes themselves: as fields of
 * text, sixty thousand images would take gigabytes.
 */
import { checkOptions, DataError } from "../gpu/errors.ts";
import type { ImageShape } from "./images.ts";
import { place, quoted } from "./messages.ts";
import { withoutByteOrderMark } from "./utf8.ts";

export interface PixelCsv {
  /** [images] */
  readonly labels: readonly string[];
  /** The line of each image. */
  readonly rows: readonly number[];
  /** Row-major [images, channels, height, width]. */
  readonly pixels: Uint8Array;
  readonly shape: ImageShape;
}

export interface PixelCsvOptions {
  /** The name that messages use. */
  file?: string;
  /** Default: square and grey, or square and in colour (all of red, then of green, then of blue), as the number of pixels tells. */
  shape?: ImageShape | undefined;
}

const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true });
const COMMA = 0x2c;
const ZERO = 0x30;

/**
 * Reads images from CSV. A first row with anything but pixels in it names the columns; the label's is the one named `label`,
 * or else the first.
 *
 * @param bytes the file; line breaks LF or CRLF
 * @throws DataError naming file, line and remedy: no rows, rows of different lengths, a blank label, a pixel that is no whole
 *   number from 0 to 255, or as many pixels as no square image has
 */
export function parsePixelCsv(bytes: Uint8Array, options: PixelCsvOptions = {}): PixelCsv {
  checkOptions("parsePixelCsv", options, ["file", "shape"]);
  const { file = "CSV" } = options;
  const content = withoutByteOrderMark(bytes);
  const lines = [...linesOf(content)];
  const [first] = lines;
  if (!first) throw new DataError(`${file}: is empty; expected rows of a label and pixels`);

  const textOf = (start: number, end: number, line: number): string => {
    try {
      return unquoted(STRICT_UTF8.decode(content.subarray(start, end)));
    } catch (cause) {
      throw new DataError(`${place(file, line)}: the label is not UTF-8; convert the file to UTF-8`, { cause });
    }
  };
  const names = textOf(first.start, first.end, first.line).split(",").map(unquoted);
  const isHeader = names.slice(1).some((name) => !/^\d{1,3}$/.test(name));
  const named = names.findIndex((name) => name.toLowerCase() === "label");
  const labelColumn = isHeader && named >= 0 ? named : 0;
  const images = isHeader ? lines.slice(1) : lines;
  if (images.length === 0) throw new DataError(`${file}: has a header and no rows; add rows below the header`);
  const size = names.length - 1;
  const shape = options.shape ?? squareOf(size);
  if (!shape || shape.channels * shape.height * shape.width !== size) {
    const expected = options.shape ? formatShape(options.shape) : "as many as a square image has, grey or in colour";
    throw new DataError(
      `${place(file, first.line)}: has ${names.length} fields, a label and ${size} pixels; expected ${expected}`,
    );
  }

  const pixels = new Uint8Array(images.length * size);
  const labels = images.map(({ start, end, line }, i) => {
    let column = 0;
    let label = "";
    let to = i * size;
    for (let at = start; at <= end; column++) {
      const comma = content.indexOf(COMMA, at);
      const stop = comma < 0 || comma > end ? end : comma;
      if (column === labelColumn) label = textOf(at, stop, line);
      else if (column <= size)
        pixels[to++] = pixelOf(content, at, stop, () => `${place(file, line)}, field ${column + 1}`);
      at = stop + 1;
    }
    if (column !== names.length) {
      throw new DataError(
        `${place(file, line)}: has ${column} fields, expected ${names.length} as in line ${first.line}; ` +
          "check that it was written whole",
      );
    }
    if (label === "") throw new DataError(`${place(file, line)}: the label is empty; fill it in, or remove the row`);
    return label;
  });
  return { labels, rows: images.map(({ line }) => line), pixels, shape };
}

interface Line {
  readonly start: number;
  /** Behind the last byte, without the line break. */
  readonly end: number;
  /** As an editor counts. */
  readonly line: number;
}

function* linesOf(bytes: Uint8Array): Iterable<Line> {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const lf = bytes.indexOf(0x0a, start);
    const next = lf < 0 ? bytes.length : lf;
    const end = next > start && bytes[next - 1] === 0x0d ? next - 1 : next;
    if (end > start) yield { start, end, line };
    start = next + 1;
  }
}

// A whole number from 0 to 255, perhaps between spaces or quotes.
function pixelOf(bytes: Uint8Array, start: number, end: number, where: () => string): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - ZERO;
    if (digit < 0 || digit > 9) {
      value = Number(unquoted(new TextDecoder().decode(bytes.subarray(start, end))) || Number.NaN);
      break;
    }
    value = value * 10 + digit;
  }
  if (end > start && Number.isInteger(value) && value >= 0 && value <= 255) return value;
  const found = quoted(new TextDecoder().decode(bytes.subarray(start, end)));
  throw new DataError(`${where()}: the pixel is ${found}, expected a whole number from 0 to 255`);
}

function unquoted(field: string): string {
  const text = field.trim();
  return /^".*"$/.test(text) ? text.slice(1, -1).trim() : text;
}

function squareOf(size: number): ImageShape | null {
  for (const channels of [1, 3]) {
    const side = Math.sqrt(size / channels);
    if (side > 0 && Number.isInteger(side)) return { channels, height: side, width: side };
  }
  return null;
}

function formatShape({ channels, height, width }: ImageShape): string {
  return `${channels * height * width}, ${channels === 1 ? "grey" : "in colour"} and ${width} x ${height}`;
}
