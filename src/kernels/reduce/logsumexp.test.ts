import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { logsumexp } from "./logsumexp.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

for (const n of [1, 9, 64, 300, 5000]) {
  test(`logsumexp over ${n} elements of rows and columns`, async () => {
    await checkOp((x) => logsumexp(x!, 1), [[3, n]], { second: n < 20 });
    await checkOp((x) => logsumexp(x!, 0), [[n, 3]], { second: n < 20 });
  });
}

test("logsumexp over axes together and apart", async () => {
  for (const axes of [undefined, [], [0, 1], [0, 2]]) {
    await checkOp((x) => logsumexp(x!, axes), [[2, 3, 4]], { second: true });
    await checkOp((x) => logsumexp(x!, axes, { keepDim: true }), [[2, 3, 4]], { second: true });
  }
});

test("logsumexp of elements around 1e4 and -1e4, and at 3e38", async () => {
  await checkOp((x) => logsumexp(x!, 1), [{ shape: [3, 10] }], { offset: [1e4], gradient: false });
  await checkOp((x) => logsumexp(x!, 1), [{ shape: [3, 10] }], { offset: [-1e4], gradient: false });
  const y = await logsumexp(tensor([[3e38, -3e38], [-3e38, -3e38]]), 1).data(); // biome-ignore format: the matrix
  expect(y).toEqual(Float32Array.of(3e38, -3e38));
});

test("logsumexp of infinities, NaN and nothing", async () => {
  const x = [[-inf, -inf], [-inf, 1], [inf, 1], [inf, -inf], [nan, inf]]; // biome-ignore format: a line per result
  expect(await logsumexp(tensor(x), 1).toArray()).toEqual([-inf, 1, inf, inf, nan]);
  expect(await logsumexp(zeros([2, 0]), 1).toArray()).toEqual([-inf, -inf]);
});

test("what logsumexp refuses", () => {
  expect(() => logsumexp(zeros([2]), 1)).toThrow("logsumexp: axis is 1, expected a whole number from -1 to 0");
  expect(() => logsumexp(zeros([2]), 0, { keepdim: true } as object)).toThrow('logsumexp: unknown option "keepdim"');
});
