/** Data sets from a server on this machine: small files of the same make as the public ones. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { strToU8, zipSync } from "fflate";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { tilegrad } from "../../test/command.ts";
import { breaking, type FileServer, serveFiles } from "../../test/file-server.ts";
import { parseCsv } from "../data/csv.ts";
import { readImageFolder } from "../data/image-files-node.ts";
import { downloadProgress } from "./data.ts";
import { getDataSet, isComplete, PUBLIC_DATA_SETS, type PublicDataSet, publicDataSet } from "./public-data.ts";

let work: string;
let folder: string;
let server: FileServer;
const served: Record<string, Uint8Array> = {};
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "tilegrad-public-"));
  server = await serveFiles(served, { broken: breaking(300) });
});
afterAll(async () => {
  await server.close();
  await rm(work, { recursive: true, force: true });
});
beforeEach(async () => {
  folder = join(await mkdtemp(join(work, "case-")), "data");
  server.requests.length = 0;
});
afterEach(() => {
  for (const name of Object.keys(served)) delete served[name];
});

/** The public data set of a name, as if these were its files. */
function madeOf(name: string, files: Record<string, Uint8Array>, path = ""): PublicDataSet {
  Object.assign(served, files);
  return {
    ...publicDataSet(name),
    files: Object.entries(files).map(([file, bytes]) => ({
      address: `${server.address}/${path}${file}`,
      bytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    })),
  };
}

