import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { arange, eye, full, fullLike, linspace, ones, onesLike, tensor, zeros, zerosLike } from "./creation.ts";

for (const n of [0, 1, 63, 64, 65, 200]) {
  test(`rules of ${n} elements agree on every device`, async () => {
    const like = { gradient: false } as const;
    await checkOp((x) => [zerosLike(x), onesLike(x), fullLike(x, -2.5)], [[n]], like);
    await checkOp((x) => [arange(0, n, 1, { device: x.device, dtype: "i32" })], [[1]], like);
    await checkOp((x) => [linspace(-1, 2, n, { device: x.device })], [[1]], like);
    await checkOp((x) => [eye(n, 3, { device: x.device }), eye(3, n, { device: x.device, dtype: "u32" })], [[1]], like);
  });
}

test("values", async () => {
  expect(await zeros([2, 2]).toArray()).toEqual([
    [0, 0],
    [0, 0],
  ]);
  expect(await ones([2], { dtype: "i32" }).data()).toEqual(Int32Array.of(1, 1));
  expect(await full([2], 3, { dtype: "bool" }).toArray()).toEqual([true, true]);
  expect(await arange(4).toArray()).toEqual([0, 1, 2, 3]);
  expect(await arange(5, 0, -2).toArray()).toEqual([5, 3, 1]);
  expect(await arange(0, 1, 0.25).toArray()).toEqual([0, 0.25, 0.5, 0.75]);
  expect(await eye(2).toArray()).toEqual([
    [1, 0],
    [0, 1],
  ]);
  const line = (await linspace(0.1, 0.7, 7).data()) as Float32Array;
  expect([line[0], line[6]]).toEqual([Math.fround(0.1), Math.fround(0.7)]);
});

test("tensor takes numbers, nested arrays, booleans and typed arrays", async () => {
  expect(await tensor(3).item()).toBe(3);
  expect(
    tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]).shape,
  ).toEqual([2, 3]);
  expect(tensor([[], []]).shape).toEqual([2, 0]);
  expect(await tensor([true, false]).toArray()).toEqual([true, false]);
  expect(tensor(Int32Array.of(1)).dtype).toBe("i32");
  expect(tensor(Uint8Array.of(1)).dtype).toBe("i32");
  expect(await tensor([1.7, -1.7], { dtype: "i32" }).toArray()).toEqual([1, -1]);
  expect(tensor(new Float32Array(6), { shape: [3, 2] }).shape).toEqual([3, 2]);
  expect(String(tensor([[1]]))).toBe("Tensor(f32 [1, 1] on webgpu)");
});

test("errors", () => {
  expect(() => tensor([[1, 2], [3]])).toThrow(
    "tensor: the nested arrays are ragged at depth 1, expected the shape [2, 2]",
  );
  expect(() => tensor([1, 2], { shape: [3] })).toThrow("tensor: data has 2 elements, expected 3 for the shape [3]");
  expect(() => zeros([2, -1])).toThrow("has the size -1, expected whole sizes from 0 up");
  expect(() => zeros([2], { dtpye: "i32" } as never)).toThrow('zeros: unknown option "dtpye"; did you mean "dtype"?');
  expect(() => arange(0, 5, -1)).toThrow("arange: the step -1 does not lead from 0 to 5");
  expect(() => ones([1], { dtype: "i32", requiresGrad: true })).toThrow(
    "requiresGrad: the tensor has dtype i32, expected f32",
  );
  expect(() => zeros(new Array(9).fill(1))).toThrow("has rank 9, expected at most 8");
});
