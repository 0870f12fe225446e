import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { counting, dtypes, elementAt, expectModel, model, shapes, toTensor } from "../../../test/model.ts";
import { backward, grad } from "../../autograd/backward.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { mul } from "../elementwise/binary-ops.ts";
import { clone } from "./clone.ts";
import { diagonal } from "./diagonal.ts";
import { expand } from "./expand.ts";
import { flip, roll } from "./flip.ts";
import { permute, transpose } from "./permute.ts";
import { repeat, repeatInterleave } from "./repeat.ts";
import { chunk, split, unbind } from "./split.ts";

const mod = (a: number, n: number) => ((a % n) + n) % n;

function property<T>(arbitrary: fc.Arbitrary<T>, check: (sample: T) => Promise<void>, runs = 40): Promise<void> {
  return fc.assert(fc.asyncProperty(arbitrary, check), { numRuns: cases(runs) });
}

describe("permute and transpose", () => {
  const permutations = shapes({ maxRank: 8, max: 3 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axes: fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }),
      dtype: dtypes,
    }),
  );

  test("put the axes in their order", () =>
    property(permutations, async ({ shape, axes, dtype }) => {
      const x = counting(shape, dtype);
      const expected = model(
        axes.map((axis) => shape[axis]!),
        (p) =>
          elementAt(
            x,
            shape.map((_, axis) => p[axes.indexOf(axis)]!),
          ),
      );
      await expectModel(permute(toTensor(x, dtype), axes), expected, dtype);
    }));

  // With rank 8 and no neighbours that stay neighbours, more axes are left than the kernel has params for.
  for (const [shape, axes] of [
    [
      [3, 4],
      [1, 0],
    ],
    [
      [65, 64],
      [1, 0],
    ],
    [
      [2, 3, 4],
      [2, 0, 1],
    ],
    [
      [2, 3, 8],
      [1, 0, 2],
    ],
    [
      [2, 0, 3],
      [2, 1, 0],
    ],
    [
      [2, 2, 3, 2, 2, 2, 2, 2],
      [7, 5, 3, 1, 6, 4, 2, 0],
    ],
    [
      [2, 3, 2, 2, 2, 4],
      [4, 2, 0, 3, 1, 5],
    ],
    [[], []],
  ] as const) {
    test(`permute [${shape}] by [${axes}]`, () => checkOp((x) => permute(x, axes), [shape], { second: true }));
  }

  test("transpose swaps two axes", async () => {
    const x = counting([2, 3, 4]);
    await expectModel(
      transpose(toTensor(x), 0, -1),
      model([4, 3, 2], ([i, j, k]) => elementAt(x, [k!, j!, i!])),
    );
    await checkOp((t) => transpose(t, 1, 2), [[3, 5, 7]], { second: true });
  });

  test("share the storage where no element moves", () => {
    const x = zeros([1, 3, 1, 4]);
    expect(transpose(x, 0, 1).storage).toBe(x.storage);
    expect(permute(x, [2, 1, 3, 0]).shape).toEqual([1, 3, 4, 1]);
    expect(permute(x, [2, 1, 3, 0]).storage).toBe(x.storage);
    expect(transpose(x, 1, 3).storage).not.toBe(x.storage);
  });

  test("errors", () => {
    const x = zeros([2, 3]);
    expect(() => permute(x, [0])).toThrow("permute: axes are [0], expected each of the 2 axes of [2, 3] once");
    expect(() => permute(x, [0, -2])).toThrow("permute: axes are [0, -2], expected each");
    expect(() => permute(x, [0, 2])).toThrow("permute: axis is 2, expected a whole number from -2 to 1");
    expect(() => transpose(x, 0, 2)).toThrow("transpose: axis is 2");
  });
});

