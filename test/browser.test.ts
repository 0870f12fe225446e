/**
 * The pages in a real browser: the report and the live page draw what they should, on a desk and on a phone, in light and
 * dark, without an error, a request to elsewhere, or a page that scrolls sideways.
 */
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeReport } from "../src/train/view/report.ts";
import { startWatchServer, type WatchServer } from "../src/train/view/watch-server.ts";

const executablePath = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path !== undefined && existsSync(path));
if (!executablePath) console.warn("skipped: there is no chromium (apt-get install chromium, or name one in CHROMIUM)");

const HOSTILE = `</script><script>document.title = "taken over"</script><img src="https://elsewhere.example/x.png">`;
const SIZES = [
  { width: 1280, height: 900 },
  { width: 390, height: 844 },
];

const folder = mkdtempSync(join(tmpdir(), "tilegrad-browser-"));
afterAll(() => rmSync(folder, { recursive: true }));

const stepLine = (step: number, loss: number | null) =>
  `${JSON.stringify({ event: "step", epoch: Math.floor(step / 50), step, loss, accuracy: 0.5, learningRate: 0.01, gradientNorm: 2 })}\n`;

function makeRun(path: string, { lr = 0.1, classes = 3 } = {}): string {
  mkdirSync(path, { recursive: true });
  const write = (name: string, value: unknown) => writeFileSync(join(path, name), JSON.stringify(value));
  const labels = Array.from({ length: classes }, (_, k) => (k === 0 ? HOSTILE : `a class with the number ${k}`));
  write("config.json", {
    task: "text",
    model: { model: "gru" },
    files: { train: "x".repeat(200) },
    training: { lr, epochs: 2 },
  });
  write("about.json", { started: `2026-01-01T00:00:0${lr * 10}.000Z`, stepsPerEpoch: 50, layers: [] });
  write("predictions.json", {
    split: "test",
    examples: 3 * classes,
    labels,
    confusion: labels.flatMap((_, k) => [
      [k, k, 2],
      [k, (k + 1) % classes, 1],
    ]),
    worst: [{ example: 0, label: 0, loss: 3, guesses: [[1, 0.9]], text: `${HOSTILE} ${"y".repeat(300)}` }],
    confident: [],
  });
  const epoch = (epoch: number) =>
    `${JSON.stringify({ event: "epoch", epoch, step: 50 * (epoch + 1), steps: 50, seconds: 1, train: { loss: 1, accuracy: 0.5 }, valid: { loss: 1 - 0.2 * epoch, accuracy: 0.6 }, best: true })}\n`;
  const steps = Array.from({ length: 10 }, (_, i) => stepLine(10 * (i + 1), i === 3 ? null : 2 / (i + 1)));
  writeFileSync(join(path, "metrics.jsonl"), [...steps.slice(0, 5), epoch(0), ...steps.slice(5), epoch(1)].join(""));
  return path;
}

/** How many pixels of each chart are drawn in a colour, which neither axes nor background are. */
function coloured(page: Page): Promise<number[]> {
  return page.$$eval("figure:not([hidden]) canvas", (canvases) =>
    canvases.map((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const { data } = (canvas as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, width, height);
      let count = 0;
      for (let i = 0; i < data.length; i += 4) {
        const [r, g, b, a] = [data[i]!, data[i + 1]!, data[i + 2]!, data[i + 3]!];
        if (a > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 60) count++;
      }
      return count;
    }),
  );
}

const overflow = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

