/** Weights go from run to run: from texts without labels to a classifier, and from that to one of other classes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseState } from "../../src/io/state.ts";
import { randomNumbers } from "../check.ts";
import { type Run, tilegrad } from "../command.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-reuse-"));
afterAll(() => rmSync(folder, { recursive: true }));

const random = randomNumbers(5);
const write = (name: string, content: string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
// Words of one kind stand together.
const kinds = [
  ["cat", "dog", "cow", "hen"],
  ["bus", "car", "van", "tram"],
];
const sentence = (kind: number) =>
  Array.from({ length: 6 }, (_, i) => (i % 3 === 0 ? "the" : kinds[kind]![Math.floor(4 * random())]!)).join(" ");
const sentences = Array.from({ length: 120 }, (_, i) => [sentence(i % 2), i % 2] as const);
const lines = write("texts.txt", `${sentences.map(([text]) => text).join("\n")}\n\n`);
const names = ["animal", "traffic"];
const table = (label: (kind: number) => string) =>
  `text,label\n${sentences
    .slice(0, 40)
    .map(([text, kind]) => `${text},${label(kind)}\n`)
    .join("")}`;
const labelled = write(
  "labelled.csv",
  table((kind) => names[kind]!),
);
const relabelled = write("relabelled.csv", table((kind) => ["b", "c"][kind]!) + "the the the,a\n".repeat(6));

const SIZES = ["--features", "16", "--heads", "2", "--layers", "2", "--feed-forward", "16", "--max-length", "8"];
const FIT = ["--batch", "16", "--lr", "0.01"];
const PRETRAIN = ["pretrain", "text", "--data", lines, ...SIZES, ...FIT, "--dropout", "0", "--epochs", "4"];
const pretrained = join(folder, "pretrained");
const fineTune = (from: string, out: string, ...more: string[]) =>
  tilegrad(["train", "text", "--from", from, "--train", labelled, "--out", out, "--epochs", "2", ...FIT, ...more]);
const read = (out: string, name: string) => readFileSync(join(out, name));
const json = (out: string, name: string) => JSON.parse(read(out, name).toString());
const weights = (out: string) => parseState(new Uint8Array(read(out, "model.safetensors")));

let first: Run;
beforeAll(async () => {
  first = await tilegrad([...PRETRAIN, "--out", pretrained]);
}, 300_000);

describe("pre-training", () => {
  test("learns, tells its perplexity and how to go on, and leaves a run's folder", () => {
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toMatch(/108 training, 12 validation hidden tokens; 108 and 12 texts, 12 tokens/);
    expect(first.stdout).toMatch(
      /validation perplexity [\d.]+, accuracy .*; go on with: tilegrad train text --from \S+/,
    );
    expect(json(pretrained, "config.json")).toMatchObject({ task: "pretrain", objective: "masked", maskShare: 0.15 });
    const losses = read(pretrained, "metrics.jsonl")
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const epochs = losses.filter(({ event }) => event === "epoch").map(({ train }) => train.loss);
    expect(epochs.at(-1)).toBeLessThan(epochs[0]);
  });

  test("that is resumed ends in the same bits", { timeout: 300_000 }, async () => {
    const out = join(folder, "resumed");
    let asked = false;
    const stopped = await tilegrad([...PRETRAIN, "--out", out, "--save-every", "3"], {
      watch: (child, stdout) => {
        if (asked || !stdout.includes("1/4")) return;
        asked = true;
        child.kill("SIGINT");
      },
    });
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(await tilegrad(["pretrain", "text", "--resume", out])).toMatchObject({ code: 0 });
    expect(read(out, "model.safetensors")).toEqual(read(pretrained, "model.safetensors"));
  });

  test("reads the text column of tables, several files, and predicts next tokens, too", async () => {
    const out = join(folder, "causal");
    const files = ["--data", labelled, lines];
    const options = ["--objective", "causal", "--epochs", "1", "--json", "--out", out];
    const run = await tilegrad(["pretrain", "text", ...files, ...SIZES, ...FIT, ...options]);
    expect(run.code, run.stderr).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({
      task: "pretrain",
      model: "transformer-causal",
      valid: { perplexity: expect.any(Number) },
    });
    const tuned = await fineTune(out, join(folder, "from-causal"));
    expect(tuned.code, tuned.stderr).toBe(0);
    expect(json(join(folder, "from-causal"), "config.json").model).toMatchObject({ causal: true, pooling: "mean" });
    const { code, stderr } = await fineTune(out, join(folder, "none"), "--pooling", "first");
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining("expected mean where no token sees later"),
    });
  });
});

describe("fine-tuning", () => {
  const out = join(folder, "tuned");
  let run: Run;
  beforeAll(async () => {
    run = await fineTune(
      pretrained,
      out,
      "--freeze",
      "embedding,encoder.layers.0",
      "--body-lr",
      "0.001",
      "--layer-decay",
      "0.5",
    );
  });

  test("takes vocabulary, sizes and weights, and says so", () => {
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.stdout).toMatch(/26 tensors from \S+pretrained; head\.weight, head\.bias are new/);
    const [config, before] = [json(out, "config.json"), json(pretrained, "config.json")];
    expect(config.vocab).toEqual(before.vocab);
    expect(config.model).toMatchObject({ model: "transformer", features: 16, layers: 2, dropout: 0 });
    expect(config.reuse).toEqual({
      from: pretrained,
      freeze: ["embedding", "encoder.layers.0"],
      bodyLr: 0.001,
      layerDecay: 0.5,
    });
  });

  test("keeps what is frozen, and changes what lies deeper less", () => {
    const [before, after] = [weights(pretrained), weights(out)];
    const change = (name: string) => {
      const [a, b] = [before.get(name)!.data, after.get(name)!.data];
      return Math.max(...Array.from(a, (value, i) => Math.abs(Number(value) - Number(b[i]))));
    };
    expect(change("embedding.weight")).toBe(0);
    expect(change("encoder.layers.0.linear1.weight")).toBe(0);
    expect(change("positions.positions.weight")).toBeGreaterThan(0);
    // Adam's first steps are as long as the rate: three batches in each of two epochs at 0.001, and at a quarter of it.
    expect(change("encoder.layers.1.linear1.weight")).toBeLessThan(0.0065);
    expect(change("positions.positions.weight")).toBeLessThan(0.0017);
  });

  test("is a classifier like any other, and goes on", { timeout: 300_000 }, async () => {
    const predicted = await tilegrad(["predict", "--run", out, "the cat dog"]);
    expect(predicted.stdout).toMatch(/^(animal|traffic) [\d.]+ %/);
    const resumed = await tilegrad(["train", "text", "--resume", out, "--epochs", "3"]);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(json(out, "result.json").epochs).toBe(3);
    expect(weights(out).get("embedding.weight")).toEqual(weights(pretrained).get("embedding.weight"));
  });

  test("begins from a classifier, too: with its head for the same classes, with a new one for others", async () => {
    const same = await fineTune(out, join(folder, "same"));
    expect(same.stdout).toMatch(/28 tensors from \S+tuned; the head with its classes too/);
    const other = join(folder, "other");
    const run = await tilegrad([
      "train",
      "text",
      "--from",
      out,
      "--train",
      relabelled,
      "--out",
      other,
      "--epochs",
      "1",
    ]);
    expect(run.stdout).toMatch(/26 tensors from \S+tuned; head\.weight, head\.bias are new/);
    expect(weights(other).get("head.weight")!.shape).toEqual([3, 16]);
  });
});

test("what cannot be is refused in one line", { timeout: 300_000 }, async () => {
  const refused = async (args: readonly string[], message: RegExp) => {
    const { code, stderr } = await tilegrad(args);
    expect({ code, lines: stderr.split("\n").length }, stderr).toEqual({ code: 2, lines: 2 });
    expect(stderr).toMatch(message);
  };
  const train = ["train", "text", "--train", labelled, "--out", join(folder, "refused")];
  await refused(
    [...train, "--from", pretrained, "--features", "8"],
    /--features is settled by the run that --from names/,
  );
  await refused([...train, "--freeze", "embedding"], /--freeze is for --from, which is missing/);
  await refused(
    [...train, "--from", pretrained, "--pooling", "class"],
    /--pooling is class, expected mean as in the run/,
  );
  await refused(
    [...train, "--from", pretrained, "--freeze", "encoder.layer.0"],
    /no parameter's name matches "encoder.layer.0"/,
  );
  await refused([...train, "--from", folder], /config\.json: does not exist/);
  await refused(["pretrain", "text", "--out", folder], /--data FILE is missing/);
  await refused(
    ["pretrain", "text", "--data", write("empty.txt", "\n\n")],
    /empty\.txt: has no text; expected one in each line/,
  );
  await refused(["pretrain", "text", "--data", write("one.txt", "a text\n")], /has 1 texts, too few to hold some out/);
  const rare = write("rare.txt", "one\ntwo\nthree\n");
  await refused(["pretrain", "text", "--data", rare], /no text has two known words/);
  await refused(["pretrain", "text", "--resume", folder, "more.txt"], /unexpected argument "more\.txt" with --resume/);
});
