import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { counting, dtypes, elementAt, expectModel, type Model, model, shapes, toTensor } from "../../../test/model.ts";
import { arange, tensor, zeros } from "../creation/creation.ts";
import { at, narrow, slice } from "./slice.ts";
import type { Subscript } from "./subscript.ts";

// What Python's list(range(n))[start:end:step] gives.
const PYTHON: readonly [number, string, number[]][] = [
  [1, "-4:3:-1", []],
  [3, "0:-1:1", [0, 1]],
  [5, "7:7:3", []],
  [1, "4::-2", [0]],
  [0, "-3:-7:2", []],
  [0, "0:7:-1", []],
  [5, "4:5:3", [4]],
  [1, "0:5:-3", []],
  [0, "7:7", []],
  [2, "-6:5:1", [0, 1]],
  [4, "2:0:-1", [2, 1]],
  [1, "-7:1", [0]],
  [3, "4:-5:-1", [2, 1, 0]],
  [5, "-1:1:3", []],
  [4, "-4:-7:-2", [0]],
  [5, ":5", [0, 1, 2, 3, 4]],
  [0, "-3:-1:-3", []],
  [5, "-6:7:2", [0, 2, 4]],
  [5, "4:-6:-1", [4, 3, 2, 1, 0]],
  [4, "4:-7:-1", [3, 2, 1, 0]],
  [5, "-6::1", [0, 1, 2, 3, 4]],
  [4, "-7:7", [0, 1, 2, 3]],
  [3, "-1:-5:-2", [2, 0]],
];

const numbers = fc.integer({ min: -7, max: 7 });
const bound = fc.option(numbers, { nil: null });

/** A subscript for an axis of size n, and the positions it takes; null where it removes the axis. */
interface Sub {
  readonly subscript: Subscript;
  readonly positions: number[];
  readonly removes: boolean;
}

// As Python documents it: https://docs.python.org/3/library/stdtypes.html#common-sequence-operations, notes 4 and 5.
function positionsOf(n: number, start: number | null, end: number | null, step: number): number[] {
  const wrap = (i: number) => (i < 0 ? i + n : i);
  const positions: number[] = [];
  if (step > 0) {
    const last = end === null ? n : Math.min(wrap(end), n);
    for (let i = start === null ? 0 : Math.max(wrap(start), 0); i < last; i += step) positions.push(i);
  } else {
    const last = end === null ? -1 : Math.max(wrap(end), -1);
    for (let i = start === null ? n - 1 : Math.min(wrap(start), n - 1); i > last; i += step) positions.push(i);
  }
  return positions;
}

const range = fc.tuple(bound, bound, fc.constantFrom(null, 1, 2, 3, -1, -2));

function subscriptOf(n: number): fc.Arbitrary<Sub> {
  const all = fc.constantFrom(null, ":", "::");
  const ranges = fc.tuple(range, fc.boolean()).map(([[start, end, step], asText]) => ({
    subscript: asText ? `${start ?? ""}:${end ?? ""}${step === null ? "" : `:${step}`}` : ([start, end, step] as const),
    positions: positionsOf(n, start, end, step ?? 1),
    removes: false,
  }));
  const whole = all.map((subscript) => ({ subscript, positions: positionsOf(n, null, null, 1), removes: false }));
  if (n === 0) return fc.oneof(whole, ranges);
  const index = fc.tuple(fc.integer({ min: -n, max: n - 1 }), fc.boolean()).map(([i, asText]) => ({
    subscript: asText ? `${i}` : i,
    positions: [i < 0 ? i + n : i],
    removes: true,
  }));
  return fc.oneof(whole, ranges, index);
}

// What the subscripts take of x, by lists of positions.
function take(x: Model, subs: readonly (Sub | "new")[]): Model {
  const kept = subs.filter((sub) => sub === "new" || !sub.removes);
  const shape = kept.map((sub) => (sub === "new" ? 1 : sub.positions.length));
  return model(shape, (position) =>
    elementAt(
      x,
      subs.filter((sub) => sub !== "new").map((sub) => sub.positions[sub.removes ? 0 : position[kept.indexOf(sub)]!]!),
    ),
  );
}

