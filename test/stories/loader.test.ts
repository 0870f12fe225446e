/** Data that streams from a file through a loader into a training: what it holds in memory, and where it goes on. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as tg from "../../src/tilegrad.ts";
import * as train from "../../src/train/index.ts";

const { data, nn, optim } = tg;
const MB = 2 ** 20;
const WORDS = 2000;
const CLASSES = 4;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const folder = mkdtempSync(join(tmpdir(), "tilegrad-stream-"));
afterAll(() => rmSync(folder, { recursive: true }));
// Without the guard zones of other tests, whose buffers are never used again.
beforeAll(async () => {
  await tg.init({ device: "webgpu" });
});

/** A file of texts that tell their class by their words. */
function writeTexts(name: string, count: number): string {
  const random = new data.Random(1);
  const lines = Array.from({ length: count }, () => {
    const label = random.integer(CLASSES);
    const words = Array.from({ length: 5 + random.integer(40) }, () => `w${random.integer(WORDS / 8) * 8 + 2 * label}`);
    return `"${words.join(" ")}",class ${label}\n`;
  });
  const file = join(folder, name);
  writeFileSync(file, lines.join(""));
  return file;
}

async function setUp(file: string, shuffleBuffer: number) {
  const fields = [new data.TextField({ column: 0 }), new data.LabelField({ column: 1 })] as const;
  const stream = train.streamTable(file, fields, { header: false });
  await stream.learn();
  const loader = new data.DataLoader(stream, { batchSize: 32, shuffle: true, shuffleBuffer, seed: 7 });
  tg.manualSeed(3);
  const model = new nn.Sequential(
    new nn.EmbeddingBag(fields[0].vocab.size, 16),
    new nn.Dropout(0.1),
    new nn.Linear(16, CLASSES),
  );
  return { model, optimizer: new optim.Adam(model.parameters(), { lr: 0.02 }), loader };
}

test("20,000 examples stream through a training in the memory of a few", { tags: ["slow"] }, async () => {
  const { model, optimizer, loader } = await setUp(writeTexts("many.csv", 20_000), 500);
  const heap: number[] = [];
  const live: number[] = [];
  const trainer = new train.Trainer({
    model,
    optimizer,
    reportEvery: 25,
    callbacks: {
      onStep() {
        collect();
        heap.push(process.memoryUsage().heapUsed);
        live.push(tg.memory().liveBytes);
      },
    },
  });
  const [report] = await trainer.fit({ epochs: 1, train: loader });
  expect(report!.steps).toBe(625);
  expect(report!.train.loss).toBeLessThan(1);
  const [early, late] = [heap.slice(2, 5), heap.slice(-3)].map((some) => Math.min(...some));
  expect(late! - early!, `heap ${heap.map((bytes) => (bytes / MB).toFixed(1)).join(" ")}`).toBeLessThan(2 * MB);
  // Batches made ahead differ in length, and by how many there are.
  const [most, least] = [Math.max(...live), Math.min(...live)];
  expect(most - least, `GPU ${live.map((bytes) => (bytes / MB).toFixed(2)).join(" ")}`).toBeLessThan(MB / 4);
});

test("a training on a shuffled stream goes on in the same bits, wherever it was stopped", async () => {
  const file = writeTexts("some.csv", 200); // 7 steps in an epoch
  const run = async (options: { stopAfter?: number; resume?: train.TrainerState } = {}) => {
    const { model, optimizer, loader } = await setUp(file, 50);
    const controller = new AbortController();
    let state: train.TrainerState | undefined;
    const trainer = new train.Trainer({
      model,
      optimizer,
      reportEvery: 1,
      callbacks: {
        onStep: ({ step }) => step >= (options.stopAfter ?? 99) && controller.abort(),
      } as train.TrainerCallback,
    });
    const fitted = trainer.fit({
      epochs: 2,
      train: loader,
      signal: controller.signal,
      resume: options.resume,
      save: async (saved) => void (state = saved),
    });
    await fitted.catch((error: unknown) => {
      if (!(error instanceof train.InterruptedError)) throw error;
    });
    const weights = await Promise.all(model.parameters().map(async (p) => [...(await p.data())]));
    return { state: state!, weights };
  };
  const whole = await run();
  for (const stopAfter of [1, 4, 7, 9]) {
    const { state } = await run({ stopAfter });
    expect(state.progress.step).toBeLessThan(14);
    expect((await run({ resume: state })).weights).toEqual(whole.weights);
  }
});
