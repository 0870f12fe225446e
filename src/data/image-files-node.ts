/**
 * Reads labelled images in Node: IDX files as MNIST has them, gzipped or not, CIFAR-10's binary files, CSV files of pixels, or
 * a folder of pictures per class. Pictures are decoded by the package "sharp", which is loaded when it is needed.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type Sharp from "sharp";
import { checkOptions, DataError, TilegradError } from "../gpu/errors.ts";
import { readFileChecked } from "../io/files-node.ts";
import { CIFAR_SHAPE, parseCifar10 } from "./cifar.ts";
import { type IdxArray, parseIdx } from "./idx.ts";
import { ImageDataset, type ImageShape } from "./images.ts";
import { LabelSet } from "./labels.ts";
import { quoted } from "./messages.ts";
import { compareCodePoints } from "./order.ts";
import { parsePixelCsv } from "./pixel-csv.ts";
import { decodeUtf8 } from "./utf8.ts";

export interface ImageOptions {
  /** Pictures are scaled and cropped around their middle to so many pixels; default: as the first one is. */
  size?: { readonly height: number; readonly width: number } | undefined;
  /** 1 for grey, 3 for colour; default: as the first picture is. IDX files are grey, those of CIFAR-10 in colour. */
  channels?: 1 | 3 | undefined;
}

export interface ImageFolder {
  readonly labels: LabelSet;
  readonly train: ImageDataset;
  /** What the folder sets apart, if it does. */
  readonly valid: ImageDataset | null;
  readonly test: ImageDataset | null;
}

/**
 * Reads a folder that holds one of:
 * - `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same with `t10k` or `test`, each with `.gz` or without;
 * - CIFAR-10's `data_batch_1.bin` and so on, `test_batch.bin`, and perhaps `batches.meta.txt` with the classes' names;
 * - `train.csv`, and perhaps `valid.csv` (or `val.csv`) and `test.csv`, as `parsePixelCsv` reads them;
 * - folders `train`, and perhaps `valid` (or `val`) and `test`, with a folder of pictures per class in each;
 * - a folder of pictures per class.
 *
 * In place of the folder it may be one CSV file.
 *
 * @throws DataError for a folder that has none of these, files that are damaged, or pictures of different sizes
 */
export async function readImageFolder(folder: string, options: ImageOptions = {}): Promise<ImageFolder> {
  checkOptions("readImageFolder", options, ["size", "channels"]);
  if (/\.csv$/i.test(folder)) return readCsvFiles({ train: folder }, options);
  const names = await listFolder(folder);
  if (names.some((name) => IDX_NAME.test(name))) return readIdxFolder(folder, names, options);
  if (names.some((name) => CIFAR_NAME.test(name))) return readCifarFolder(folder, names, options);
  const file = (...known: string[]) =>
    known.map((name) => join(folder, name)).find((_, i) => names.includes(known[i]!));
  const csv = { train: file("train.csv"), valid: file("valid.csv", "val.csv"), test: file("test.csv") };
  if (csv.train !== undefined) return readCsvFiles({ ...csv, train: csv.train }, options);
  const part = (...known: string[]) => names.find((name) => known.includes(name.toLowerCase()));
  const train = part("train", "training");
  if (train === undefined) {
    const labels = await classesOf(folder);
    return { labels, train: await readClasses(folder, labels, options), valid: null, test: null };
  }
  const labels = await classesOf(join(folder, train));
  const trainSet = await readClasses(join(folder, train), labels, options);
  const { channels, height, width } = trainSet.shape;
  const same: ImageOptions = { size: options.size, channels: channels as 1 | 3 };
  const read = async (name: string | undefined) => {
    if (name === undefined) return null;
    const set = await readClasses(join(folder, name), labels, same);
    if (set.shape.height === height && set.shape.width === width) return set;
    throw new DataError(
      `${join(folder, name)}: its pictures are ${sizeText(set.shape)}, those of ${train} ${sizeText(trainSet.shape)}; ` +
        "give a size with --size",
    );
  };
  return {
    labels,
    train: trainSet,
    valid: await read(part("valid", "val", "validation")),
    test: await read(part("test", "testing")),
  };
}

/**
 * Reads pictures, scaled and cropped to a shape.
 *
 * @returns [files, channels, height, width] from 0 to 255
 * @throws DataError for a file that is not there or cannot be decoded
 */
export async function readImages(files: readonly string[], shape: ImageShape): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const size = shape.channels * shape.height * shape.width;
  const pixels = new Uint8Array(files.length * size);
  for (let start = 0; start < files.length; start += FILES_AT_ONCE) {
    const some = files.slice(start, start + FILES_AT_ONCE);
    const decoded = await Promise.all(some.map((file) => decode(sharp, file, shape)));
    for (const [i, planes] of decoded.entries()) pixels.set(planes, (start + i) * size);
  }
  return pixels;
}

