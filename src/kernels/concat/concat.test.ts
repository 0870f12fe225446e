import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { counting, dtypes, elementAt, expectModel, model, shapes, toTensor } from "../../../test/model.ts";
import { withDevice } from "../../tensor/device.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { concat, stack } from "./concat.ts";

test("concat joins along any axis", async () => {
  const parts = shapes({ minRank: 1, maxRank: 4, max: 4 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axis: fc.integer({ min: -shape.length, max: shape.length - 1 }),
      lengths: fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }),
      dtype: dtypes,
    }),
  );
  await fc.assert(
    fc.asyncProperty(parts, async ({ shape, axis, lengths, dtype }) => {
      const along = axis < 0 ? axis + shape.length : axis;
      const xs = lengths.map((length) => counting(shape.with(along, length), dtype));
      const owner = lengths.flatMap((length, k) => Array.from({ length }, (_, i) => [k, i] as const));
      const expected = model(shape.with(along, owner.length), (p) => {
        const [k, i] = owner[p[along]!]!;
        return elementAt(xs[k]!, p.with(along, i));
      });
      await expectModel(
        concat(
          xs.map((x) => toTensor(x, dtype)),
          axis,
        ),
        expected,
        dtype,
      );
    }),
    { numRuns: cases(40) },
  );
});

test("stack adds an axis", async () => {
  const xs = [counting([2, 3]), model([2, 3], ([i, j]) => -(i! + j!))];
  const tensors = xs.map((x) => toTensor(x));
  await expectModel(
    stack(tensors),
    model([2, 2, 3], ([k, i, j]) => elementAt(xs[k!]!, [i!, j!])),
  );
  await expectModel(
    stack(tensors, 1),
    model([2, 2, 3], ([i, k, j]) => elementAt(xs[k!]!, [i!, j!])),
  );
  await expectModel(
    stack(tensors, -1),
    model([2, 3, 2], ([i, j, k]) => elementAt(xs[k!]!, [i!, j!])),
  );
  expect(await stack([tensor(1), tensor(2)]).toArray()).toEqual([1, 2]);
});

for (const [axis, ...inputs] of [
  [0, [3], [1], [2]],
  [1, [3, 4], [3, 8]],
  [-1, [2, 33], [2, 32], [2, 0]],
  [1, [2, 1, 3], [2, 2, 3]],
  [0, [0, 3], [0, 3]],
] as const) {
  test(`concat ${inputs.map((shape) => `[${shape}]`).join(" ")} along ${axis}`, () =>
    checkOp((...xs) => concat(xs, axis), inputs, { second: true }));
}
test("stack [5, 13] twice along 1", () =>
  checkOp(
    (a, b) => stack([a, b], 1),
    [
      [5, 13],
      [5, 13],
    ],
    { second: true },
  ));

test("the gradient of a tensor that is joined twice adds up", () =>
  checkOp((x) => concat([x, x], 1), [[3, 2]], { second: true }));

test("dtypes are promoted", async () => {
  const y = concat([tensor([true, false]), tensor(Int32Array.of(5))]);
  expect(y.dtype).toBe("i32");
  expect(await y.toArray()).toEqual([1, 0, 5]);
  expect(stack([tensor(1), tensor(true)]).dtype).toBe("f32");
  expect(concat([tensor([true]), tensor([false])]).dtype).toBe("bool");
});

test("errors", () => {
  expect(() => concat([])).toThrow("concat: tensors is empty, expected at least one");
  expect(() => stack([])).toThrow("stack: tensors is empty");
  expect(() => concat([zeros([2, 3]), zeros([3, 3])], 1)).toThrow(
    "concat: tensor 1 has shape [3, 3], expected [2, 3] but for axis 1, as tensor 0",
  );
  expect(() => concat([zeros([2]), zeros([2, 1])])).toThrow("concat: tensor 1 has shape [2, 1], expected [2]");
  expect(() => concat([zeros([])])).toThrow("concat: axis is 0, expected none for a scalar");
  expect(() => stack([zeros([2]), zeros([3])])).toThrow("stack: tensor 1 has shape [3], expected [2] as tensor 0");
  expect(() => stack([zeros([2])], 2)).toThrow("stack: axis is 2, expected a whole number from -2 to 1");
  expect(() => concat([zeros([1]), withDevice("cpu", () => zeros([1]))])).toThrow(
    "concat: tensors on webgpu and on cpu",
  );
  expect(() => concat([zeros([1], { dtype: "i32" }), zeros([1], { dtype: "u32" })])).toThrow(
    "concat: i32 with u32 has no common dtype",
  );
});
