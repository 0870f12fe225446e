import { describe, expect, test } from "vitest";
import {
  Compose,
  Cutout,
  type Image,
  imageOf,
  Normalize,
  RandomCrop,
  RandomErasing,
  RandomHorizontalFlip,
} from "./image-transforms.ts";
import { Random } from "./random.ts";

const numbered = (channels: number, height: number, width: number): Image => {
  const data = Float32Array.from({ length: channels * height * width }, (_, i) => i + 1);
  return { channels, height, width, data };
};
const times = <T>(count: number, make: (random: Random, i: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(Random.at({ epoch: 0, index }), index));

test("bytes become numbers from 0 to 1", () => {
  const image = imageOf(Uint8Array.of(0, 51, 255, 102), { channels: 2, height: 1, width: 2 });
  expect(image).toEqual({ channels: 2, height: 1, width: 2, data: Float32Array.of(0, 0.2, 1, 0.4) });
  expect(() => imageOf(new Uint8Array(3), { channels: 1, height: 2, width: 2 })).toThrow(
    "there are 3 bytes, expected 1 x 2 x 2",
  );
});

test("Normalize", () => {
  const image = numbered(2, 1, 2);
  expect([...new Normalize([1, 2], [2, 0.5]).apply(image).data]).toEqual([0, 0.5, 2, 4]);
  expect(() => new Normalize([1], [2]).apply(image)).toThrow("the image has 2 channels, expected 1");
  expect(() => new Normalize([1], [0])).toThrow("Normalize: std is [0], expected 1 numbers above 0");
});

test("RandomHorizontalFlip", () => {
  const image = numbered(2, 1, 3);
  expect([...new RandomHorizontalFlip(1).apply(image, new Random()).data]).toEqual([3, 2, 1, 6, 5, 4]);
  expect(new RandomHorizontalFlip(0).apply(image, new Random())).toBe(image);
  const flipped = times(1000, (random) => new RandomHorizontalFlip().apply(image, random) !== image).filter(Boolean);
  expect(flipped.length).toBeGreaterThan(440);
  expect(flipped.length).toBeLessThan(560);
  expect(() => new RandomHorizontalFlip(1.5)).toThrow("p is 1.5");
});

describe("RandomCrop", () => {
  test("takes each place equally often", () => {
    const crop = new RandomCrop([2, 3]);
    const counts = new Map<number, number>();
    for (const { data, height, width } of times(1200, (random) => crop.apply(numbered(1, 4, 4), random))) {
      expect([height, width]).toEqual([2, 3]);
      const first = data[0]!;
      expect([...data]).toEqual([first, first + 1, first + 2, first + 4, first + 5, first + 6]);
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([1, 2, 5, 6, 9, 10]);
    for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(60);
  });

  // All crops of a row of three, padded by two, that are as wide as it.
  test.each([
    [
      "constant",
      [
        [7, 7, 1],
        [7, 1, 2],
        [1, 2, 3],
        [2, 3, 7],
        [3, 7, 7],
      ],
    ],
    [
      "edge",
      [
        [1, 1, 1],
        [1, 1, 2],
        [1, 2, 3],
        [2, 3, 3],
        [3, 3, 3],
      ],
    ],
    [
      "reflect",
      [
        [3, 2, 1],
        [2, 1, 2],
        [1, 2, 3],
        [2, 3, 2],
        [3, 2, 1],
      ],
    ],
    [
      "symmetric",
      [
        [2, 1, 1],
        [1, 1, 2],
        [1, 2, 3],
        [2, 3, 3],
        [3, 3, 2],
      ],
    ],
  ] as const)("pads: %s", (paddingMode, expected) => {
    const crop = new RandomCrop([1, 3], { padding: [2, 0], paddingMode, fill: 7 });
    const seen = new Set(times(200, (random) => crop.apply(numbered(1, 1, 3), random).data.join(" ")));
    expect([...seen].sort()).toEqual([...new Set(expected.map((row) => row.join(" ")))].sort());
  });

  test("keeps channels apart", () => {
    const seen = times(50, (random) => new RandomCrop(1).apply(numbered(2, 2, 2), random).data.join(" "));
    expect([...new Set(seen)].sort()).toEqual(["1 5", "2 6", "3 7", "4 8"]);
  });

  test("refuses what does not fit", () => {
    const image = numbered(1, 3, 3);
    expect(() => new RandomCrop(6, { padding: 1 }).apply(image, new Random())).toThrow(
      "RandomCrop: the image is 3 x 3, too small for a crop of 6 x 6 with constant padding of 1 x 1",
    );
    const reflect = new RandomCrop(3, { padding: 3, paddingMode: "reflect" });
    expect(() => reflect.apply(image, new Random())).toThrow("with reflect padding of 3 x 3");
    expect(() => new RandomCrop(0)).toThrow("size is 0");
    expect(() => new RandomCrop(3, { padding: -1 })).toThrow("padding is -1");
    expect(() => new RandomCrop(3, { paddingMode: "wrap" as never })).toThrow('paddingMode is "wrap"');
  });
});

// The box of what differs from the image, as [top, left, height, width], or null.
function boxOf(changed: Image, image: Image): number[] | null {
  const places = [...changed.data.keys()].filter(
    (i) => changed.data[i] !== image.data[i] && i < image.height * image.width,
  );
  if (places.length === 0) return null;
  const rows = places.map((i) => Math.floor(i / image.width));
  const cols = places.map((i) => i % image.width);
  const [top, left] = [Math.min(...rows), Math.min(...cols)];
  const size = [Math.max(...rows) - top + 1, Math.max(...cols) - left + 1] as const;
  expect(places.length).toBe(size[0] * size[1]); // a full rectangle
  return [top, left, ...size];
}

describe("RandomErasing", () => {
  test("erases rectangles within its ranges", () => {
    const image = numbered(2, 30, 40);
    const erasing = new RandomErasing({ p: 1, scale: [0.05, 0.2], ratio: [0.5, 2], value: [0, -1] });
    const boxes = times(300, (random) => boxOf(erasing.apply(image, random), image)!);
    const shares = boxes.map(([, , height, width]) => (height! * width!) / 1200);
    const ratios = boxes.map(([, , height, width]) => height! / width!);
    expect(Math.min(...shares)).toBeGreaterThan(0.045);
    expect(Math.min(...shares)).toBeLessThan(0.06);
    expect(Math.max(...shares)).toBeLessThan(0.21);
    expect(Math.max(...shares)).toBeGreaterThan(0.19);
    expect(Math.min(...ratios)).toBeGreaterThan(0.42);
    expect(Math.max(...ratios)).toBeLessThan(2.4);
    expect(Math.min(...boxes.map(([top]) => top!))).toBe(0);
    expect(Math.max(...boxes.map(([top, , height]) => top! + height!))).toBe(30);
    expect(Math.max(...boxes.map(([, left, , width]) => left! + width!))).toBe(40);
    const [one] = times(1, (random) => erasing.apply(image, random));
    expect(new Set(one!.data.slice(0, 1200).filter((value) => value <= 0))).toEqual(new Set([0]));
    expect(new Set(one!.data.slice(1200).filter((value) => value <= 0))).toEqual(new Set([-1]));
  });

  test("erases with its probability, also by noise", () => {
    const image = numbered(1, 20, 20);
    const erased = times(1000, (random) => new RandomErasing({ p: 0.3 }).apply(image, random) !== image).filter(
      Boolean,
    );
    expect(Math.abs(erased.length - 300)).toBeLessThan(60);
    const noise = new RandomErasing({ p: 1, scale: [0.3, 0.3], value: "random" }).apply(image, new Random(1));
    const drawn = [...noise.data].filter((value) => !Number.isInteger(value));
    expect(drawn.length).toBeGreaterThan(90);
    expect(Math.abs(drawn.reduce((a, b) => a + b) / drawn.length)).toBeLessThan(0.4);
  });

  test("gives up where nothing fits, and refuses what cannot be", () => {
    const image = numbered(1, 4, 4);
    expect(new RandomErasing({ p: 1, scale: [1, 1], ratio: [1, 1] }).apply(image, new Random())).toBe(image);
    expect(() => new RandomErasing({ scale: [0.5, 0.1] })).toThrow("RandomErasing: scale is [0.5, 0.1]");
    expect(() => new RandomErasing({ ratio: [0, 1] })).toThrow("RandomErasing: ratio is [0, 1]");
    expect(() => new RandomErasing({ p: -1 })).toThrow("RandomErasing: p is -1");
    expect(() => new RandomErasing({ p: 1, value: [1, 2] }).apply(numbered(1, 9, 9), new Random())).toThrow(
      "RandomErasing: there are 2 values to fill in, expected one for each of 1 channels",
    );
  });
});

test("Cutout erases squares that the image's edge may cut", () => {
  const image = numbered(1, 10, 10);
  const boxes = times(300, (random) => boxOf(new Cutout(4, { fill: -1 }).apply(image, random), image)!);
  const sizes = new Set(boxes.map(([, , height, width]) => `${height} ${width}`));
  expect(sizes.has("4 4")).toBe(true);
  expect(sizes.has("2 2")).toBe(true); // around the first pixel
  expect(Math.max(...boxes.flatMap(([, , height, width]) => [height!, width!]))).toBe(4);
  expect(boxOf(new Cutout(40).apply(image, new Random()), image)).toEqual([0, 0, 10, 10]);
  const many = new Cutout(2, { holes: 5 }).apply(image, new Random(2));
  expect(many.data.filter((value) => value === 0).length).toBeGreaterThan(8);
  expect(() => new Cutout(0)).toThrow("Cutout: size is 0");
  expect(() => new Cutout(1, { holes: 1.5 })).toThrow("Cutout: holes is 1.5");
});

test("Compose hands one generator through, and leaves the image alone", () => {
  const image = numbered(1, 8, 8);
  const augment = new Compose([
    new RandomCrop(8, { padding: 2 }),
    new RandomHorizontalFlip(),
    new Cutout(3),
    { apply: ({ data, ...shape }) => ({ ...shape, data: data.map((value) => value / 64) }) }, // one's own
  ]);
  const at = (epoch: number, index: number) => augment.apply(image, Random.at({ epoch, index }, 5)).data.join();
  expect(at(1, 2)).toBe(at(1, 2));
  expect(new Set([at(0, 0), at(0, 1), at(1, 0), at(1, 1)]).size).toBe(4);
  expect(image).toEqual(numbered(1, 8, 8));
});
