/**
 * Serves a live page of the runs in a folder, to this machine alone: it listens on the loopback address, answers only where
 * it is called by its own name (which keeps out pages that point a name of theirs at this machine), and makes every page
 * itself, so that no path that is asked for reaches the disk.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { DataError } from "../../gpu/errors.ts";
import { renderPage } from "./page.ts";
import { renderReport } from "./report.ts";
import { readRunView } from "./run-view.ts";
import { type RunEvent, RunsFolder } from "./runs-folder.ts";
import { watchBody } from "./watch-body.ts";

const HOST = "127.0.0.1";
const HEADERS = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

export interface WatchServer {
  /** Such as http://127.0.0.1:4747/ */
  readonly address: string;
  /** Ends all connections. */
  close(): Promise<void>;
}

export interface WatchOptions {
  /** 0 for any that is free. */
  port: number;
  /** Milliseconds between two looks at the folder while a page is open (default 1000). */
  lookEvery?: number;
}

/**
 * Serves the live page of a folder of runs, on this machine alone.
 *
 * @param folder need not be there yet
 * @throws DataError if the port cannot be had
 */
export async function startWatchServer(folder: string, { port, lookEvery = 1000 }: WatchOptions): Promise<WatchServer> {
  const runs = new RunsFolder(folder);
  const feed = new Feed(runs, lookEvery);
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else say(response, 500, (error as Error).message);
    });
  });
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen(port, HOST, done);
  }).catch((cause: NodeJS.ErrnoException) => {
    const fault = cause.code === "EADDRINUSE" ? "is taken by another program" : `cannot be had (${cause.message})`;
    throw new DataError(`port ${port} ${fault}; choose another with --port`, { cause });
  });
  const { port: taken } = server.address() as AddressInfo;
  const names = [`${HOST}:${taken}`, `localhost:${taken}`];

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!names.includes(request.headers.host ?? "")) {
      return say(response, 403, `this server answers to http://${names[0]}/ only`);
    }
    if (request.method !== "GET") return say(response, 405, "only GET is understood");
    const [path, query] = request.url!.split("?");
    if (path === "/") return page(response, renderWatchPage(runs.path));
    if (path === "/events") return feed.join(response);
    const id = path === "/report" ? new URLSearchParams(query).get("run") : null;
    const run = id === null ? null : runs.find(id);
    if (run === null) return say(response, 404, "there is no such page");
    page(response, renderReport(await readRunView(run)));
  }

  return {
    address: `http://${HOST}:${taken}/`,
    async close() {
      feed.close();
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}

function renderWatchPage(folder: string): string {
  return renderPage({
    title: "Runs · tilegrad",
    style: "watch.css",
    script: "watch.js",
    data: {},
    connect: "'self'",
    body: watchBody(folder),
  });
}

function page(response: ServerResponse, text: string): void {
  response.writeHead(200, { ...HEADERS, "content-type": "text/html; charset=utf-8" }).end(text);
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...HEADERS, "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}

const HEARTBEAT = 15_000; // milliseconds; some proxies and browsers end a silent connection
const LONGEST_QUEUE = 64 << 20; // bytes that wait for a page which does not read; it is cut off, and may come again

/** Tells the open pages what happens in the folder, and looks only while there are some. */
class Feed {
  readonly #runs: RunsFolder;
  readonly #lookEvery: number;
  readonly #pages = new Set<ServerResponse>();
  #looking: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  readonly #heart = setInterval(() => this.#send(":\n\n"), HEARTBEAT).unref();

  constructor(runs: RunsFolder, lookEvery: number) {
    this.#runs = runs;
    this.#lookEvery = lookEvery;
  }

  /** Tells a page everything, and from then on what is new. */
  async join(response: ServerResponse): Promise<void> {
    response.writeHead(200, { ...HEADERS, "content-type": "text/event-stream" });
    response.write(`retry: 1000\n${message({ event: "hello", data: {} })}`);
    response.on("close", () => {
      this.#pages.delete(response);
      if (this.#pages.size === 0) clearTimeout(this.#timer);
    });
    await this.#look(); // the pages that are there hear of it; this one gets all of it below
    if (response.destroyed) return;
    for (const event of this.#runs.snapshot()) response.write(message(event));
    this.#pages.add(response);
    this.#plan();
  }

  close(): void {
    clearInterval(this.#heart);
    clearTimeout(this.#timer);
    for (const response of this.#pages) response.end();
    this.#pages.clear();
  }

  #plan(): void {
    clearTimeout(this.#timer);
    if (this.#pages.size === 0) return;
    this.#timer = setTimeout(async () => {
      await this.#look();
      this.#plan();
    }, this.#lookEvery);
  }

  // One look at a time; who comes meanwhile waits for it.
  #look(): Promise<void> {
    this.#looking ??= this.#runs
      .look()
      .then((events) => this.#send(events.map(message).join("")))
      .finally(() => {
        this.#looking = null;
      });
    return this.#looking;
  }

  #send(text: string): void {
    if (text === "") return;
    for (const response of this.#pages) {
      response.write(text);
      if (response.writableLength > LONGEST_QUEUE) response.destroy();
    }
  }
}

function message({ event, data }: RunEvent | { event: "hello"; data: object }): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
