/** Training on changed images: they are as asked for, and a run that was stopped sees the same ones. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tilegrad } from "../../test/command.ts";
import type { AugmentOptions } from "./augment.ts";
import { readImageRun, trainImage } from "./image-run.ts";
import { silentProgress } from "./progress.ts";
import { InterruptedError } from "./trainer.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tilegrad-augment-"));
  // Dark and bright pictures of 6 x 6, with an edge that tells left from right.
  const rows = Array.from({ length: 40 }, (_, i) => {
    const pixels = Array.from({ length: 36 }, (_, p) => (p % 6 === 0 ? 255 : (i % 2) * 100 + ((i * 37 + p * 11) % 50)));
    return [i % 2 === 0 ? "dark" : "bright", ...pixels].join(",");
  });
  await writeFile(join(folder, "train.csv"), `${rows.join("\n")}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (augment: AugmentOptions | undefined, epochs = 2) => ({
  source: { data: join(folder, "train.csv"), validFraction: 0.2, testFraction: 0 },
  augment,
  model: { model: "mlp" as const, dropout: 0, blocks: 1 },
  training: {
    ...{ epochs, batch: 4, lr: 0.01, weightDecay: 0, clip: 0, accumulate: 1 },
    ...{ schedule: "constant" as const, warmup: 0, patience: 0, seed: 3 },
  },
});
const to = (name: string) => ({ out: join(folder, name), progress: silentProgress, log: () => {} });
const modelOf = (name: string) => readFile(join(folder, name, "checkpoint.safetensors"));

describe("augmentation", () => {
  const everything = {
    flip: 0.5,
    crop: 1,
    rotate: 20,
    shift: 0.1,
    zoom: 0.2,
    shear: 5,
    cutout: 2,
    erase: 0.5,
    mixup: 0.4,
  };

  test("is another training, and the same one when it is stopped and resumed", async () => {
    await trainImage({ ...run(undefined), ...to("plain") });
    const { train } = await trainImage({ ...run(everything), ...to("whole") });
    expect(train.accuracy).toBeGreaterThan(0.4);
    expect(await modelOf("whole")).not.toEqual(await modelOf("plain"));

    const controller = new AbortController();
    const progress = { ...silentProgress, step: () => controller.abort() };
    const stopped = trainImage({ ...run(everything), ...to("resumed"), progress, signal: controller.signal });
    await expect(stopped).rejects.toThrow(InterruptedError);
    const rest = await readImageRun(join(folder, "resumed"));
    expect(rest.augment).toEqual(everything);
    await trainImage({ ...rest, ...to("resumed"), resume: true });
    const states = await Promise.all(
      ["whole", "resumed"].map((name) => readFile(join(folder, name, "model.safetensors"))),
    );
    expect(states[0]!.equals(states[1]!)).toBe(true);
  });

  test("is refused where it cannot be", async () => {
    await expect(trainImage({ ...run({ flip: 2 }), ...to("none") })).rejects.toThrow("RandomHorizontalFlip: p is 2");
    await expect(trainImage({ ...run({ zoom: 1 }), ...to("none") })).rejects.toThrow("RandomAffine: scale is [0, 2]");
  });

  test("is asked for by name on the command line", async () => {
    const command = (...args: string[]) =>
      tilegrad(["train", "image", "--data", join(folder, "train.csv"), "--model", "mlp", "--epochs", "1", ...args]);
    const out = join(folder, "command");
    const { code, stderr } = await command("--augment", "flip, crop=1,mixup=0.3", "--batch", "8", "--out", out);
    expect([code, stderr]).toEqual([0, ""]);
    expect((await readImageRun(out)).augment).toEqual({ flip: 0.5, crop: 1, mixup: 0.3 });
    for (const [list, message] of [
      ["flop", '--augment has "flop"; did you mean "flip"?'],
      ["crop=x", '--augment has "crop=x", expected a name, or a name = a number from 0 up'],
      ["crop=", '--augment has "crop=", expected'],
      ["flip,crop,flip", '--augment has "flip" twice'],
    ] as const) {
      const refused = await command("--augment", list);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(message)]);
    }
  });
});
