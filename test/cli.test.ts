/** The command as a user runs it: exit codes, what it prints, and that bad input leaves nothing half-written. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ClassReport } from "../src/train/classifier-run.ts";
import { type Run, tilegrad } from "./command.ts";
import { decodeHyperParameters, eventFiles, readEvents } from "./event-file.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const GOOD =
  "the cat sat on the mat,animal\nmy dog barks at night,animal\nthe bus is late again,traffic\na red car on the road,traffic\n";
// Enough rows to hold some out.
const good = write("good.csv", `text,label\n${GOOD.repeat(5)}`);
const SMALL = [
  "--epochs",
  "2",
  "--batch",
  "8",
  "--features",
  "16",
  "--heads",
  "2",
  "--layers",
  "1",
  "--feed-forward",
  "16",
  "--dropout",
  "0",
];

describe("a run", () => {
  const out = join(folder, "run");
  let trained: Run;
  beforeAll(async () => {
    trained = await tilegrad(["train", "text", "--train", good, "--test", good, "--out", out, ...SMALL]);
  });

  test("trains, and leaves its files", () => {
    expect(trained).toMatchObject({ code: 0, stderr: "" });
    expect(trained.stdout).toMatch(/18 training, 2 validation, 20 test texts; 2 classes/);
    expect(trained.stdout).toMatch(/test accuracy [\d.]+ %, loss [\d.]+; \d+ s, \d+ examples\/s; saved in/);
    const result = JSON.parse(readFileSync(join(out, "result.json"), "utf8"));
    expect(result).toMatchObject({ task: "text", model: "transformer", device: "webgpu", epochs: 2, steps: 6 });
    for (const split of ["train", "valid", "test"])
      expect(Object.keys(result[split]).sort()).toEqual(["accuracy", "loss"]);
    const lines = readFileSync(join(out, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ event }) => event === "epoch").map(({ epoch }) => epoch)).toEqual([0, 1]);
    expect(lines[0]).toMatchObject({ event: "epoch", step: 3, learningRate: 0.001, gradientNorm: expect.any(Number) });
    expect(JSON.parse(readFileSync(join(out, "config.json"), "utf8")).labels).toEqual(["animal", "traffic"]);
  });

  test("says of each class how well it is known", async () => {
    const { classes, confusion, test } = JSON.parse(readFileSync(join(out, "result.json"), "utf8"));
    expect(classes.map(({ label, support }: ClassReport) => [label, support])).toEqual([
      ["animal", 10],
      ["traffic", 10],
    ]);
    expect((confusion[0][0] + confusion[1][1]) / 20).toBeCloseTo(test.accuracy, 6);
    const [animal] = classes;
    expect(animal.recall).toBeCloseTo(confusion[0][0] / 10, 9);
    const evaluated = await tilegrad(["eval", "--run", out, "--data", good]);
    expect(evaluated.stdout).toMatch(
      /^accuracy [\d.]+ %, loss [\d.]+ on 20 examples\n +precision +recall +F1 +examples\nanimal /,
    );
    expect(evaluated.stdout).toMatch(/is, and was taken for +animal +traffic\nanimal +\d+ +\d+\n/);
    const json = JSON.parse((await tilegrad(["eval", "--run", out, "--data", good, "--json"])).stdout);
    expect({ classes: json.classes, confusion: json.confusion }).toEqual({ classes, confusion });
  });

  test("writes what TensorBoard shows", () => {
    const files = eventFiles(out);
    expect(files).toHaveLength(1);
    const values = readEvents(files[0]!).flatMap(({ step, summary }) =>
      (summary?.value ?? []).map((value) => ({ step, ...value })),
    );
    const accuracies = values.filter(({ tag }) => tag === "valid/accuracy");
    expect(accuracies.map(({ step }) => step)).toEqual([3, 6]);
    expect(values.some(({ tag }) => tag.startsWith("gradients/"))).toBe(true);
    const start = values.find(({ tag }) => tag === "_hparams_/session_start_info")!;
    const { sessionStartInfo } = decodeHyperParameters(start.metadata!.pluginData.content) as {
      sessionStartInfo: { hparams: object };
    };
    expect(sessionStartInfo.hparams).toMatchObject({
      model: { stringValue: "transformer" },
      features: { numberValue: 16 },
      batch: { numberValue: 8 },
    });
  });

  test("in the folder of another takes its place; without TensorBoard, in mixed precision with replayed steps and times of kernels", async () => {
    const again = join(folder, "again");
    const train = (...more: string[]) =>
      tilegrad(["train", "text", "--train", good, "--test", good, "--out", again, ...SMALL, ...more]);
    await train();
    expect(eventFiles(again)).toHaveLength(1);
    const { code, stdout, stderr } = await train(
      "--no-tensorboard",
      "--capture",
      "--profile",
      "--amp",
      "--epochs",
      "4",
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(eventFiles(again)).toEqual([]);
    expect(stdout).toMatch(/shapes of batches whose steps were replayed: \d/);
    expect(stdout).toMatch(/kernel +calls +ms +share\n/);
    const { traceEvents } = JSON.parse(readFileSync(join(again, "trace.json"), "utf8"));
    expect(traceEvents.length).toBeGreaterThan(50);
    expect(JSON.parse(readFileSync(join(again, "result.json"), "utf8")).amp).toBe(true);
    expect(JSON.parse(readFileSync(join(again, "config.json"), "utf8")).training.amp).toBe(true);
    expect(traceEvents[0]).toMatchObject({ ph: "X", ts: expect.any(Number), dur: expect.any(Number) });
  });

  test("is measured again, and labels texts, from an argument or standard input", async () => {
    const evaluated = await tilegrad(["eval", "--run", out, "--data", good, "--json"]);
    expect(evaluated.code).toBe(0);
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ examples: 20 });
    const one = await tilegrad(["predict", "--run", out, "a dog and a cat"]);
    expect(one.stdout).toMatch(/^(animal|traffic) [\d.]+ %, (animal|traffic) [\d.]+ %\n$/);
    const two = await tilegrad(["predict", "--run", out, "--json", "--top", "1"], {
      input: "a cat\n\nthe bus\n",
    });
    const lines = two.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ text, labels }) => [text, labels.length])).toEqual([
      ["a cat", 1],
      ["the bus", 1],
    ]);
  });

  test("whose model is truncated or of another shape is refused", async () => {
    const model = readFileSync(join(out, "model.safetensors"));
    const broken = join(folder, "broken");
    mkdirSync(broken);
    const config = readFileSync(join(out, "config.json"), "utf8");
    writeFileSync(join(broken, "config.json"), config);
    writeFileSync(join(broken, "model.safetensors"), model.subarray(0, model.length - 10));
    const truncated = await tilegrad(["predict", "--run", broken, "a cat"]);
    expect(truncated.code).toBe(2);
    expect(truncated.stderr).toMatch(/^tilegrad: .*model\.safetensors: is truncated: 10 of \d+ bytes.*\n$/);
    writeFileSync(join(broken, "config.json"), config.replace('"features": 16', '"features": 32'));
    writeFileSync(join(broken, "model.safetensors"), model);
    const other = await tilegrad(["predict", "--run", broken, "a cat"]);
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(
      /^tilegrad: .*model\.safetensors: does not fit the run's config\.json .*has shape.*\n$/,
    );
  });
});

test.each(["lstm", "gru", "rnn", "cnn", "bag-of-words"])("a text model: %s", async (model) => {
  const out = join(folder, model);
  const options = [
    "--epochs",
    "1",
    "--batch",
    "8",
    "--features",
    "8",
    "--hidden",
    "8",
    "--layers",
    "2",
    "--bidirectional",
  ];
  const trained = await tilegrad([
    "train",
    "text",
    "--train",
    good,
    "--model",
    model,
    "--out",
    out,
    "--json",
    ...options,
  ]);
  expect(trained).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(trained.stdout)).toMatchObject({ model, epochs: 1, out });
  const predicted = await tilegrad(["predict", "--run", out, "a dog"]);
  expect(predicted.stdout).toMatch(/^(animal|traffic) /);
});

describe("images", () => {
  const data = join(folder, "pictures");
  const names: Record<string, string> = { red: "#e02020", blue: "#2030d0" };
  beforeAll(async () => {
    for (const [name, background] of Object.entries(names)) {
      mkdirSync(join(data, name), { recursive: true });
      for (let i = 0; i < 12; i++) {
        const file = join(data, name, `${i}.png`);
        await sharp({ create: { width: 8 + i, height: 8, channels: 3, background } })
          .png()
          .toFile(file);
      }
    }
  });

  test.each(["cnn", "resnet", "mlp"])("are learned by a %s, measured and labelled", async (model) => {
    const out = join(folder, `images-${model}`);
    const options = ["--size", "8", "--epochs", "4", "--batch", "4", "--lr", "0.01", "--dropout", "0"];
    const trained = await tilegrad(["train", "image", "--data", data, "--model", model, "--out", out, ...options]);
    expect(trained).toMatchObject({ code: 0, stderr: "" });
    expect(trained.stdout).toMatch(/20 training, 2 validation, 2 test images; 2 classes, 8 x 8 pixels, colour/);
    const evaluated = await tilegrad(["eval", "--run", out, "--data", data, "--json"]);
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ examples: 24, accuracy: 1 });
    const files = Object.keys(names).map((name) => join(data, name, "3.png"));
    const predicted = await tilegrad(["predict", "--run", out, "--top", "1", ...files]);
    expect(predicted.stdout).toMatch(/^red [\d.]+ % .*red\/3\.png\nblue [\d.]+ % .*blue\/3\.png\n$/s);
  });

  test("of different sizes are refused without one", async () => {
    const out = join(folder, "refused-images");
    const { code, stderr } = await tilegrad(["train", "image", "--data", data, "--out", out]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^tilegrad: .*\.png: is \d+ x 8 pixels, the first picture .* --size\n$/);
    expect(existsSync(out)).toBe(false);
    const text = await tilegrad(["predict", "--run", join(folder, "run"), "--json", "a cat"]);
    expect(text.code).toBe(0);
  });
});

const invalid = Uint8Array.from([...Buffer.from("text,label\nok,a\nbad "), 0xff, 0xfe, ...Buffer.from(",b\n")]);

test.each([
  [
    "a missing column",
    ["--train", write("columns.csv", "review,label\na,b\nc,d\n")],
    /columns\.csv.*review.*--text-column/,
  ],
  ["a ragged row", ["--train", write("ragged.csv", "text,label\na,b\nc,d,e\n")], /ragged\.csv.*line 3/],
  ["an unclosed quote", ["--train", write("quote.csv", 'text,label\na,b\n"c,d\ne,f\n')], /quote\.csv.*line 3.*quote/],
  ["an empty file", ["--train", write("empty.csv", "")], /empty\.csv.*empty/],
  ["invalid UTF-8", ["--train", write("utf8.csv", invalid)], /utf8\.csv.*line 3.*UTF-8/],
  ["a file that is not there", ["--train", join(folder, "nowhere.csv")], /nowhere\.csv/],
  [
    "an unknown label in the test file",
    ["--train", good, "--test", write("labels.csv", "text,label\na cat,plant\n")],
    /labels\.csv.*line 2.*plant.*animal/,
  ],
  [
    "an option that does not exist",
    ["--train", good, "--epoch", "3"],
    /there is no option --epoch; did you mean "--epochs"\?/,
  ],
  ["a value out of range", ["--train", good, "--heads", "3"], /features is 128, expected a multiple of heads, 3/],
])("%s: one line, exit code 2, and nothing written", async (_, args, message) => {
  const out = join(folder, "refused");
  const { code, stdout, stderr } = await tilegrad(["train", "text", ...args, "--out", out]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(/^tilegrad: [^\n]+\n$/);
  expect(stderr).toMatch(message);
  expect(existsSync(out)).toBe(false);
});

test("help, unknown commands, and devices", async () => {
  const [help, unknown, devices] = await Promise.all([
    tilegrad(["train", "text", "--help"]),
    tilegrad(["tran"]),
    tilegrad(["devices"]),
  ]);
  expect(help.stdout).toContain("--max-length N");
  expect(unknown).toMatchObject({ code: 2, stdout: "" });
  expect(unknown.stderr).toMatch(/^tilegrad: there is no command "tran"/);
  expect(devices.stdout).toMatch(/webgpu .*would be used[\s\S]*cpu {6}the reference/);
});
