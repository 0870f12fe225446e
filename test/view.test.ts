/** `tilegrad report` and `tilegrad watch`, as a user runs them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { tilegrad } from "./command.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-view-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a run leaves its report, with the mistakes of its test data, and it can be written anew", async () => {
  const rows = "the cat sat on the mat,animal\nthe bus is late again,traffic\n".repeat(8);
  const data = join(folder, "data.csv");
  writeFileSync(data, `text,label\n${rows}`);
  const wrong = join(folder, "test.csv");
  writeFileSync(
    wrong,
    "text,label\nthe cat sat on the mat,traffic\nthe bus is late again,animal\nthe cat sat,animal\n",
  );
  const out = join(folder, "run");
  const trained = await tilegrad([
    "train",
    "text",
    ...["--train", data, "--test", wrong, "--out", out, "--model", "bag-of-words", "--min-frequency", "1"],
    ...["--epochs", "12", "--batch", "4", "--lr", "0.3"],
  ]);
  expect(trained).toMatchObject({ code: 0, stderr: "" });
  const predictions = JSON.parse(readFileSync(join(out, "predictions.json"), "utf8"));
  expect(predictions).toMatchObject({ split: "test", examples: 3, labels: ["animal", "traffic"] });
  expect(predictions.worst.map(({ text }: { text: string }) => text).sort()).toEqual([
    "the bus is late again",
    "the cat sat on the mat",
  ]);
  expect(predictions.confusion).toEqual([
    [0, 0, 1],
    [0, 1, 1],
    [1, 0, 1],
  ]);
  const result = JSON.parse(readFileSync(join(out, "result.json"), "utf8"));
  expect(result.test.accuracy).toBeCloseTo(1 / 3, 6);
  const about = JSON.parse(readFileSync(join(out, "about.json"), "utf8"));
  expect(about).toMatchObject({ device: "webgpu", stepsPerEpoch: 4, examples: { train: 14, valid: 2, test: 3 } });
  expect(about.layers[0].outputs).toEqual([[2, 2]]);

  const file = join(out, "report.html");
  const page = readFileSync(file, "utf8");
  expect(page).toContain("<blockquote>the bus is late again</blockquote>");
  rmSync(file);
  expect(await tilegrad(["report", out])).toEqual({ code: 0, stdout: `${file}\n`, stderr: "" });
  expect(readFileSync(file, "utf8")).toBe(page);
});

test.each([
  [[], /^tilegrad: report: the run's folder is missing\n$/],
  [
    [join(folder, "nowhere")],
    /^tilegrad: .*nowhere: has neither config\.json nor metrics\.jsonl; expected the folder of a run\n$/,
  ],
])("report %j is refused", async (args, message) => {
  const { code, stdout, stderr } = await tilegrad(["report", ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(message);
});

test("watch prints its address in one line, serves the page, and ends with Ctrl-C, also while a page is open", async () => {
  const runs = join(folder, "watched");
  mkdirSync(runs);
  let page = "";
  const { code, stdout, stderr } = await tilegrad(["watch", runs, "--port", "0"], {
    watch: async (child, printed) => {
      const address = /^(http:\S+)/.exec(printed)?.[1];
      if (!address || page !== "") return;
      page = "asked for";
      page = await (await fetch(address)).text();
      await fetch(`${address}events`); // is left open
      child.kill("SIGINT");
    },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/ {3}Ctrl-C to end\n$/);
  expect(page).toContain(runs);
});

test("watch refuses a file, a port that is taken, and one that does not exist", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => other.once("listening", done));
  const { port } = other.address() as AddressInfo;
  const refusals = await Promise.all([
    tilegrad(["watch", file]),
    tilegrad(["watch", folder, "--port", String(port)]),
    tilegrad(["watch", folder, "--port", "65536"]),
  ]);
  other.close();
  expect(refusals.map(({ code }) => code)).toEqual([2, 2, 2]);
  expect(refusals[0]!.stderr).toMatch(/^tilegrad: .*file: is a file, expected a folder of runs; check the path\n$/);
  expect(refusals[1]!.stderr).toBe(`tilegrad: port ${port} is taken by another program; choose another with --port\n`);
  expect(refusals[2]!.stderr).toBe("tilegrad: watch: --port is 65536, expected at most 65535\n");
});
