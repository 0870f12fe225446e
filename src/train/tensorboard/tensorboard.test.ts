import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import {
  crc32c,
  type DecodedValue,
  decodeEvents,
  decodeHyperParameters,
  eventFiles,
  readEvents,
} from "../../../test/event-file.ts";
import { tensor } from "../../kernels/creation/creation.ts";
import { Accuracy } from "../../metrics/index.ts";
import { Linear } from "../../nn/index.ts";
import { Adam } from "../../optim/adam.ts";
import type { Classifier } from "../evaluate.ts";
import { Trainer } from "../trainer.ts";
import { encodeRecord } from "./event-file.ts";
import { histogramOf } from "./histogram.ts";
import { encodeEvent } from "./messages.ts";
import { SummaryWriter } from "./summary-writer.ts";
import { tensorBoard } from "./tensorboard.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-events-"));
afterAll(() => rmSync(folder, { recursive: true }));
let folders = 0;
const newFolder = () => join(folder, `${folders++}`);

/** What a writer wrote: the file's events after the first. */
async function written(write: (writer: SummaryWriter) => void) {
  const path = newFolder();
  const writer = await SummaryWriter.open(path);
  write(writer);
  await writer.close();
  return readEvents(eventFiles(path)[0]!).slice(1);
}

describe("records", () => {
  test("the test's checksum is the published one", () => {
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  });

  test("hold any bytes, with checksums of their length and of them", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), fc.string(), (step, fileVersion) => {
        const record = encodeRecord(encodeEvent({ wallTime: 1.5, step, fileVersion }));
        expect(decodeEvents(record)).toEqual([{ wallTime: 1.5, step, fileVersion }]);
        record[record.length - 5]! ^= 1;
        expect(() => decodeEvents(record)).toThrow("the checksum is");
      }),
    );
  });

  test("steps beyond 32 bits are kept", () => {
    const step = 2 ** 40 + 3;
    expect(decodeEvents(encodeRecord(encodeEvent({ wallTime: 0, step })))[0]!.step).toBe(step);
  });
});

