import { expect, test } from "vitest";
import { openDefaultDevice } from "../../test/devices.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { exp } from "../kernels/ops.ts";
import { init } from "../tensor/device.ts";
import type { Profile } from "../tensor/profile.ts";
import { type BatchSource, batchesOf } from "./batches.ts";
import { profiled } from "./profiled.ts";

const source =
  (batches: number): BatchSource =>
  (epoch, from) =>
    Array.from({ length: batches - from }, (_, i) => [tensor([epoch]), tensor([from + i])]);

/** Goes through epochs with one kernel per batch, and counts what was timed. */
async function train(batches: number, epochs: number, stopAfter = Number.POSITIVE_INFINITY) {
  const profiles: Profile[] = [];
  const watched = profiled(source(batches), async (profile) => void profiles.push(profile));
  const seen: number[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    for await (const batch of batchesOf(watched, epoch, 0)) {
      const [x, labels] = batch as [ReturnType<typeof tensor>, ReturnType<typeof tensor>];
      exp(x).dispose();
      seen.push(await labels.item());
      if (seen.length === stopAfter) break;
    }
  }
  const calls = profiles.map(({ kernels }) => kernels.find(({ kernel }) => kernel === "exp.forward")?.calls);
  return { seen, calls };
}

test("times the fourth batch to the eighth, once, and gives all of them", async () => {
  const { seen, calls } = await train(12, 2);
  expect(seen).toEqual([...Array(12).keys(), ...Array(12).keys()]);
  expect(calls).toEqual([5]);
});

test("times fewer where the epoch or the training ends sooner, and none before", async () => {
  expect((await train(6, 2)).calls).toEqual([3]);
  expect((await train(2, 2)).calls).toEqual([1]); // the second epoch's last one is the fourth
  expect((await train(12, 1, 5)).calls).toEqual([2]);
  expect((await train(3, 1)).calls).toEqual([]);
});

test("where there is no clock, the fourth batch says so", async () => {
  await init({ device: "cpu" });
  try {
    await expect(train(3, 1)).resolves.toMatchObject({ calls: [] });
    await expect(train(4, 1)).rejects.toThrow("profile: the cpu device runs no kernels; use webgpu");
  } finally {
    await openDefaultDevice();
  }
});