describe("flip", () => {
  const flips = shapes({ max: 4 }).chain((shape) =>
    fc.record({ shape: fc.constant(shape), axes: fc.subarray([...shape.keys()]), dtype: dtypes }),
  );
  test("reverses axes", () =>
    property(flips, async ({ shape, axes, dtype }) => {
      const x = counting(shape, dtype);
      const expected = model(shape, (p) =>
        elementAt(
          x,
          p.map((i, axis) => (axes.includes(axis) ? shape[axis]! - 1 - i : i)),
        ),
      );
      await expectModel(flip(toTensor(x, dtype), axes), expected, dtype);
    }));

  test("all axes where none are given", async () => {
    expect(
      await flip(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ).toArray(),
    ).toEqual([
      [4, 3],
      [2, 1],
    ]);
    expect(
      await flip(
        tensor([
          [1, 2],
          [3, 4],
        ]),
        -1,
      ).toArray(),
    ).toEqual([
      [2, 1],
      [4, 3],
    ]);
  });

  for (const [shape, axes] of [
    [[65], 0],
    [
      [3, 4, 5],
      [0, 2],
    ],
    [
      [2, 0],
      [0, 1],
    ],
  ] as const) {
    test(`[${shape}]`, () => checkOp((x) => flip(x, axes), [shape], { second: true }));
  }

  test("errors", () => {
    expect(() => flip(zeros([2, 3]), [0, -2])).toThrow("flip: axes are [0, -2], expected each axis once");
    expect(() => flip(zeros([2, 3]), 2)).toThrow("flip: axis is 2");
  });
});

describe("roll", () => {
  const rolls = shapes({ minRank: 1, max: 4 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      shifts: fc.array(fc.integer({ min: -9, max: 9 }), { minLength: shape.length, maxLength: shape.length }),
      dtype: dtypes,
    }),
  );
  test("moves elements round", () =>
    property(rolls, async ({ shape, shifts, dtype }) => {
      const x = counting(shape, dtype);
      const expected = model(shape, (p) =>
        elementAt(
          x,
          p.map((i, axis) => mod(i - shifts[axis]!, shape[axis]!)),
        ),
      );
      await expectModel(roll(toTensor(x, dtype), shifts, [...shape.keys()]), expected, dtype);
    }));

  test("in memory's order where no axes are given", async () => {
    expect(
      await roll(
        tensor([
          [1, 2, 3],
          [4, 5, 6],
        ]),
        1,
      ).toArray(),
    ).toEqual([
      [6, 1, 2],
      [3, 4, 5],
    ]);
  });

  test("[4, 66] by -1 and 2", () => checkOp((x) => roll(x, [-1, 2], [0, 1]), [[4, 66]], { second: true }));
  test("[3, 5] by 7", () => checkOp((x) => roll(x, 7), [[3, 5]], { second: true }));
  test("[0, 3] by 1", () => checkOp((x) => roll(x, 1, 1), [[0, 3]], { second: true }));

  test("errors", () => {
    expect(() => roll(zeros([2, 3]), [1, 2])).toThrow("roll: shifts has 2 numbers, expected one per axis, 1");
    expect(() => roll(zeros([2, 3]), 1, [0, 1])).toThrow("roll: shifts has 1 numbers, expected one per axis, 2");
    expect(() => roll(zeros([2, 3]), 0.5)).toThrow("roll: shifts has 0.5, expected whole numbers");
    expect(() => roll(zeros([2, 3]), 1, 2)).toThrow("roll: axis is 2");
  });
});

describe("diagonal", () => {
  const diagonals = shapes({ minRank: 2 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axes: fc.shuffledSubarray([...shape.keys()], { minLength: 2, maxLength: 2 }),
      offset: fc.integer({ min: -6, max: 6 }),
      dtype: dtypes,
    }),
  );
  test("takes what lies on it", () =>
    property(diagonals, async ({ shape, axes, offset, dtype }) => {
      const x = counting(shape, dtype);
      const [row, col] = axes as [number, number];
      let length = 0;
      for (let i = 0; i < shape[row]!; i++) if (i + offset >= 0 && i + offset < shape[col]!) length++;
      const others = [...shape.keys()].filter((axis) => !axes.includes(axis));
      const expected = model([...others.map((axis) => shape[axis]!), length], (p) => {
        const position = [...shape];
        for (const [i, axis] of others.entries()) position[axis] = p[i]!;
        position[row] = p.at(-1)! + Math.max(-offset, 0);
        position[col] = p.at(-1)! + Math.max(offset, 0);
        return elementAt(x, position);
      });
      await expectModel(diagonal(toTensor(x, dtype), offset, row, col), expected, dtype);
    }));

  for (const [shape, ...rest] of [[[5, 5]], [[4, 6], 2], [[4, 3, 6], -1, 2, 0], [[2, 2], 5], [[70, 66], 1]] as const) {
    test(`[${shape}] ${rest}`, () => checkOp((x) => diagonal(x, ...rest), [shape], { second: true }));
  }

  test("errors", () => {
    expect(() => diagonal(zeros([2, 3]), 0, 1, -1)).toThrow("axis0 and axis1 are [1, -1], expected two different axes");
    expect(() => diagonal(zeros([2]))).toThrow("diagonal: axis is 1");
    expect(() => diagonal(zeros([2, 3]), 0.5)).toThrow("diagonal: offset is 0.5, expected a whole number");
  });
});

