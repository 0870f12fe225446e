import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { html, jsonForScript } from "./html.ts";
import type { Predictions } from "./predictions.ts";
import { renderReport, writeReport } from "./report.ts";
import { readRunView } from "./run-view.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-report-"));
afterAll(() => rmSync(folder, { recursive: true }));

function run(name: string, files: Readonly<Record<string, unknown>>): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [file, content] of Object.entries(files))
    writeFileSync(join(path, file), typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const LINES = `${[
  { event: "step", epoch: 0, step: 10, loss: 2, accuracy: 0.2, learningRate: 0.001 },
  {
    event: "epoch",
    epoch: 0,
    steps: 12,
    step: 12,
    seconds: 4,
    train: { loss: 1.9, accuracy: 0.3 },
    valid: { loss: 1.8, accuracy: 0.4 },
    best: true,
  },
]
  .map((line) => JSON.stringify(line))
  .join("\n")}\n`;

const HOSTILE = `</script><script>alert(1)</script><img src=x onerror="alert(2)">&amp;' <!--`;

function dataOf(page: string): { points: unknown[]; stepsPerEpoch: number | null } {
  return JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)![1]!);
}

test("a template escapes whatever is no HTML, and leaves out what is nothing", () => {
  const name = `<b title="x">'&`;
  expect(String(html`<i>${name}</i>${null}${undefined}${false}${0}${[html`<u>1</u>`, "<"]}`)).toBe(
    "<i>&lt;b title=&quot;x&quot;&gt;&#39;&amp;</i>0<u>1</u>&lt;",
  );
  const json = String(jsonForScript({ text: HOSTILE }));
  expect(json).not.toContain("<");
  expect(JSON.parse(json)).toEqual({ text: HOSTILE });
});

