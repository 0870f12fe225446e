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

describe("CIFAR-10", () => {
  // Images whose pixels are all their number.
  const batch = (...labels: number[]) =>
    Uint8Array.from(labels.flatMap((label, i) => [label, ...new Array<number>(3072).fill(i)]));

  test("is read with its classes' names", async () => {
    await write("data_batch_2.bin", batch(9, 3));
    await write("data_batch_1.bin", batch(0, 1, 2));
    await write("test_batch.bin", batch(5));
    const unnamed = await readImageFolder(folder);
    expect(unnamed.labels.names).toEqual([..."0123456789"]);
    expect(unnamed.train.shape).toEqual({ channels: 3, height: 32, width: 32 });
    expect([...unnamed.train.labels]).toEqual([0, 1, 2, 9, 3]);
    expect(Array.from({ length: 5 }, (_, i) => unnamed.train.pixels[i * 3072])).toEqual([0, 1, 2, 0, 1]);
    expect([...unnamed.test!.labels]).toEqual([5]);
    await write("batches.meta.txt", new TextEncoder().encode(`${[..."zyxwvutsrq"].join("\n")}\n\n`));
    expect((await readImageFolder(folder, { channels: 3 })).labels.names).toEqual([..."zyxwvutsrq"]);
  });

  test("that cannot be is refused", async () => {
    const refused = (message: string, options = {}) =>
      expect(readImageFolder(folder, options)).rejects.toThrow(message);
    await write("data_batch_1.bin", batch(0).subarray(1));
    await refused("data_batch_1.bin: has 3072 bytes, expected a multiple of 3073");
    await write("data_batch_1.bin", batch(0, 10));
    await refused("image 1 has the label 10, expected 0 to 9");
    await write("data_batch_1.bin", batch(0));
    await write("batches.meta.txt", new TextEncoder().encode("cat\ndog\n"));
    await refused("batches.meta.txt: has 2 names, expected 10");
    await refused("its images are in colour and 32 x 32 pixels, and are used as they are", { channels: 1 });
  });
});

describe("CSV of pixels", () => {
  const csv = (name: string, text: string) => write(name, new TextEncoder().encode(text));

  test("is read from a file, or from files of parts", async () => {
    await csv("train.csv", "label,p0,p1,p2,p3\ncat,1,2,3,4\ndog,5,6,7,8\n");
    await csv("val.csv", "dog,9,9,9,9\n");
    await csv("test.csv", "cat,0,0,0,255\ndog,1,1,1,1\n");
    const all = await readImageFolder(folder);
    expect(all.labels.names).toEqual(["cat", "dog"]);
    expect(all.train.shape).toEqual({ channels: 1, height: 2, width: 2 });
    expect([...all.train.pixels]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...all.valid!.labels]).toEqual([1]);
    expect([...all.test!.pixels]).toEqual([0, 0, 0, 255, 1, 1, 1, 1]);
    const one = await readImageFolder(join(folder, "train.csv"), { size: { height: 1, width: 4 } });
    expect(one.train.shape).toEqual({ channels: 1, height: 1, width: 4 });
    expect([one.valid, one.test]).toEqual([null, null]);
  });

  test("that cannot be is refused", async () => {
    await csv("train.csv", "cat,1,2,3,4\ndog,5,6,7,8\n");
    await csv("test.csv", "cow,0,0,0,0\n");
    await expect(readImageFolder(folder)).rejects.toThrow('test.csv, line 1: unknown label "cow"');
    await csv("test.csv", "cow,0\n");
    await expect(readImageFolder(folder)).rejects.toThrow("expected 4, grey and 2 x 2");
    await expect(readImageFolder(folder, { channels: 3 })).rejects.toThrow("its images are grey and 2 x 2 pixels");
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
    await refused(
      "has no folders; expected IDX files as those of MNIST, CIFAR-10's binary files, train.csv, or a folder of",
    );
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
