import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { breaking, type FileServer, serveFiles, withoutRange } from "../../test/file-server.ts";
import { type DownloadOptions, download, fileNameOf } from "./download.ts";

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
const other = bytes.with(50_000, bytes[50_000]! ^ 1);
const sha256 = createHash("sha256").update(bytes).digest("hex");
const otherSum = createHash("sha256").update(other).digest("hex");

let server: FileServer;
let folder: string;
beforeAll(async () => {
  server = await serveFiles(
    { good: bytes, wrong: other, short: bytes.subarray(1) },
    {
      once: breaking(40_000),
      always: breaking(0, Number.POSITIVE_INFINITY),
      often: breaking(11_000, 8),
      norange: withoutRange(1),
      neverrange: withoutRange(Number.POSITIVE_INFINITY),
      busy: (() => {
        let left = 2;
        return (_, response, bytes) => (left-- > 0 ? response.writeHead(503).end() : response.end(bytes));
      })(),
      moved: (_, response) => response.writeHead(302, { location: "/good" }).end(),
      around: (request, response) => response.writeHead(302, { location: request.url }).end(),
      endless: (_, response, bytes) => {
        response.write(bytes);
        response.end(bytes);
      },
      encoded: (request, response, bytes) =>
        request.headers["accept-encoding"] === "identity"
          ? response.writeHead(200, { "content-encoding": "x-gzip" }).end(bytes)
          : response.writeHead(406).end(),
    },
  );
});
afterAll(() => server.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tilegrad-download-"));
  server.requests.length = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const get = (path: string, options: DownloadOptions = {}, sum = sha256) => {
  const remote = { address: `${server.address}/${path}`, bytes: bytes.length, sha256: sum };
  return download(remote, join(folder, "file"), { retryDelay: 1, ...options });
};
const expectWhole = async () => {
  expect(await readdir(folder)).toEqual(["file"]);
  expect(bytes.every((byte, i) => byte === contents[i])).toBe(true);
};
let contents: Uint8Array;
const arrived = async () => {
  contents = await readFile(join(folder, "file"));
  await expectWhole();
};

describe("a download", () => {
  test("arrives, and tells how far it is", async () => {
    const seen: number[] = [];
    await get("good", { onProgress: (count) => seen.push(count) });
    await arrived();
    expect(seen[0]).toBe(0);
    expect(seen.at(-1)).toBe(bytes.length);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(server.requests).toEqual(["/good all"]);
  });

  test("goes on where the connection broke", async () => {
    await get("once/good");
    await arrived();
    expect(server.requests[0]).toBe("/once/good all");
    expect(server.requests[1]).toMatch(/^\/once\/good bytes=\d+-$/);
    expect(Number(/\d+/.exec(server.requests[1]!))).toBeGreaterThan(0);
  });

  test("goes on as long as each attempt brings something", async () => {
    await get("often/good");
    await arrived();
    expect(server.requests.length).toBe(9);
  });

  test("goes on where an earlier run was stopped", async () => {
    await writeFile(join(folder, "file.part"), bytes.subarray(0, 70_000));
    const seen: number[] = [];
    await get("good", { onProgress: (count) => seen.push(count) });
    await arrived();
    expect(server.requests).toEqual(["/good bytes=70000-"]);
    expect(seen[0]).toBe(70_000);
  });

  test("is only verified where all has arrived", async () => {
    await writeFile(join(folder, "file.part"), bytes);
    await get("good");
    await arrived();
    expect(server.requests).toEqual([]);
  });

  test("begins anew where the server knows no Range", async () => {
    await get("norange/good");
    await arrived();
    expect(server.requests[1]).toMatch(/bytes=\d+-/);
  });

  test("begins anew where what was there is of something else, or too long", async () => {
    await writeFile(join(folder, "file.part"), other.subarray(0, 60_000));
    await get("good");
    await arrived();
    expect(server.requests).toEqual(["/good bytes=60000-", "/good all"]);
    await writeFile(join(folder, "file.part"), new Uint8Array(200_000));
    await get("good");
    await arrived();
  });

  test("follows where the address leads, waits for a busy server, and is not decoded", async () => {
    for (const path of ["moved/good", "busy/good", "encoded/good"]) {
      await get(path);
      await arrived();
    }
  });
});

describe("is refused, and leaves nothing of the file's name", () => {
  const refused = async (path: string, message: string | RegExp, options?: DownloadOptions) => {
    await expect(get(path, options)).rejects.toThrow(message);
    expect(await readdir(folder)).not.toContain("file");
  };

  test("with another sum", async () => {
    await refused("wrong", `/wrong: what was sent has the SHA-256 ${otherSum}, expected ${sha256}`);
    expect(await readdir(folder)).toEqual([]);
  });

  test("of another size", async () => {
    await refused("short", "/short: has 99999 bytes, expected 100000");
    await refused("endless/good", "sends more than the 100000 bytes expected");
  });

  test("where it is not, or leads in circles", async () => {
    await refused("none", "/none: the server answers 404 Not Found; try another place with --mirror");
    await refused("around/good", "leads on and on");
    expect(server.requests.length).toBe(7);
  });

  test("where the connection breaks again and again", async () => {
    await refused("always/good", /run the command again, and it goes on from there$/);
    expect(server.requests.length).toBe(5);
    await refused("neverrange/good", "what has arrived is kept");
  });

  test("where nobody answers", async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const at = (address: string) => download({ address, bytes: 1, sha256 }, join(folder, "file"), { retryDelay: 1 });
    await expect(at(`http://127.0.0.1:${port}/x`)).rejects.toThrow(
      `127.0.0.1:${port} refuses the connection; what has arrived`,
    );
    await expect(at("http://no-such-host.invalid/x")).rejects.toThrow(
      /no-such-host\.invalid .*is this machine offline\?/,
    );
  });

  test("where it cannot be written", async () => {
    const remote = { address: `${server.address}/good`, bytes: bytes.length, sha256 };
    await expect(download(remote, join(folder, "none", "file"))).rejects.toThrow(
      /file\.part: cannot be written \(ENOENT/,
    );
  });
});

test("the name of a file is the address's last part", () => {
  expect(fileNameOf("https://example.org/a/b.tar.gz?x=1")).toBe("b.tar.gz");
});