describe("expand", () => {
  test("stretches", async () => {
    const x = counting([3, 1]);
    await expectModel(
      expand(toTensor(x), [2, -1, 4]),
      model([2, 3, 4], ([, j]) => elementAt(x, [j!, 0])),
    );
    await expectModel(expand(toTensor(counting([1], "bool"), "bool"), [3]), { shape: [3], values: [0, 0, 0] }, "bool");
  });
  for (const [shape, target] of [
    [[1], [65]],
    [
      [2, 1, 3, 1, 2],
      [2, 3, 3, 2, 2],
    ],
    [[], [2, 2]],
    [
      [1, 3],
      [0, 3],
    ],
  ] as const) {
    test(`[${shape}] to [${target}]`, () => checkOp((x) => expand(x, target), [shape], { second: true }));
  }
  test("errors", () => {
    expect(() => expand(zeros([2, 3]), [3, 3])).toThrow(
      "expand: x has shape [2, 3], which does not broadcast to [3, 3]",
    );
    expect(() => expand(zeros([2, 3]), [3])).toThrow("expand: x has shape [2, 3], which does not broadcast to [3]");
    expect(() => expand(zeros([3]), [-1, 3])).toThrow("expand: shape [-1, 3] has the size -1");
  });
});

describe("repeat and repeatInterleave", () => {
  const repeats = shapes({ maxRank: 3, max: 3 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      counts: fc.array(fc.nat(3), { minLength: shape.length, maxLength: shape.length + 2 }),
      dtype: dtypes,
    }),
  );
  test("repeat lays copies side by side", () =>
    property(repeats, async ({ shape, counts, dtype }) => {
      const x = counting(shape, dtype);
      const added = counts.length - shape.length;
      const from = [...new Array<number>(added).fill(1), ...shape];
      const expected = model(
        from.map((n, axis) => n * counts[axis]!),
        (p) =>
          elementAt(
            x,
            p.slice(added).map((i, axis) => i % shape[axis]!),
          ),
      );
      await expectModel(repeat(toTensor(x, dtype), counts), expected, dtype);
    }));

  const interleaved = shapes({ minRank: 1, maxRank: 3, max: 3 }).chain((shape) =>
    fc.record({ shape: fc.constant(shape), axis: fc.nat(shape.length - 1), count: fc.nat(3) }),
  );
  test("repeatInterleave repeats in place", () =>
    property(interleaved, async ({ shape, axis, count }) => {
      const x = counting(shape);
      const expected = model(shape.with(axis, shape[axis]! * count), (p) =>
        elementAt(x, p.with(axis, Math.floor(p[axis]! / count))),
      );
      await expectModel(repeatInterleave(toTensor(x), count, axis), expected);
    }));

  test("repeatInterleave flattens where no axis is given", async () => {
    expect(
      await repeatInterleave(
        tensor([
          [1, 2],
          [3, 4],
        ]),
        2,
      ).toArray(),
    ).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
  });

  test("repeat [2, 3] by [2, 1, 2]", () => checkOp((x) => repeat(x, [2, 1, 2]), [[2, 3]], { second: true }));
  test("repeat [3] by [0]", () => checkOp((x) => repeat(x, [0]), [[3]], { second: true }));
  test("repeat rank 8", () => checkOp((x) => repeat(x, new Array(8).fill(2)), [[1, 1, 2, 1, 1, 1, 1, 2]]));
  test("repeatInterleave [2, 33]", () => checkOp((x) => repeatInterleave(x, 2, 1), [[2, 33]], { second: true }));

  test("errors", () => {
    expect(() => repeat(zeros([2, 3]), [2])).toThrow(
      "repeat: repeats is [2], expected at least 2 numbers for x of shape [2, 3]",
    );
    expect(() => repeat(zeros([2]), [-1])).toThrow("repeat: repeats has -1, expected a whole number from 0 up");
    expect(() => repeat(zeros([2]), new Array(9).fill(1))).toThrow("has rank 9, expected at most 8");
    expect(() => repeatInterleave(zeros([2]), 1.5)).toThrow("repeatInterleave: repeats has 1.5");
    expect(() => repeatInterleave(zeros([2]), 2, 1)).toThrow("repeatInterleave: axis is 1");
  });
});

