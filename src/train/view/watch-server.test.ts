import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { connect } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TailedLog } from "./runs-folder.ts";
import { startWatchServer, type WatchServer } from "./watch-server.ts";

let folder: string;
let server: WatchServer;
const streams: Stream[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tilegrad-watch-"));
  server = await startWatchServer(join(folder, "runs"), { port: 0, lookEvery: 20 });
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

const step = (n: number, loss: number | null = 1 / n) =>
  `${JSON.stringify({ event: "step", epoch: 0, step: n, loss })}\n`;

function write(run: string, file: string, content: string): string {
  mkdirSync(join(folder, "runs", run), { recursive: true });
  const path = join(folder, "runs", run, file);
  writeFileSync(path, content);
  return path;
}

// biome-ignore lint/suspicious/noExplicitAny: what is sent is what the tests are about
type Told = { event: string; data: any };

/** Listens to the server's events, as a page does. */
class Stream {
  readonly told: Told[] = [];
  readonly #request;
  #seen = 0;

  constructor() {
    let text = "";
    this.#request = get(`${server.address}events`, (response) => {
      response.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
        const blocks = text.split("\n\n");
        text = blocks.pop()!;
        for (const block of blocks) {
          const [, event, data] = /^event: (.*)\ndata: (.*)$/m.exec(block) ?? [];
          if (event) this.told.push({ event, data: JSON.parse(data!) });
        }
      });
    });
    this.#request.on("error", () => {});
    streams.push(this);
  }

  /** The next event of this kind, from where the last call stopped. */
  async next(event: string, fits: (data: Told["data"]) => boolean = () => true): Promise<Told["data"]> {
    for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((done) => setTimeout(done, 5))) {
      const at = this.told.findIndex((told, i) => i >= this.#seen && told.event === event && fits(told.data));
      if (at < 0) continue;
      this.#seen = at + 1;
      return this.told[at]!.data;
    }
    throw new Error(`no "${event}" among ${JSON.stringify(this.told)}`);
  }

  close(): void {
    this.#request.destroy();
  }
}

const stepsOf = ({ points }: { points: { step: number }[] }) => points.map((point) => point.step);

/** Asks as no browser would. */
function ask(
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }> {
  const { port } = new URL(server.address);
  return new Promise((done, fail) => {
    const request = get({ host: "127.0.0.1", port, path, headers, method }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      response.on("end", () => done({ status: response.statusCode!, text, headers: response.headers }));
    });
    request.on("error", fail);
  });
}

test("a page hears of runs that are there, that appear, that go on, and that are deleted", async () => {
  const log = write("first", "metrics.jsonl", step(10) + step(20));
  write(
    "first",
    "config.json",
    JSON.stringify({ task: "text", model: { model: "gru" }, training: { epochs: 4, lr: 0.1 } }),
  );
  const page = new Stream();
  await page.next("hello");
  expect(await page.next("run")).toMatchObject({
    id: "first",
    name: "first",
    status: "running",
    model: "gru",
    epochs: 4,
  });
  expect(stepsOf(await page.next("points"))).toEqual([10, 20]);

  appendFileSync(log, step(30));
  expect(stepsOf(await page.next("points"))).toEqual([30]);

  write("deep/er", "metrics.jsonl", step(1));
  expect(await page.next("run")).toMatchObject({ id: "deep/er", name: "deep/er" });
  expect(await page.next("points")).toMatchObject({ id: "deep/er" });

  write("first", "result.json", JSON.stringify({ test: { loss: 1, accuracy: 0.5 } }));
  expect(await page.next("run")).toMatchObject({
    id: "first",
    status: "finished",
    result: { test: { accuracy: 0.5 } },
  });

  rmSync(join(folder, "runs", "deep"), { recursive: true });
  expect(await page.next("gone")).toEqual({ id: "deep/er" });
  rmSync(join(folder, "runs"), { recursive: true });
  expect(await page.next("gone")).toEqual({ id: "first" });
});

test("a line counts when its end is there, and what is broken is passed over", async () => {
  const whole = step(20, 0.5);
  const log = write("run", "metrics.jsonl", step(10) + whole.slice(0, 25));
  const page = new Stream();
  expect(stepsOf(await page.next("points"))).toEqual([10]);
  appendFileSync(log, whole.slice(25, 30));
  await new Promise((done) => setTimeout(done, 100));
  appendFileSync(log, `${whole.slice(30)}not json\n${step(30, null)}`);
  expect(await page.next("points")).toMatchObject({
    points: [
      { step: 20, values: { loss: 0.5 } },
      { step: 30, values: {} },
    ],
  });
  expect(page.told.filter(({ event }) => event === "points")).toHaveLength(2);
});

test("a log that is written anew, as when a run is resumed, begins anew", async () => {
  const log = write("run", "metrics.jsonl", step(10) + step(20) + step(30));
  const page = new Stream();
  expect(stepsOf(await page.next("points"))).toEqual([10, 20, 30]);
  writeFileSync(`${log}.tmp`, step(10) + step(20));
  renameSync(`${log}.tmp`, log);
  await page.next("reset");
  expect(stepsOf(await page.next("points"))).toEqual([10, 20]);
  writeFileSync(log, step(1)); // cut in place
  await page.next("reset");
  expect(stepsOf(await page.next("points"))).toEqual([1]);
});