test("the page shows a finished run, and hostile texts as texts", async () => {
  const predictions: Predictions = {
    split: "test",
    examples: 4,
    labels: ["good", HOSTILE],
    confusion: [
      [0, 0, 2],
      [1, 0, 1],
      [1, 1, 1],
    ],
    worst: [
      {
        example: 3,
        label: 1,
        loss: 2.5,
        guesses: [
          [0, 0.9],
          [1, 0.1],
        ],
        text: HOSTILE,
      },
    ],
    confident: [{ example: 2, label: 1, loss: 1, guesses: [[0, 0.6]], image: "data:image/png;base64,AAAA" }],
  };
  const path = run("done <b>", {
    "metrics.jsonl": LINES,
    "config.json": {
      task: "text",
      model: { model: "lstm" },
      files: { train: HOSTILE },
      vocab: { tokens: new Array(50).fill("x") },
    },
    "about.json": {
      started: "2026-01-02T03:04:05.678Z",
      device: "webgpu",
      adapter: "Some GPU",
      tuned: 12,
      versions: { tilegrad: "1.2.3", node: "20.0.0" },
      stepsPerEpoch: 12,
      examples: { train: 100, valid: 10, test: 4 },
      parameters: 1234,
      trainable: 1000,
      parameterBytes: 4936,
      bufferBytes: 0,
      layers: [
        { name: "", type: "Net", depth: 0, outputs: [[8, 2]], parameters: 0, trainable: 0 },
        { name: "head", type: "Linear", depth: 1, outputs: [[8, 2]], parameters: 1234, trainable: 1000 },
      ],
    },
    "result.json": {
      model: "lstm",
      seconds: 185,
      parameters: 1234,
      examplesPerSecond: 50,
      train: { loss: 1.9, accuracy: 0.3 },
      valid: null,
      test: { loss: 1.7, accuracy: 0.75, f1: null },
    },
    "predictions.json": predictions,
  });
  expect(await writeReport(path)).toBe(join(path, "report.html"));
  const page = readFileSync(join(path, "report.html"), "utf8");
  const own = page.replace(/<(script|style)[^>]*>.*?<\/\1>/gs, "");
  expect(own).not.toMatch(/<script|<img src=x|onerror="|<!--/);
  expect(own.match(/&lt;\/script&gt;&lt;script&gt;/g)!.length).toBeGreaterThanOrEqual(4); // its label, text and setting
  for (const text of [
    "75.0\u00a0%",
    "3\u00a0min 05\u00a0s",
    "Finished",
    "2026-01-02 03:04 UTC",
    "Some GPU",
    "12 measured choices (tilegrad tune)",
    "tilegrad 1.2.3",
    "50 entries",
    "234 of them frozen",
  ])
    expect(own, text).toContain(text);
  expect(own).toContain('src="data:image/png;base64,AAAA"');
  expect(own).toContain("done &lt;b&gt;");
  expect(dataOf(page)).toMatchObject({ stepsPerEpoch: 12, points: [{ step: 10 }, { step: 12, kind: "epoch" }] });
});

test("the page's policy lets run what it brings and nothing else, and load nothing", async () => {
  const page = renderReport(await readRunView(run("policy", { "metrics.jsonl": LINES })));
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!.replaceAll("&#39;", "'");
  expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-/);
  expect(policy).toContain("connect-src 'none'");
  expect(policy).not.toMatch(/https?:|\*|script-src[^;]*unsafe/);
  const scripts = [...page.matchAll(/<script(?: type="module")?>(.*?)<\/script>/gs)].map(([, text]) => text!);
  expect(scripts).toHaveLength(2);
  for (const text of scripts) expect(policy).toContain(createHash("sha256").update(text).digest("base64"));
  expect(page.replace(/<(script|style)[^>]*>.*?<\/\1>/gs, "")).not.toMatch(/(?:src|href)="(?!data:|#)/);
  expect(scripts[1]).not.toMatch(/^(import|export) /m);
});

test.each([
  ["only a config", { "config.json": { task: "image", labels: [] } }],
  ["only a log", { "metrics.jsonl": LINES }],
  [
    "a log without numbers",
    {
      "metrics.jsonl":
        '{"event":"step","epoch":0,"step":1,"loss":null}\n{"event":"epoch","epoch":0,"train":{"loss":null},"valid":null}\n',
    },
  ],
  [
    "broken files",
    {
      "metrics.jsonl": `${LINES}{"event":"st`,
      "config.json": "{",
      "result.json": "null",
      "about.json": "[]",
      "predictions.json": "",
    },
  ],
  [
    "a result of nothing",
    { "metrics.jsonl": LINES, "result.json": { train: { loss: null }, valid: null, test: null, seconds: null } },
  ],
  [
    "predictions without a mistake",
    {
      "metrics.jsonl": LINES,
      "predictions.json": { split: "valid", examples: 0, labels: ["a"], confusion: [], worst: [], confident: [] },
    },
  ],
])("a run with %s has a page", async (name, files) => {
  const page = renderReport(await readRunView(run(name, files)));
  expect(page.replace(/<(script|style)[^>]*>.*?<\/\1>/gs, "")).not.toMatch(/NaN|undefined|\bnull\b|Infinity/);
  expect(page).toContain("</html>");
});

test("a run is running while it is written to, and stopped when it has been quiet without a result", async () => {
  const path = run("going", { "metrics.jsonl": LINES });
  expect((await readRunView(path)).status).toBe("running");
  utimesSync(join(path, "metrics.jsonl"), 1e9, 1e9);
  expect((await readRunView(path)).status).toBe("stopped");
  writeFileSync(join(path, "result.json"), "{}");
  expect((await readRunView(path)).status).toBe("finished");
});

test("a folder that is none of a run is refused, and nothing is written", async () => {
  const path = run("nothing", {});
  await expect(writeReport(path)).rejects.toThrow("has neither config.json nor metrics.jsonl");
  await expect(writeReport(join(folder, "missing"))).rejects.toThrow("missing");
  expect(() => readFileSync(join(path, "report.html"))).toThrow();
});