describe.skipIf(!executablePath)("in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : []; // its sandbox does not work as root
    browser = await chromium.launch({ executablePath: executablePath!, args });
  });
  afterAll(() => browser?.close());

  /** Opens a page, and collects what should not happen on it. */
  async function open(
    url: string,
    options: Parameters<Browser["newPage"]>[0],
  ): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage(options);
    const faults: string[] = [];
    page.on("console", (message) => {
      const isTests = message.text().includes("willReadFrequently"); // of the tests' own reading
      if (["error", "warning"].includes(message.type()) && !isTests) faults.push(message.text());
    });
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      const isOwn =
        protocol === "data:" || request.url() === url || (url.startsWith("http") && origin === new URL(url).origin);
      if (!isOwn) faults.push(`requests ${request.url()}`);
    });
    await page.goto(url);
    return { page, faults };
  }

  const looks = SIZES.flatMap((viewport) =>
    (["light", "dark"] as const).map((colorScheme) => ({ viewport, colorScheme })),
  );

  test.each(looks)("the report, $viewport.width pixels wide, $colorScheme", async (look) => {
    const classes = look.colorScheme === "light" ? 3 : 100;
    const path = await writeReport(makeRun(join(folder, `report-${look.viewport.width}-${classes}`), { classes }));
    const { page, faults } = await open(pathToFileURL(path).href, look);
    await page.waitForSelector("canvas");
    const drawn = await coloured(page);
    expect(drawn).toHaveLength(4); // loss, accuracy, learning rate, norm
    for (const pixels of drawn) expect(pixels).toBeGreaterThan(100);
    expect(await overflow(page)).toBe(0);
    expect(await page.title()).toContain("· tilegrad");
    expect(await page.textContent("blockquote")).toContain(HOSTILE);

    await page.check("input[value=epoch]");
    await page.check("input[name=log]");
    await page.fill("input[name=smoothing]", "0.6");
    for (const pixels of await coloured(page)) expect(pixels).toBeGreaterThan(100);
    expect(await page.textContent(".controls output")).toBe("0.60");
    expect(await page.getAttribute(".plot >> nth=0", "aria-label")).toMatch(
      /validation: from 1\.0000 at epoch 1 to 0\.8000 at epoch 2/,
    );

    if (look.viewport.width > 1000) {
      await page.hover(".u-over >> nth=0");
      expect(await page.textContent(".tip:not([hidden])")).toMatch(/epoch .*validation/);
    }
    if (classes > 20) {
      await page.locator("svg.matrix rect.wrong").nth(3).click();
      expect(await page.textContent("output.told")).toMatch(/taken for .*: 1, 33\.3/);
    }
    expect(await overflow(page)).toBe(0);
    expect(faults).toEqual([]);
    await page.close();
  });

  describe("the live page", () => {
    let server: WatchServer;
    let runs: string;
    beforeAll(async () => {
      runs = join(folder, "runs");
      for (const [name, lr] of [
        ["first", 0.1],
        ["second", 0.2],
        [`third ${"long ".repeat(12)}<b>`, 0.3],
      ] as const)
        makeRun(join(runs, name), { lr });
      server = await startWatchServer(runs, { port: 0, lookEvery: 100 });
    });
    afterAll(() => server.close());

    test.each(looks)("$viewport.width pixels wide, $colorScheme", async (look) => {
      const { page, faults } = await open(server.address, look);
      await page.waitForSelector("canvas");
      await page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 3);
      for (const pixels of await coloured(page)) expect(pixels).toBeGreaterThan(100);
      expect(await overflow(page)).toBe(0);
      expect(await page.textContent("#connection")).toBe("Live");
      const headings = await page.locator("#head th").allTextContents();
      expect(headings).toContain("training.lr"); // in which they differ
      expect(headings).not.toContain("training.epochs");

      await page.click("#none");
      await page.waitForFunction(() => document.querySelectorAll("figure:not([hidden])").length === 0);
      expect(await page.textContent("#empty")).toBe("No run is chosen.");
      await page.check("#runs input >> nth=0");
      await page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 1);
      await page.reload(); // which remembers what was chosen
      await page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 1);
      await page.fill("#filter", "second");
      await page.click("#all");
      await page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 2);
      await page.click("#head button >> text=training.lr");
      await page.click("#head button >> text=training.lr");
      await page.waitForSelector("th[aria-sort=descending]");
      expect(await page.locator("#rows td:last-child").allTextContents()).toEqual(["0.3", "0.2"]);
      for (const control of ["input[value=epoch]", "input[name=log]"]) await page.check(control);
      await page.uncheck("input[name=train]");
      for (const pixels of await coloured(page)) expect(pixels).toBeGreaterThan(50);
      expect(await overflow(page)).toBe(0);
      expect(faults).toEqual([]);
      await page.close();
    });

    test("follows a run that begins, goes on, is written anew, and is deleted", async () => {
      const { page, faults } = await open(server.address, { viewport: SIZES[0]! });
      await page.waitForFunction(() => document.querySelectorAll("#runs li").length === 3);
      const path = join(runs, "newcomer");
      cpSync(join(runs, "first"), path, { recursive: true });
      await page.waitForSelector("#runs >> text=newcomer");
      const loss = page.locator(".plot").first();
      await page.waitForFunction(() =>
        document.querySelector(".plot")?.getAttribute("aria-label")?.includes("newcomer"),
      );
      appendFileSync(join(path, "metrics.jsonl"), stepLine(200, 0.125).slice(0, 40));
      await page.waitForTimeout(250);
      expect(await loss.getAttribute("aria-label")).not.toContain("step 200");
      appendFileSync(join(path, "metrics.jsonl"), stepLine(200, 0.125).slice(40));
      await page.waitForFunction(() =>
        document.querySelector(".plot")?.getAttribute("aria-label")?.includes("0.1250 at step 200"),
      );
      writeFileSync(join(path, "metrics.jsonl"), stepLine(10, 7));
      await page.waitForFunction(
        () => !document.querySelector(".plot")?.getAttribute("aria-label")?.includes("step 200"),
      );
      const report = page.waitForEvent("popup");
      await page.locator("#runs li", { hasText: "newcomer" }).getByText("report").click();
      expect(await (await report).textContent("h1")).toBe("newcomer");
      rmSync(path, { recursive: true });
      await page.waitForFunction(() => document.querySelectorAll("#runs li").length === 3);
      expect(faults).toEqual([]);
      await page.close();
    });

    test("says when the server is gone, and comes back with it", async () => {
      const { port } = new URL(server.address);
      const page = await browser.newPage();
      await page.goto(server.address);
      await page.waitForFunction(() => document.querySelector("#connection")?.textContent === "Live");
      await server.close();
      await page.waitForFunction(() => document.querySelector("#connection")?.textContent?.startsWith("Disconnected"));
      server = await startWatchServer(runs, { port: Number(port), lookEvery: 100 });
      await page.waitForFunction(() => document.querySelector("#connection")?.textContent === "Live");
      await page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 3);
      await page.close();
    });
  });
});