describe("slice", () => {
  test.each(PYTHON)("of %i elements by %s", async (n, subscript, expected) => {
    expect(await slice(arange(n), subscript).toArray()).toEqual(expected);
  });

  test("takes what lists of positions take", async () => {
    const axes = shapes({ maxRank: 4 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        subs: fc.tuple(...shape.map(subscriptOf)),
        dots: fc.option(fc.nat(shape.length), { nil: null }),
        added: fc.option(fc.nat(shape.length), { nil: null }),
        dtype: dtypes,
      }),
    );
    await fc.assert(
      fc.asyncProperty(axes, async ({ shape, subs, dots, added, dtype }) => {
        const x = counting(shape, dtype);
        // "..." stands for the axes from `dots` on but the last; "None" comes before axis `added`.
        const whole = (axis: number) => ({
          subscript: ":",
          positions: positionsOf(shape[axis]!, null, null, 1),
          removes: false,
        });
        const items: (Sub | "new")[] = subs.map((sub, axis) =>
          dots !== null && axis >= dots && axis < shape.length - 1 ? whole(axis) : sub,
        );
        const written: Subscript[] = subs.map(({ subscript }) => subscript);
        if (dots !== null) written.splice(dots, Math.max(shape.length - 1 - dots, 0), "...");
        if (added !== null && (dots === null || added <= dots)) {
          items.splice(added, 0, "new");
          written.splice(added, 0, "None");
        }
        await expectModel(slice(toTensor(x, dtype), ...written), take(x, items), dtype);
      }),
      { numRuns: cases(150) },
    );
  });

  test("reads several subscripts from one string, as between Python's brackets", async () => {
    const x = toTensor(counting([3, 4, 5]));
    await expectModel(
      x.slice("1:3, ..., ::-2"),
      take(counting([3, 4, 5]), [
        { subscript: "", positions: [1, 2], removes: false },
        { subscript: "", positions: [0, 1, 2, 3], removes: false },
        { subscript: "", positions: [4, 2, 0], removes: false },
      ]),
    );
    expect(x.slice("None, 0, newaxis").shape).toEqual([1, 1, 4, 5]);
    expect(x.slice().shape).toEqual([3, 4, 5]);
  });

  for (const [shape, subscripts] of [
    [
      [5, 3, 4],
      ["1:4", 2, "::2"],
    ],
    [
      [5, 3, 4],
      ["::-1", ":", "-3:-1"],
    ],
    [
      [4, 66],
      [":", "1:66"],
    ],
    [
      [3, 132],
      [1, "4:132:1"],
    ],
    // Four words at a time on one side only: the other has a step, or rows of another length.
    [
      [3, 16],
      [":", "::2"],
    ],
    [
      [4, 66],
      [":", ":64"],
    ],
    [
      [3, 132],
      ["1:", "::4"],
    ],
    [[2, 3], ["1:1"]],
    [
      [0, 3],
      [":", 1],
    ],
  ] as const) {
    test(`[${shape}] by ${subscripts}`, () => checkOp((x) => slice(x, ...subscripts), [shape], { second: true }));
  }

  test("copies, unless no element moves", () => {
    const x = zeros([1, 3, 4]);
    expect(slice(x, null, [1, 3]).storage).not.toBe(x.storage);
    expect(slice(x, 0).storage).toBe(x.storage);
    expect(slice(x, 0).shape).toEqual([3, 4]);
  });

  test("keeps the bits of a NaN", async () => {
    const words = new Uint32Array([0x7fc0_0001, 0xffff_ffff, 0x8000_0000]);
    const y = slice(tensor(new Float32Array(words.buffer)), "::-1");
    expect(new Uint32Array(((await y.data()) as Float32Array).buffer)).toEqual(words.reverse());
  });

  test("errors", () => {
    const x = zeros([2, 3]);
    expect(() => slice(x, 0, 0, 0)).toThrow("slice: x has shape [2, 3], expected at most 2 subscripts, got 3");
    expect(() => slice(x, 2)).toThrow("slice: the index 2 is not on axis 0 of size 2, expected -2 to 1");
    expect(() => slice(x, "...", -4)).toThrow("slice: the index -4 is not on axis 1 of size 3, expected -3 to 2");
    expect(() => slice(zeros([0]), 0)).toThrow("not on axis 0 of size 0, expected none, since the axis is empty");
    expect(() => slice(x, [0, 1, 0])).toThrow("slice: the step of a range is 0");
    expect(() => slice(x, "::0")).toThrow("slice: the step of a range is 0");
    expect(() => slice(x, 0.5)).toThrow("slice: a subscript has 0.5, expected a whole number");
    expect(() => slice(x, [0.5, 1])).toThrow("slice: a subscript has 0.5, expected a whole number");
    expect(() => slice(x, [1] as never)).toThrow("slice: a subscript is [1], expected null, a number, [start, end]");
    expect(() => slice(x, undefined as never)).toThrow("slice: a subscript is undefined, expected null");
    expect(() => slice(x, "1;2")).toThrow('slice: cannot read the subscript "1;2", expected a number, start:end');
    expect(() => slice(x, "1,")).toThrow('slice: cannot read the subscript ""');
    expect(() => slice(x, "...", "...")).toThrow('slice: "..." stands 2 times, expected at most once');
    expect(() => slice(zeros(new Array(8).fill(1)), "None")).toThrow("has rank 9, expected at most 8");
  });
});

test("at", async () => {
  const x = counting([2, 3, 4]);
  await expectModel(
    at(toTensor(x), -1),
    model([3, 4], (p) => elementAt(x, [1, ...p])),
  );
  await expectModel(
    toTensor(x).at(1, 0, -2),
    model([], () => elementAt(x, [1, 0, 2])),
  );
  await expectModel(
    at(toTensor(x), null, 2),
    model([2, 4], ([i, j]) => elementAt(x, [i!, 2, j!])),
  );
  await checkOp((t) => at(t, 1, -1), [[3, 4, 5]], { second: true });
  expect(() => at(toTensor(x), 0, 3)).toThrow("at: the index 3 is not on axis 1 of size 3");
});

test("narrow", async () => {
  const x = counting([2, 5, 3]);
  const y = model([2, 2, 3], ([i, j, k]) => elementAt(x, [i!, j! + 3, k!]));
  await expectModel(narrow(toTensor(x), 1, 3, 2), y);
  await expectModel(narrow(toTensor(x), -2, -2, 2), y);
  expect(narrow(toTensor(x), 0, 2, 0).shape).toEqual([0, 5, 3]);
  await checkOp((t) => narrow(t, 1, 1, 3), [[2, 5, 3]], { second: true });
  await checkOp((t) => narrow(t, 0, 1, 0), [[2, 5]], { second: true });
  for (const [start, length] of [
    [4, 2],
    [-6, 1],
    [0, -1],
    [0.5, 1],
  ] as const) {
    expect(() => narrow(toTensor(x), 1, start, length)).toThrow(
      `narrow: ${length} elements from ${start} are not on axis 1 of size 5, x has shape [2, 5, 3]`,
    );
  }
  expect(() => narrow(toTensor(x), 3, 0, 1)).toThrow("narrow: axis is 3, expected a whole number from -3 to 2");
});
