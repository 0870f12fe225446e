import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { counting, dtypes, elementAt, expectModel, model, shapes, toTensor } from "../../../test/model.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { pad } from "./pad.ts";

type Pair = readonly [number, number];

test("constant puts a value around, and cuts where pads are negative", async () => {
  const samples = shapes({ max: 4 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      pads: fc.tuple(
        ...shape.map((n) =>
          fc
            .tuple(fc.integer({ min: -5, max: 3 }), fc.integer({ min: -5, max: 3 }))
            .map(([before, after]): Pair => (n + before + after < 0 ? [-before, -after] : [before, after])),
        ),
      ),
      dtype: dtypes,
    }),
  );
  await fc.assert(
    fc.asyncProperty(samples, async ({ shape, pads, dtype }) => {
      const x = counting(shape, dtype);
      const expected = model(
        shape.map((n, axis) => n + pads[axis]![0] + pads[axis]![1]),
        (p) => {
          const inside = p.map((i, axis) => i - pads[axis]![0]);
          return inside.every((i, axis) => i >= 0 && i < shape[axis]!) ? elementAt(x, inside) : 1;
        },
      );
      await expectModel(pad(toTensor(x, dtype), pads, { value: 1 }), expected, dtype);
    }),
    { numRuns: cases(60) },
  );
});

test.each(["reflect", "replicate", "circular"] as const)("%s continues the tensor", async (mode) => {
  const samples = shapes({ min: 1, maxRank: 3 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      pads: fc.tuple(
        ...shape.map((n) => {
          const most = { reflect: n - 1, replicate: 4, circular: n }[mode];
          return fc.tuple(fc.nat(most), fc.nat(most));
        }),
      ),
      dtype: dtypes,
    }),
  );
  const source = {
    reflect: (i: number, n: number) => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i),
    replicate: (i: number, n: number) => Math.min(Math.max(i, 0), n - 1),
    circular: (i: number, n: number) => (i + n) % n,
  }[mode];
  await fc.assert(
    fc.asyncProperty(samples, async ({ shape, pads, dtype }) => {
      const x = counting(shape, dtype);
      const expected = model(
        shape.map((n, axis) => n + pads[axis]![0] + pads[axis]![1]),
        (p) =>
          elementAt(
            x,
            p.map((i, axis) => source(i - pads[axis]![0], shape[axis]!)),
          ),
      );
      await expectModel(pad(toTensor(x, dtype), pads, { mode }), expected, dtype);
    }),
    { numRuns: cases(20) },
  );
});

test("values", async () => {
  const x = tensor([1, 2, 3]);
  expect(await pad(x, [[1, 2]]).toArray()).toEqual([0, 1, 2, 3, 0, 0]);
  expect(await pad(x, [[2, 1]], { value: Number.NEGATIVE_INFINITY }).toArray()).toEqual([
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    1,
    2,
    3,
    Number.NEGATIVE_INFINITY,
  ]);
  expect(await pad(x, [[2, 2]], { mode: "reflect" }).toArray()).toEqual([3, 2, 1, 2, 3, 2, 1]);
  expect(await pad(x, [[2, 1]], { mode: "replicate" }).toArray()).toEqual([1, 1, 1, 2, 3, 3]);
  expect(await pad(x, [[2, 1]], { mode: "circular" }).toArray()).toEqual([2, 3, 1, 2, 3, 1]);
});

for (const [shape, pads, options] of [
  [
    [3, 5],
    [
      [1, 2],
      [0, 3],
    ],
    {},
  ],
  [
    [3, 5],
    [
      [1, 2],
      [0, 3],
    ],
    { value: 2.5 },
  ],
  [
    [4, 5],
    [
      [-1, 2],
      [1, -2],
    ],
    {},
  ],
  [
    [2, 1, 64],
    [
      [0, 0],
      [1, 1],
      [1, 1],
    ],
    {},
  ],
  [
    [2, 3],
    [
      [0, 0],
      [0, 0],
    ],
    {},
  ],
  [[2], [[-3, 4]], {}],
  [
    [0, 2],
    [
      [1, 1],
      [0, 0],
    ],
    {},
  ],
  [
    [3, 5],
    [
      [2, 1],
      [0, 4],
    ],
    { mode: "reflect" },
  ],
  [
    [3, 65],
    [
      [2, 2],
      [1, 2],
    ],
    { mode: "reflect" },
  ],
  [
    [3, 5],
    [
      [3, 1],
      [0, 2],
    ],
    { mode: "replicate" },
  ],
  [
    [2, 0],
    [
      [1, 1],
      [0, 0],
    ],
    { mode: "replicate" },
  ],
  [
    [3, 5],
    [
      [3, 1],
      [0, 2],
    ],
    { mode: "circular" },
  ],
] as const) {
  test(`[${shape}] by ${JSON.stringify(pads)} ${JSON.stringify(options)}`, () =>
    checkOp((x) => pad(x, pads, options), [shape], { second: true }));
}

test("errors", () => {
  const x = zeros([2, 3]);
  expect(() => pad(x, [[1, 1]])).toThrow(
    "pad: pads are [[1,1]], expected a pair [before, after] for each of the 2 axes of x of shape [2, 3]",
  );
  expect(() => pad(x, [[1], [1, 1]] as never)).toThrow("pad: pads are [[1],[1,1]]");
  expect(() =>
    pad(x, [
      [0, 0.5],
      [0, 0],
    ]),
  ).toThrow("pad: pads have 0.5, expected whole numbers");
  expect(() =>
    pad(x, [
      [-2, -1],
      [0, 0],
    ]),
  ).toThrow("pad: shape [-1, 3] has the size -1");
  expect(() =>
    pad(
      x,
      [
        [2, 0],
        [0, 0],
      ],
      { mode: "reflect" },
    ),
  ).toThrow('pad: "reflect" on axis 0 of size 2 has [2, 0], expected whole numbers from 0 to 1');
  expect(() =>
    pad(
      x,
      [
        [-1, 0],
        [0, 0],
      ],
      { mode: "replicate" },
    ),
  ).toThrow('pad: "replicate" on axis 0 of size 2 has [-1, 0], expected whole numbers from 0 up');
  expect(() => pad(zeros([0]), [[0, 1]], { mode: "replicate" })).toThrow("expected whole numbers from 0 to 0");
  expect(() => pad(zeros([2]), [[0, 3]], { mode: "circular" })).toThrow("expected whole numbers from 0 to 2");
  expect(() =>
    pad(
      x,
      [
        [0, 0],
        [0, 0],
      ],
      { mode: "mirror" as never },
    ),
  ).toThrow('pad: mode is "mirror"');
  expect(() =>
    pad(
      x,
      [
        [0, 0],
        [0, 0],
      ],
      { values: 1 } as never,
    ),
  ).toThrow('unknown option "values"; did you mean "value"?');
  expect(() => pad(zeros([2], { dtype: "i32" }), [[1, 0]], { value: 0.5 })).toThrow(
    "pad: value is 0.5, expected a whole number from -2147483648 to 2147483647 for i32",
  );
});