const FILES_AT_ONCE = 32;
const PICTURE_NAME = /\.(png|jpe?g|webp|gif|tiff?|avif)$/i;
const IDX_NAME = /^(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(\.gz)?$/;
const CIFAR_NAME = /^data_batch_\d+\.bin$/;

async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => !name.startsWith(".")).sort(compareCodePoints);
  } catch (cause) {
    const isFile = (await stat(folder).catch(() => null))?.isFile();
    const fault = isFile ? "is a file, expected a folder" : "there is no such folder, or it cannot be read";
    throw new DataError(`${folder}: ${fault}; check the path`, { cause });
  }
}

// --- IDX

async function readIdxFolder(folder: string, names: readonly string[], options: ImageOptions): Promise<ImageFolder> {
  const read = async (part: string, what: string): Promise<{ file: string; array: IdxArray } | null> => {
    const name = names.find((name) => IDX_NAME.test(name) && name.startsWith(`${part}-${what}`));
    if (name === undefined) return null;
    const file = join(folder, name);
    const bytes = await readFileChecked(file);
    return { file, array: parseIdx(name.endsWith(".gz") ? await unpack(file, bytes) : bytes, { file }) };
  };
  const readPart = async (part: string): Promise<ImageDataset | null> => {
    const [images, labels] = [await read(part, "images"), await read(part, "labels")];
    if (!images && !labels) return null;
    if (!images || !labels) {
      throw new DataError(`${folder}: there is no file of ${part} ${images ? "labels" : "images"}; add it`);
    }
    const [count, height, width] = images.array.shape;
    if (images.array.shape.length !== 3 || !(images.array.data instanceof Uint8Array)) {
      throw new DataError(`${images.file}: is no array of bytes [images, height, width]; it is no file of images`);
    }
    if (labels.array.shape.length !== 1 || !(labels.array.data instanceof Uint8Array)) {
      throw new DataError(`${labels.file}: is no array of bytes [images]; it is no file of labels`);
    }
    if (labels.array.shape[0] !== count) {
      throw new DataError(`${labels.file}: has ${labels.array.shape[0]} labels for ${count} images in ${images.file}`);
    }
    const shape = { channels: 1, height: height!, width: width! };
    return new ImageDataset(images.array.data, shape, Int32Array.from(labels.array.data));
  };
  const train = await readPart("train");
  if (!train) throw new DataError(`${folder}: there are no training images (train-images-idx3-ubyte); add them`);
  expectNoOther(folder, train.shape, options);
  const test = (await readPart("t10k")) ?? (await readPart("test"));
  if (test && (test.shape.height !== train.shape.height || test.shape.width !== train.shape.width)) {
    throw new DataError(`${folder}: test images are ${sizeText(test.shape)}, training images ${sizeText(train.shape)}`);
  }
  const classes = 1 + train.labels.reduce((most, label) => Math.max(most, label), -1);
  const unknown = test?.labels.find((label) => label >= classes);
  if (unknown !== undefined) {
    throw new DataError(`${folder}: a test image has the label ${unknown}; the training labels end at ${classes - 1}`);
  }
  const labels = LabelSet.fromJSON(Array.from({ length: classes }, (_, i) => `${i}`));
  return { labels, train, valid: null, test };
}

async function unpack(file: string, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes);
  } catch (cause) {
    const fault = (cause as NodeJS.ErrnoException).code === "Z_BUF_ERROR" ? "ends too early" : "is no gzip file";
    throw new DataError(`${file}: ${fault}; check that it was written whole`, { cause });
  }
}

// Images that are not decoded have one shape. @throws DataError where another is asked for
function expectNoOther(file: string, shape: ImageShape, { size, channels }: ImageOptions): void {
  const { height, width } = size ?? shape;
  if ((channels ?? shape.channels) === shape.channels && height === shape.height && width === shape.width) return;
  const colour = shape.channels === 1 ? "grey" : "in colour";
  throw new DataError(`${file}: its images are ${colour} and ${sizeText(shape)}, and are used as they are`);
}

// --- CIFAR-10

const CIFAR_CLASSES = "batches.meta.txt";

async function readCifarFolder(folder: string, names: readonly string[], options: ImageOptions): Promise<ImageFolder> {
  expectNoOther(folder, CIFAR_SHAPE, options);
  const read = async (some: readonly string[]) => {
    const parts = [];
    for (const name of some) {
      const file = join(folder, name);
      parts.push(parseCifar10(await readFileChecked(file), { file }));
    }
    const labels = Int32Array.from(parts.flatMap((part) => [...part.labels]));
    const pixels = new Uint8Array(parts.reduce((sum, part) => sum + part.pixels.length, 0));
    let start = 0;
    for (const part of parts) {
      pixels.set(part.pixels, start);
      start += part.pixels.length;
    }
    return new ImageDataset(pixels, CIFAR_SHAPE, labels);
  };
  let classes = Array.from({ length: 10 }, (_, i) => `${i}`);
  if (names.includes(CIFAR_CLASSES)) {
    const file = join(folder, CIFAR_CLASSES);
    const lines = decodeUtf8(await readFileChecked(file), file).split(/\r?\n/);
    classes = lines.map((line) => line.trim()).filter((line) => line !== "");
    if (classes.length !== 10)
      throw new DataError(`${file}: has ${classes.length} names, expected 10, one in each line`);
  }
  const test = names.includes("test_batch.bin") ? await read(["test_batch.bin"]) : null;
  const train = await read(names.filter((name) => CIFAR_NAME.test(name)));
  return { labels: LabelSet.fromJSON(classes, join(folder, CIFAR_CLASSES)), train, valid: null, test };
}