test("several pages are told the same, one that comes late all of it at once", async () => {
  const log = write("run", "metrics.jsonl", step(10));
  const early = new Stream();
  await early.next("points");
  appendFileSync(log, step(20));
  await early.next("points");
  const late = new Stream();
  expect(stepsOf(await late.next("points"))).toEqual([10, 20]);
  appendFileSync(log, step(30));
  for (const page of [early, late]) expect(stepsOf(await page.next("points"))).toEqual([30]);
});

test("a folder of one run is that run, and a folder that is not there yet is empty", async () => {
  const page = new Stream();
  await page.next("hello");
  expect(page.told).toHaveLength(1);
  write(".", "metrics.jsonl", step(1));
  expect(await page.next("run")).toMatchObject({ id: ".", name: "runs" });
  expect((await ask("/report?run=.")).text).toContain("<h1>runs</h1>");
});

test("the page and a run's report are served, with what keeps others from using them", async () => {
  write("a b/ü", "metrics.jsonl", step(1));
  const page = await ask("/");
  expect(page.status).toBe(200);
  expect(page.text).toContain(join(folder, "runs"));
  expect(page.headers).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
  });
  expect(page.headers).not.toHaveProperty("access-control-allow-origin");
  expect((await ask(`/report?run=${encodeURIComponent("a b/ü")}`)).status).toBe(404); // nobody has looked yet
  await new Stream().next("points");
  expect((await ask(`/report?run=${encodeURIComponent("a b/ü")}`)).text).toContain("<h1>ü</h1>");
});

test.each(["attacker.example", "attacker.example:80", "127.0.0.1", "127.0.0.1.attacker.example"])(
  "the host name %j is refused",
  async (host) => {
    for (const path of ["/", "/events"]) {
      const { status, text } = await ask(path, { host });
      expect(status).toBe(403);
      expect(text).not.toContain(folder);
    }
  },
);

test("the machine's own names are answered", async () => {
  const { port } = new URL(server.address);
  for (const name of ["127.0.0.1", "localhost"]) expect((await ask("/", { host: `${name}:${port}` })).status).toBe(200);
});

test.each([
  "/report?run=..",
  "/report?run=%2e%2e%2fsecret",
  "/report?run=..%2fsecret",
  "/report?run=%2fetc",
  "/report?run=run%2f..%2f..%2fsecret",
  "/report?run=linked",
  "/report?run=%",
  "/report",
  "/report?run=run%2Fmetrics.jsonl",
  "/report?other=run",
  "/report/run",
  "/../secret/metrics.jsonl",
  "/metrics.jsonl",
  "//run",
])("%s is not there", async (path) => {
  mkdirSync(join(folder, "secret"));
  writeFileSync(join(folder, "secret", "metrics.jsonl"), step(77));
  write("run", "metrics.jsonl", step(1));
  symlinkSync(join(folder, "secret"), join(folder, "runs", "linked"));
  mkdirSync(join(folder, "runs", "of-links"));
  symlinkSync(join(folder, "secret", "metrics.jsonl"), join(folder, "runs", "of-links", "metrics.jsonl"));
  const page = new Stream();
  await page.next("points");
  const { status, text } = await ask(path);
  expect(status).toBe(404);
  expect(text).toBe("there is no such page\n");
  expect(page.told.filter(({ event }) => event === "run").map(({ data }) => data.id)).toEqual(["run"]);
});

test.each(["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])("%s is not understood", async (method) => {
  expect((await ask("/", {}, method)).status).toBe(405);
});

test("it listens on the loopback address only", async () => {
  const { port } = new URL(server.address);
  const others = Object.values(networkInterfaces())
    .flat()
    .filter((face) => face && !face.internal && face.family === "IPv4");
  for (const { address } of others as { address: string }[]) {
    const refused = await new Promise((done) => {
      const socket = connect({ host: address, port: Number(port) });
      socket.on("connect", () => done(false)).on("error", () => done(true));
    });
    expect(refused, address).toBe(true);
  }
});

test("a port that is taken is an error that says so", async () => {
  const { port } = new URL(server.address);
  await expect(startWatchServer(folder, { port: Number(port) })).rejects.toThrow(
    `port ${port} is taken by another program; choose another with --port`,
  );
});

test("closing ends the streams of open pages", async () => {
  const page = new Stream();
  await page.next("hello");
  const other = await startWatchServer(folder, { port: 0 });
  await other.close();
  await expect(fetch(other.address)).rejects.toThrow();
});

test("a log of very many lines is kept thinned", async () => {
  const log = write("run", "metrics.jsonl", Array.from({ length: 30_000 }, (_, i) => step(i + 1)).join(""));
  const tailed = new TailedLog(log);
  const { points } = await tailed.read();
  expect(points.length).toBeLessThan(6100);
  expect(tailed.points.length).toBeLessThan(10_100);
  expect(points.at(-1)).toMatchObject({ step: 30_000 });
  expect(await tailed.read()).toEqual({ isNew: false, points: [] });
});
