import { expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { LikeliestAccuracy } from "./likeliest-accuracy.ts";

test("takes classes, and probabilities for their likeliest class", async () => {
  const outputs = tensor([
    [1, 2, 3],
    [3, 2, 1],
    [0, 5, 0],
    [0, 0, 1],
  ]);
  const accuracy = new LikeliestAccuracy();
  accuracy.update(outputs, tensor([2, 0, 0, 2], { dtype: "i32" }));
  expect(await accuracy.compute()).toBe(0.75);
  accuracy.update(
    outputs,
    tensor([
      [0.2, 0.2, 0.6],
      [0.1, 0.9, 0],
      [0.4, 0.6, 0],
      [1, 0, 0],
    ]),
  );
  expect(await accuracy.compute()).toBe(5 / 8);
});