/** A gzipped tar archive of texts or bytes by name. */
async function tarGz(files: Record<string, string | Uint8Array>): Promise<Uint8Array> {
  const root = await mkdtemp(join(work, "tar-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(root, dirname(name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  const [top] = await readdir(root);
  return gzipSync(execFileSync("tar", ["-cf", "-", top!], { cwd: root, maxBuffer: 1 << 26 }));
}

const csvOf = async (name: string) => {
  const { texts, labels } = parseCsv(await readFile(join(folder, name)), { file: name });
  return texts.map((text, i) => [text, labels[i]]);
};

describe("each becomes what tilegrad train takes", () => {
  test("ag_news", async () => {
    const files = {
      "train.csv": strToU8('"3","Wall St. ""Bears""","Reuters, short\\sellers"\n"1","A","b"\n'),
      "test.csv": strToU8('"4","Chips","up"\n"2","Cup","won"\n'),
    };
    expect(await getDataSet(madeOf("ag_news", files), folder)).toBe(true);
    expect(await csvOf("train.csv")).toEqual([
      ['Wall St. "Bears" Reuters, short\\sellers', "Business"],
      ["A b", "World"],
    ]);
    expect(await csvOf("test.csv")).toEqual([
      ["Chips up", "Sci/Tech"],
      ["Cup won", "Sports"],
    ]);
    const damaged = { ...files, "train.csv": strToU8('"5","A","b"\n') };
    await expect(getDataSet(madeOf("ag_news", damaged), `${folder}2`)).rejects.toThrow(
      'train.csv, line 1: the class is "5", expected 1 to 4',
    );
  });

  test.each(["mnist", "fashion_mnist"])("%s", async (name) => {
    const word = (n: number) => [0, 0, 0, n];
    const images = gzipSync(Uint8Array.of(0, 0, 8, 3, ...word(2), ...word(1), ...word(2), 1, 2, 3, 4));
    const labels = gzipSync(Uint8Array.of(0, 0, 8, 1, ...word(2), 0, 1));
    const files = PUBLIC_DATA_SETS[name]!.files.map(({ address }) => address.split("/").at(-1)!);
    const bytes = files.map((file) => [file, file.includes("images") ? images : labels]);
    await getDataSet(madeOf(name, Object.fromEntries(bytes)), folder);
    const { train, test } = await readImageFolder(folder);
    expect([...train.pixels]).toEqual([1, 2, 3, 4]);
    expect([...test!.labels]).toEqual([0, 1]);
  });

  test("cifar10", async () => {
    const batch = (label: number) => Uint8Array.of(label, ...new Array<number>(3072).fill(label));
    const bytes = await tarGz({
      "cifar-10-batches-bin/data_batch_1.bin": batch(3),
      "cifar-10-batches-bin/data_batch_2.bin": batch(7),
      "cifar-10-batches-bin/test_batch.bin": batch(1),
      "cifar-10-batches-bin/batches.meta.txt":
        "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n",
      "cifar-10-batches-bin/readme.html": "<html>",
    });
    await getDataSet(madeOf("cifar10", { "cifar-10-binary.tar.gz": bytes }), folder);
    const { train, test, labels } = await readImageFolder(folder);
    expect(Array.from(train.labels, (label) => labels.name(label))).toEqual(["cat", "horse"]);
    expect([...test!.labels]).toEqual([1]);
    expect((await readdir(folder)).sort()).toEqual([
      "batches.meta.txt",
      "data_batch_1.bin",
      "data_batch_2.bin",
      "source.json",
      "test_batch.bin",
    ]);
  });

  test("imdb", async () => {
    const bytes = await tarGz({
      "aclImdb/README": "read me",
      "aclImdb/train/pos/0_9.txt": 'So "good".<br />Yes',
      "aclImdb/train/neg/0_1.txt": "Awful",
      "aclImdb/train/unsup/0_0.txt": "What\nis it",
      "aclImdb/train/urls_pos.txt": "http://",
      "aclImdb/test/pos/3_10.txt": "Fine",
    });
    await getDataSet(madeOf("imdb", { "aclImdb_v1.tar.gz": bytes }), folder);
    expect((await csvOf("train.csv")).sort()).toEqual([
      ["Awful", "negative"],
      ['So "good".<br />Yes', "positive"],
    ]);
    expect(await csvOf("test.csv")).toEqual([["Fine", "positive"]]);
    expect(await readFile(join(folder, "unlabelled.txt"), "utf8")).toBe("What is it\n");
  });

  test("sst2", async () => {
    const zip = {
      "SST-2/train.tsv": strToU8('sentence\tlabel\nhide "new secretions \t0\nthat loves its characters \t1\n'),
      "SST-2/dev.tsv": strToU8("sentence\tlabel\nunflinchingly bleak \t0\n"),
      "SST-2/test.tsv": strToU8("index\tsentence\n0\tuneasy mishmash\n"),
    };
    await getDataSet(madeOf("sst2", { "SST-2.zip": zipSync(zip) }), folder);
    expect(await csvOf("train.csv")).toEqual([
      ['hide "new secretions', "negative"],
      ["that loves its characters", "positive"],
    ]);
    expect(await csvOf("valid.csv")).toEqual([["unflinchingly bleak", "negative"]]);
    const damaged = madeOf("sst2", { "SST-2.zip": zipSync({ "SST-2/other.tsv": strToU8("x") }) });
    await expect(getDataSet(damaged, `${folder}2`)).rejects.toThrow("SST-2/train.tsv: is empty");
  });
});

describe("a data set that is there", () => {
  const small = () =>
    madeOf("ag_news", { "train.csv": strToU8('"1","a","b"\n'), "test.csv": strToU8('"2","c","d"\n') });

  test("is not downloaded again, unless a file is gone or it is another", async () => {
    expect(await getDataSet(small(), folder)).toBe(true);
    expect(await isComplete(small(), folder)).toBe(true);
    expect(await getDataSet(small(), folder)).toBe(false);
    expect(server.requests.length).toBe(2);
    await rm(join(folder, "test.csv"));
    expect(await getDataSet(small(), folder)).toBe(true);
    expect(await csvOf("test.csv")).toEqual([["c d", "Sports"]]);
    const other = madeOf("ag_news", { "train.csv": strToU8('"3","x","y"\n'), "test.csv": strToU8('"2","c","d"\n') });
    expect(await getDataSet(other, folder)).toBe(true);
    expect(await csvOf("train.csv")).toEqual([["x y", "Business"]]);
  });

  test("goes on after a broken connection, or after what another call has left", async () => {
    const rows = strToU8('"1","a","b"\n'.repeat(100));
    const set = madeOf("ag_news", { "train.csv": rows, "test.csv": strToU8('"2","c","d"\n') }, "broken/");
    await mkdir(join(folder, "download"), { recursive: true });
    await writeFile(join(folder, "download", "test.csv"), served["test.csv"]!); // verified, but not unpacked
    await getDataSet(set, folder, { retryDelay: 1 });
    expect(server.requests).toEqual(["/broken/train.csv all", "/broken/train.csv bytes=300-"]);
    expect((await csvOf("train.csv")).length).toBe(100);
  });

  test("comes from a mirror that has the same files", async () => {
    const set = small();
    const moved = {
      ...set,
      files: set.files.map((file) => ({ ...file, address: `http://gone.invalid/x/${file.address.split("/").at(-1)}` })),
    };
    await getDataSet(moved, folder, { mirror: server.address });
    expect(server.requests).toEqual(["/train.csv all", "/test.csv all"]);
  });

  test("does not mix with other files", async () => {
    await mkdir(folder);
    await writeFile(join(folder, "train.csv"), "mine");
    await expect(getDataSet(small(), folder)).rejects.toThrow("has files of something else in it");
    expect(await readFile(join(folder, "train.csv"), "utf8")).toBe("mine");
    await expect(getDataSet(small(), join(folder, "train.csv", "x"))).rejects.toThrow("cannot be made");
    await writeFile(join(folder, "source.json"), "no JSON");
    expect(await isComplete(small(), folder)).toBe(false);
  });
});

test("sums are whole, and addresses the official ones", () => {
  for (const { files, page } of Object.values(PUBLIC_DATA_SETS)) {
    expect(page).toMatch(/^https?:\/\//);
    for (const { address, bytes, sha256 } of files) {
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(bytes).toBeGreaterThan(1000);
      expect(address).toMatch(/^https?:\/\/[\w.-]+\/.+\.(gz|zip|csv)$/);
    }
  }
});

test("progress: lines where it is piped", () => {
  const written: string[] = [];
  const progress = downloadProgress({ write: (text) => written.push(text) });
  progress.onFile("a.zip", 7_400_000);
  progress.onProgress(100);
  progress.onUnpack();
  progress.stop();
  expect(written).toEqual(["downloading a.zip, 7.4 MB\n", "unpacking\n"]);
});

describe("the command", () => {
  const run = (...args: string[]) => tilegrad(["data", ...args]);

  test("says what there is", async () => {
    const { code, stdout } = await run("list");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^cifar10 +170\.1 MB {2}photographs in 10 classes/m);
    const lines = (await run("list", "--json")).stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).name)).toEqual(Object.keys(PUBLIC_DATA_SETS));
  });

  test("says how to train on what is there", async () => {
    const { files, train } = PUBLIC_DATA_SETS.sst2!;
    await mkdir(folder);
    await writeFile(join(folder, "source.json"), JSON.stringify({ layout: 1, files, made: {} }));
    const { code, stdout } = await run("get", "sst2", "--out", folder);
    expect(code).toBe(0);
    expect(stdout).toBe(`sst2 was already in ${folder}\ntrain on it: tilegrad ${train(folder).join(" ")}\n`);
    const { stdout: json } = await run("get", "sst2", "--out", folder, "--json");
    expect(JSON.parse(json)).toEqual({ name: "sst2", folder, isNew: false, command: ["tilegrad", ...train(folder)] });
  });

  test("refuses in one line", async () => {
    for (const [args, message] of [
      [["get"], "data get: a name is missing: ag_news, mnist"],
      [["get", "minst"], 'there is no data set "minst"; did you mean "mnist"?'],
      [["get", "sst2", "--mirror", "here"], '--mirror is "here", expected an address'],
      [["get", "sst2", "--out", folder, "--mirror", server.address], "SST-2.zip: the server answers 404 Not Found"],
      [["fetch"], 'there is no command "data fetch"'],
    ] as const) {
      const { code, stderr } = await run(...args);
      expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
      expect(stderr.trim().split("\n").length).toBe(1);
    }
  });
});
