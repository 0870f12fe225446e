import { describe, expect, test } from "vitest";
import { AugmentedImages } from "./augmented-images.ts";
import { Compose, Normalize, RandomCrop, RandomHorizontalFlip } from "./image-transforms.ts";
import { ImageDataset } from "./images.ts";
import { DataLoader } from "./loader.ts";
import { MixUp } from "./mixup.ts";

const shape = { channels: 1, height: 4, width: 4 };
const images = new ImageDataset(
  Uint8Array.from({ length: 10 * 16 }, (_, i) => (i * 7) % 256),
  shape,
  Int32Array.from({ length: 10 }, (_, i) => i % 3),
);
const transform = new Compose([
  new RandomCrop(4, { padding: 1 }),
  new RandomHorizontalFlip(),
  new Normalize([0.5], [0.2]),
]);
const loaderOf = (dataset: AugmentedImages) => new DataLoader(dataset, { batchSize: 4, shuffle: true, seed: 5 });

async function epoch(dataset: AugmentedImages, number: number, from = 0): Promise<string[]> {
  const seen: string[] = [];
  for await (const { inputs, labels, indices } of loaderOf(dataset).batches(number, from)) {
    seen.push(JSON.stringify([await inputs[0].toArray(), await labels.toArray(), [...indices]]));
    for (const tensor of [...inputs, labels]) tensor.dispose();
  }
  return seen;
}

describe("AugmentedImages", () => {
  test("without changes, are what the images are", async () => {
    const plain = new AugmentedImages(images, new Normalize([0.5], [0.2]));
    const [batch] = [
      plain.collate(
        [0, 1].map((i) => plain.get(i, 0)),
        { epoch: 0, batch: 0 },
      ),
    ];
    const expected = images.normalize({ mean: [0.5], std: [0.2] });
    const { inputs, labels } = expected.collate([0, 1].map((i) => expected.get(i)));
    const values = await inputs[0].data();
    for (const [i, value] of (await batch!.inputs[0].data()).entries()) expect(value).toBeCloseTo(values[i]!, 5);
    expect(batch!.inputs[0].shape).toEqual([2, 1, 4, 4]);
    expect(await batch!.labels.data()).toEqual(await labels.data());
    expect([batch!.size, [...batch!.indices]]).toEqual([2, [0, 1]]);
  });

  test.each([undefined, new MixUp(3)])(
    "are other ones in each epoch, and the same from any batch on",
    async (mixUp) => {
      const set = new AugmentedImages(images, transform, { seed: 5, mixUp });
      const first = await epoch(set, 0);
      expect(first.length).toBe(3);
      expect(await epoch(set, 0, 1)).toEqual(first.slice(1));
      expect(await epoch(set, 1)).not.toEqual(first);
      expect(await epoch(new AugmentedImages(images, transform, { seed: 6, mixUp }), 0)).not.toEqual(first);
    },
  );

  test("mixed ones have probabilities as labels", async () => {
    const set = new AugmentedImages(images, transform, { mixUp: new MixUp(3) });
    const { labels } = set.collate(
      [0, 1].map((i) => set.get(i, 0)),
      { epoch: 0, batch: 0 },
    );
    expect([labels.shape, labels.dtype]).toEqual([[2, 3], "f32"]);
    for (const row of (await labels.toArray()) as number[][]) {
      expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      expect(row[2]).toBe(0);
    }
  });

  test("each batch of an epoch is mixed by a share of its own", async () => {
    const set = new AugmentedImages(images, transform, { mixUp: new MixUp(3) });
    const examples = [0, 1].map((i) => set.get(i, 0));
    const sharesOf = async (epoch: number, batch: number) =>
      (await set.collate(examples, { epoch, batch }).labels.data()).join();
    const all = await Promise.all([sharesOf(0, 0), sharesOf(0, 1), sharesOf(0, 2), sharesOf(1, 0)]);
    expect(new Set(all).size).toBe(4);
  });

  test("of different sizes are refused", () => {
    let size = 1;
    const set = new AugmentedImages(images, { apply: (image, random) => new RandomCrop(size++).apply(image, random) });
    const examples = [0, 1].map((i) => set.get(i, 0));
    expect(() => set.collate(examples, { epoch: 0, batch: 0 })).toThrow(
      "the transform gave [1, 2, 2] and [1, 1, 1] in one batch",
    );
    expect(() => new AugmentedImages(images, transform, { mixup: 1 } as never)).toThrow('did you mean "mixUp"');
  });
});