describe("split, chunk and unbind", () => {
  const splits = shapes({ minRank: 1, maxRank: 3 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axis: fc.nat(shape.length - 1),
      size: fc.integer({ min: 1, max: 6 }),
      dtype: dtypes,
    }),
  );
  test("split cuts pieces of one size", () =>
    property(splits, async ({ shape, axis, size, dtype }) => {
      const x = counting(shape, dtype);
      const pieces = split(toTensor(x, dtype), size, axis);
      expect(pieces.length).toBe(Math.max(1, Math.ceil(shape[axis]! / size)));
      for (const [i, piece] of pieces.entries()) {
        const length = Math.min(size, shape[axis]! - i * size);
        const expected = model(shape.with(axis, length), (p) => elementAt(x, p.with(axis, p[axis]! + i * size)));
        await expectModel(piece, expected, dtype);
      }
    }));

  test("chunk counts as PyTorch does", () => {
    const sizes = (n: number, chunks: number) => chunk(zeros([n, 2]), chunks).map(({ shape }) => shape[0]);
    expect(sizes(5, 4)).toEqual([2, 2, 1]);
    expect(sizes(6, 3)).toEqual([2, 2, 2]);
    expect(sizes(2, 3)).toEqual([1, 1]);
    expect(sizes(0, 3)).toEqual([0, 0, 0]);
  });

  test("unbind removes the axis", async () => {
    const x = counting([2, 3, 2]);
    const rows = unbind(toTensor(x), 1);
    expect(rows.length).toBe(3);
    for (const [j, row] of rows.entries()) {
      await expectModel(
        row,
        model([2, 2], ([i, k]) => elementAt(x, [i!, j, k!])),
      );
    }
    expect(unbind(zeros([0, 3]))).toEqual([]);
  });

  test("gradients", async () => {
    await checkOp((x) => split(x, 2, 1), [[3, 5]], { second: true });
    await checkOp((x) => split(x, [1, 0, 3], -1), [[2, 4]], { second: true });
    await checkOp((x) => chunk(x, 3), [[4, 33]], { second: true });
    await checkOp((x) => unbind(x, 1), [[3, 4, 2]], { second: true });
  });

  test("pieces that are not used have gradients of zero", async () => {
    const x = tensor([1, 2, 3, 4], { requiresGrad: true });
    const [, second] = split(x, 2);
    const [dx] = grad(mul(second!, second!), [x], { gradOutputs: [tensor([1, 1])] });
    expect(await dx!.toArray()).toEqual([0, 0, 6, 8]);
  });

  test("errors", () => {
    const x = zeros([4, 2]);
    expect(() => split(x, 0)).toThrow("split: a size is 0, expected whole numbers from 1 up");
    expect(() => split(x, [1, -1, 4])).toThrow("split: a size is -1, expected whole numbers from 0 up");
    expect(() => split(x, [1, 2])).toThrow("split: the sizes [1, 2] add up to 3, expected 4, the size of axis 0");
    expect(() => split(x, 1, 2)).toThrow("split: axis is 2");
    expect(() => chunk(x, 0)).toThrow("chunk: chunks is 0, expected a whole number from 1 up");
    expect(() => unbind(x, -3)).toThrow("unbind: axis is -3");
  });
});

test("clone has a storage of its own", async () => {
  const x = counting([3, 5], "i32");
  const y = clone(toTensor(x, "i32"));
  await expectModel(y, x, "i32");
  const parameter = zeros([4], { requiresGrad: true });
  expect(clone(parameter).storage).not.toBe(parameter.storage);
  backward(clone(parameter), { gradient: tensor([1, 2, 3, 4]) });
  expect(await parameter.grad!.toArray()).toEqual([1, 2, 3, 4]);
  for (const shape of [[], [65], [0, 2]]) await checkOp(clone, [shape], { second: true });
});
