import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readImageFolder, readImages } from "./image-files-node.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tilegrad-images-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), bytes);
}

const word = (n: number) => [0, 0, 0, n];
const idxImages = (count: number, height: number, width: number) =>
  Uint8Array.from([
    0,
    0,
    8,
    3,
    ...word(count),
    ...word(height),
    ...word(width),
    ...new Array(count * height * width).keys(),
  ]);
const idxLabels = (...labels: number[]) => Uint8Array.from([0, 0, 8, 1, ...word(labels.length), ...labels]);

const picture = (width: number, height: number, colour: string) =>
  sharp({ create: { width, height, channels: 3, background: colour } });

describe("IDX files", () => {
  test("are read, gzipped or not", async () => {
    await write("train-images-idx3-ubyte.gz", gzipSync(idxImages(3, 2, 1)));
    await write("train-labels-idx1-ubyte.gz", gzipSync(idxLabels(2, 0, 1)));
    await write("t10k-images.idx3-ubyte", idxImages(1, 2, 1));
    await write("t10k-labels.idx1-ubyte", idxLabels(2));
    const { labels, train, valid, test } = await readImageFolder(folder);
    expect(labels.names).toEqual(["0", "1", "2"]);
    expect(train.shape).toEqual({ channels: 1, height: 2, width: 1 });
    expect([...train.pixels]).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...train.labels]).toEqual([2, 0, 1]);
    expect(valid).toBeNull();
    expect([...test!.labels]).toEqual([2]);
  });

  test("that do not fit are refused", async () => {
    await write("train-images-idx3-ubyte", idxImages(3, 2, 1));
    const refused = (message: string) => expect(readImageFolder(folder)).rejects.toThrow(message);
    await refused("there is no file of train labels");
    await write("train-labels-idx1-ubyte", idxLabels(0, 1));
    await refused("has 2 labels for 3 images");
    await write("train-labels-idx1-ubyte", idxLabels(0, 1, 1));
    await write("t10k-images-idx3-ubyte", idxImages(1, 2, 1));
    await write("t10k-labels-idx1-ubyte", idxLabels(5));
    await refused("a test image has the label 5; the training labels end at 1");
    await write("t10k-images-idx3-ubyte", idxImages(1, 1, 1));
    await refused("test images are 1 x 1 pixels, training images 1 x 2 pixels");
    await write("t10k-images-idx3-ubyte.gz", gzipSync(idxImages(1, 2, 1)).subarray(0, 20));
    await rm(join(folder, "t10k-images-idx3-ubyte"));
    await refused("ends too early; check that it was written whole");
    await expect(readImageFolder(folder, { size: { height: 4, width: 4 } })).rejects.toThrow(
      "its images are grey and 1 x 2 pixels, and are used as they are",
    );
  });
});

describe("a folder per class", () => {
  test("gives planes of pixels, grey where the pictures are", async () => {
    await write("dog/1.png", await picture(3, 2, "#ff0080").png().toBuffer());
    await write("cat/b.jpg", await picture(3, 2, "#808080").jpeg({ quality: 100 }).toBuffer());
    await write("cat/notes.txt", Uint8Array.of(1));
    const { labels, train } = await readImageFolder(folder, { channels: 3 });
    expect(labels.names).toEqual(["cat", "dog"]);
    expect(train.shape).toEqual({ channels: 3, height: 2, width: 3 });
    expect([...train.labels]).toEqual([0, 1]);
    expect([...train.pixels.subarray(18)]).toEqual([
      255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 128, 128, 128, 128, 128, 128,
    ]);
    await write("cat/a.png", await picture(3, 2, "#404040").toColourspace("b-w").png().toBuffer());
    const grey = await readImageFolder(folder);
    expect(grey.train.shape.channels).toBe(1);
    expect([...grey.train.pixels.subarray(0, 6)]).toEqual(new Array(6).fill(64));
  });

  test("may be parted into train, val and test, whose classes are those of train", async () => {
    for (const part of ["train", "val", "test"]) {
      for (const name of ["a", "b"])
        await write(`${part}/${name}/x.png`, await picture(2, 2, "#102030").png().toBuffer());
    }
    const { train, valid, test } = await readImageFolder(folder);
    expect([train.length, valid!.length, test!.length]).toEqual([2, 2, 2]);
    await write("test/c/x.png", await picture(2, 2, "#102030").png().toBuffer());
    await expect(readImageFolder(folder)).rejects.toThrow('unknown label "c"');
  });

  test("pictures are scaled and cropped around the middle, transparency is white", async () => {
    const left = await picture(2, 2, "#ff0000").png().toBuffer();
    const wide = picture(6, 2, "#00ff00").composite([{ input: left, left: 0, top: 0 }]);
    await write("wide.png", await wide.png().toBuffer());
    const clear = sharp({ create: { width: 2, height: 2, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } });
    await write("clear.png", await clear.png().toBuffer());
    const files = ["wide.png", "clear.png"].map((name) => join(folder, name));
    const pixels = await readImages(files, { channels: 3, height: 2, width: 2 });
    expect([...pixels.subarray(0, 12)]).toEqual([0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]);
    expect([...pixels.subarray(12)]).toEqual(new Array(12).fill(255));
  });

  test("errors name the file and the remedy", async () => {
    const refused = (message: string) => expect(readImageFolder(folder)).rejects.toThrow(message);
    await refused("has no folders; expected IDX files as those of MNIST, or a folder of pictures per class");
    await write("a/1.png", await picture(3, 2, "#000000").png().toBuffer());
    await write("a/2.png", await picture(4, 2, "#000000").png().toBuffer());
    await refused("2.png: is 4 x 2 pixels, the first picture 3 x 2 pixels; give a size for all with --size");
    await write("a/2.png", Uint8Array.of(1, 2, 3));
    await refused("2.png: cannot be decoded");
    await rm(join(folder, "a/2.png"));
    await mkdir(join(folder, "b"));
    await refused("b: has no pictures");
    await expect(readImageFolder(join(folder, "nowhere"))).rejects.toThrow("there is no such folder");
    await expect(readImageFolder(join(folder, "a/1.png"))).rejects.toThrow("is a file, expected a folder");
    await expect(readImages([join(folder, "none.png")], { channels: 1, height: 1, width: 1 })).rejects.toThrow(
      "none.png",
    );
  });
});