// --- CSV

interface CsvFiles {
  readonly train: string;
  readonly valid?: string | undefined;
  readonly test?: string | undefined;
}

async function readCsvFiles({ train, valid, test }: CsvFiles, { size, channels }: ImageOptions): Promise<ImageFolder> {
  const asked = size && { channels: channels ?? 1, ...size };
  const first = parsePixelCsv(await readFileChecked(train), { file: train, shape: asked });
  expectNoOther(train, first.shape, { channels });
  const labels = LabelSet.build(first.labels);
  const read = async (file: string | undefined) => {
    if (file === undefined) return null;
    const { pixels, labels: names, rows } = parsePixelCsv(await readFileChecked(file), { file, shape: first.shape });
    return new ImageDataset(pixels, first.shape, labels.encode(names, { file, rows }));
  };
  const trainSet = new ImageDataset(first.pixels, first.shape, labels.encode(first.labels));
  return { labels, train: trainSet, valid: await read(valid), test: await read(test) };
}

// --- a folder per class

async function classesOf(folder: string): Promise<LabelSet> {
  const names: string[] = [];
  for (const name of await listFolder(folder)) if ((await stat(join(folder, name))).isDirectory()) names.push(name);
  if (names.length > 0) return LabelSet.build(names);
  throw new DataError(
    `${folder}: has no folders; expected IDX files as those of MNIST, CIFAR-10's binary files, train.csv, or a folder of pictures per class`,
  );
}

async function readClasses(folder: string, labels: LabelSet, options: ImageOptions): Promise<ImageDataset> {
  const files: string[] = [];
  const classes: number[] = [];
  const found = await classesOf(folder);
  for (const name of found.names) {
    const [label] = labels.encode([name], { file: folder });
    const pictures = (await listFolder(join(folder, name))).filter((file) => PICTURE_NAME.test(file));
    if (pictures.length === 0) {
      throw new DataError(
        `${join(folder, name)}: has no pictures (png, jpg, webp, gif, tiff, avif); remove the folder`,
      );
    }
    for (const picture of pictures) {
      files.push(join(folder, name, picture));
      classes.push(label!);
    }
  }
  const shape = await shapeOf(files, options);
  return new ImageDataset(await readImages(files, shape), shape, Int32Array.from(classes));
}

// What all pictures will be: what is asked for, else what the first one is, if the others are too.
async function shapeOf(files: readonly string[], { size, channels }: ImageOptions): Promise<ImageShape> {
  const sharp = await loadSharp();
  const first = await measure(sharp, files[0]!);
  const shape = { channels: channels ?? first.channels, height: first.height, width: first.width };
  if (size) return { ...shape, ...size };
  for (const file of files) {
    const { height, width } = await measure(sharp, file);
    if (height === first.height && width === first.width) continue;
    throw new DataError(
      `${file}: is ${sizeText({ height, width })}, the first picture ${sizeText(first)}; give a size for all with --size`,
    );
  }
  return shape;
}

const sizeText = ({ height, width }: { height: number; width: number }) => `${width} x ${height} pixels`;

// --- sharp

type SharpFunction = typeof Sharp;

async function loadSharp(): Promise<SharpFunction> {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    throw new TilegradError("pictures are decoded by the package sharp, which is not installed: npm install sharp", {
      cause,
    });
  }
}

async function measure(sharp: SharpFunction, file: string): Promise<ImageShape> {
  const { autoOrient, space } = await decoded(file, () => sharp(file).metadata());
  return {
    channels: space === "b-w" || space === "grey16" ? 1 : 3,
    height: autoOrient.height,
    width: autoOrient.width,
  };
}

/** Planes of bytes: [channels, height, width]. What is transparent becomes white. */
async function decode(
  sharp: SharpFunction,
  file: string,
  { channels, height, width }: ImageShape,
): Promise<Uint8Array> {
  const { data } = await decoded(file, () =>
    sharp(file)
      .autoOrient()
      .flatten({ background: "#ffffff" })
      .resize(width, height, { fit: "cover" })
      .toColourspace(channels === 1 ? "b-w" : "srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true }),
  );
  const area = height * width;
  const planes = new Uint8Array(channels * area);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < area; i++) planes[c * area + i] = data[i * channels + c]!;
  }
  return planes;
}

async function decoded<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw new DataError(`${file}: cannot be decoded (${quoted((cause as Error).message)}); remove or replace it`, {
      cause,
    });
  }
}