describe("a writer", () => {
  test("opens a file with a name and a beginning that TensorBoard looks for", async () => {
    const path = newFolder();
    const writers = [await SummaryWriter.open(path), await SummaryWriter.open(path, { purgeStep: 12 })];
    for (const writer of writers) await writer.close();
    const files = eventFiles(path);
    expect(files).toEqual(writers.map((writer) => writer.path));
    expect(files[0]).toMatch(/events\.out\.tfevents\.\d{10}\..+\.\d+\.\d+$/);
    const [first, second] = files.map(readEvents);
    expect(first).toEqual([{ wallTime: expect.any(Number), step: 0, fileVersion: "brain.Event:2" }]);
    expect(Math.abs(first![0]!.wallTime - Date.now() / 1000)).toBeLessThan(60);
    expect(second![1]).toMatchObject({ step: 12, sessionLog: { status: "START" } });
  });

  test("writes scalars, NaN and infinities too", async () => {
    const events = await written((writer) => {
      for (const [i, value] of [0.25, Number.NaN, Number.NEGATIVE_INFINITY].entries())
        writer.addScalar("a/b", value, i);
    });
    expect(events.map(({ step, summary }) => [step, summary!.value[0]!.simpleValue])).toEqual([
      [0, 0.25],
      [1, Number.NaN],
      [2, Number.NEGATIVE_INFINITY],
    ]);
    expect(events[0]!.summary!.value[0]!.tag).toBe("a/b");
  });

  test("writes texts for the text plugin", async () => {
    const [event] = await written((writer) => writer.addText("notes", "**bold** ü", 3));
    const { tag, tensor, metadata } = event!.summary!.value[0]!;
    expect(tag).toBe("notes/text_summary");
    expect(metadata).toMatchObject({ pluginData: { pluginName: "text" }, dataClass: "DATA_CLASS_TENSOR" });
    expect(tensor).toMatchObject({ dtype: "DT_STRING", tensorShape: { dim: [{ size: 1 }] } });
    expect(new TextDecoder().decode(tensor!.stringVal[0])).toBe("**bold** ü");
  });

  test.each([1, 3])("writes images of %s channels as PNG", async (channels) => {
    const shape = { channels, height: 2, width: 3 };
    const pixels = Uint8Array.from({ length: channels * 6 }, (_, i) => (i * 37) % 256);
    const [event] = await written((writer) => writer.addImage("digit", pixels, shape, 1));
    const { image } = event!.summary!.value[0]!;
    expect(image).toMatchObject({ height: 2, width: 3, colorspace: channels });
    const { data, info } = await sharp(image!.encodedImageString).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 3, height: 2 });
    for (let c = 0; c < channels; c++) {
      for (let at = 0; at < 6; at++) expect(data[at * info.channels + c]).toBe(pixels[c * 6 + at]);
    }
  });

  test("writes hyper-parameters for the hparams plugin, and how the run ended", async () => {
    const values = { lr: 0.01, model: "cnn", bidirectional: true };
    for (const isSuccess of [true, false]) {
      const path = newFolder();
      const writer = await SummaryWriter.open(path);
      writer.addHyperParameters(values, ["valid/accuracy"]);
      await writer.close(isSuccess);
      const parts = readEvents(eventFiles(path)[0]!)
        .slice(1)
        .map(({ summary }) => summary!.value[0]!);
      expect(parts.map(({ tag }) => tag)).toEqual([
        "_hparams_/experiment",
        "_hparams_/session_start_info",
        "_hparams_/session_end_info",
      ]);
      for (const { metadata, tensor } of parts) {
        expect(metadata!.pluginData.pluginName).toBe("hparams");
        expect(tensor).toMatchObject({ dtype: "DT_FLOAT", tensorShape: { dim: [{ size: 1 }] }, floatVal: [0] });
      }
      const [experiment, start, end] = parts.map(({ metadata }) => decodeHyperParameters(metadata!.pluginData.content));
      expect(experiment).toMatchObject({
        experiment: {
          hparamInfos: [
            { name: "lr", type: "DATA_TYPE_FLOAT64" },
            { name: "model", type: "DATA_TYPE_STRING" },
            { name: "bidirectional", type: "DATA_TYPE_BOOL" },
          ],
          metricInfos: [{ name: { tag: "valid/accuracy" } }],
        },
      });
      expect(start).toMatchObject({
        sessionStartInfo: {
          hparams: { lr: { numberValue: 0.01 }, model: { stringValue: "cnn" }, bidirectional: { boolValue: true } },
          startTimeSecs: expect.any(Number),
        },
      });
      expect(end).toMatchObject({ sessionEndInfo: { status: isSuccess ? "STATUS_SUCCESS" : "STATUS_FAILURE" } });
    }
  });

  test("writes more than it holds at once", async () => {
    const events = await written((writer) => {
      for (let i = 0; i < 8000; i++) writer.addScalar(`curve ${i % 10}`, i, i);
    });
    expect(events.map(({ step }) => step)).toEqual(Array.from({ length: 8000 }, (_, i) => i));
  });

  test("says so when the folder cannot be written", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    await expect(SummaryWriter.open(join(file, "run"))).rejects.toThrow(/cannot be written .*check the folder/);
  });
});

describe("a histogram", () => {
  const decoded = async (values: number[]) => {
    const [event] = await written((writer) => writer.addHistogram("h", Float64Array.from(values), 0));
    return event!.summary!.value[0]!.histo!;
  };

  test("counts every finite value once, in the bucket between its limits", async () => {
    const value = fc.oneof(
      fc.double({ noNaN: true }),
      fc.double({ min: -1, max: 1, noNaN: true }),
      fc.constantFrom(0, 1e-13, -1e-13, 1e21),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 30 }), async (values) => {
        const finite = values.filter(Number.isFinite);
        fc.pre(finite.length > 0);
        const { min, max, num, sum, bucketLimit, bucket } = await decoded(values);
        expect([min, max, num]).toEqual([Math.min(...finite), Math.max(...finite), finite.length]);
        expect(sum).toBe(finite.reduce((a, b) => a + b, 0));
        expect(bucketLimit).toEqual([...bucketLimit].sort((a, b) => a - b));
        for (const [i, limit] of bucketLimit.entries()) {
          const low = bucketLimit[i - 1] ?? Number.NEGATIVE_INFINITY;
          const isLast = limit === Number.MAX_VALUE;
          expect(bucket[i]).toBe(finite.filter((x) => x >= low && (x < limit || isLast)).length);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("of nothing finite is none", async () => {
    expect(histogramOf([Number.NaN, Number.POSITIVE_INFINITY])).toBeNull();
    expect(await written((writer) => writer.addHistogram("h", [], 0))).toEqual([]);
  });
});

describe("a training", () => {
  const batches = function* () {
    for (let i = 0; i < 4; i++) {
      const x = tensor([
        [i, 1],
        [-i, 2],
      ]);
      yield [x, tensor([0, 1], { dtype: "i32" })];
    }
  };

  test("writes curves, distributions and hyper-parameters; a resumed one another file", async () => {
    const path = newFolder();
    const start = (epochs: number, resume?: Parameters<Trainer["fit"]>[0]["resume"]) => {
      const model = new Linear(2, 2) as unknown as Classifier;
      const trainer = new Trainer({
        model,
        optimizer: new Adam(model.parameters()),
        metrics: { accuracy: new Accuracy() },
        reportEvery: 2,
        callbacks: tensorBoard(path, { hyperParameters: { lr: 1e-3 }, compareBy: ["valid/accuracy"] }),
      });
      let saved = resume;
      const save = async (state: NonNullable<typeof resume>) => {
        saved = state;
      };
      return trainer
        .fit({ epochs, train: batches, valid: batches, resume, save })
        .then((reports) => ({ reports, saved }));
    };
    const { reports, saved } = await start(1);
    await start(2, saved);
    const [first, second] = eventFiles(path).map((file) =>
      readEvents(file).flatMap(({ step, summary }) =>
        (summary?.value ?? []).map((value): DecodedValue & { step: number } => ({ step, ...value })),
      ),
    );
    const steps = (tag: string) => first!.filter((value) => value.tag === tag).map(({ step }) => step);
    const tags = [...new Set(first!.map(({ tag }) => tag))];
    expect(tags.filter((tag) => !tag.startsWith("step/"))).toEqual([
      ...["_hparams_/experiment", "_hparams_/session_start_info"],
      ...["train/loss", "train/accuracy", "valid/loss", "valid/accuracy"],
      ...["weights/weight", "gradients/weight", "weights/bias", "gradients/bias"],
      "_hparams_/session_end_info",
    ]);
    for (const tag of ["examples_per_second", "learning_rate", "gradient_norm", "loss", "accuracy"]) {
      expect(steps(`step/${tag}`)).toEqual([2, 4]);
    }
    expect(steps("valid/loss")).toEqual([4]);
    const valid = first!.find(({ tag }) => tag === "valid/loss")!;
    expect(valid.simpleValue).toBe(Math.fround(reports[0]!.valid!.loss));
    expect(first!.find(({ tag }) => tag === "weights/weight")!.histo!.num).toBe(4);
    expect(second!.find(({ tag }) => tag === "valid/loss")!.step).toBe(8);
    const start2 = readEvents(eventFiles(path)[1]!)[1]!;
    expect(start2).toMatchObject({ step: 5, sessionLog: { status: "START" } });
  });

  test("that fails is a failure", async () => {
    const path = newFolder();
    const callback = tensorBoard(path, { hyperParameters: { lr: 1 } });
    const model = new Linear(2, 2);
    await callback.onStart!({ model, optimizer: new Adam(model.parameters()), epochs: 1, epoch: 0, step: 0 });
    await callback.onEnd!({ reports: [], error: new Error("no") });
    const { metadata } = readEvents(eventFiles(path)[0]!).at(-1)!.summary!.value[0]!;
    expect(decodeHyperParameters(metadata!.pluginData.content)).toMatchObject({
      sessionEndInfo: { status: "STATUS_FAILURE" },
    });
  });
});
