/** Public data sets: where each is, what is checked, and how its files become what `tilegrad train` takes. */
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { unzipSync } from "fflate";
import { parseRecords } from "../data/csv.ts";
import { DataError, didYouMean } from "../gpu/errors.ts";
import { readFileChecked, writeFileAtomic } from "../io/files-node.ts";
import { download, fileNameOf, type RemoteFile } from "./download.ts";
import { readTar, type TarEntry } from "./tar.ts";

export interface PublicDataSet {
  readonly title: string;
  /** Where it is described. */
  readonly page: string;
  readonly files: readonly RemoteFile[];
  /** Makes of the downloads, which it may move, files in `folder`. @returns their names */
  readonly unpack: (downloads: readonly string[], folder: string) => Promise<readonly string[]>;
  /** What `tilegrad train` is told, with `folder` before each file's name. */
  readonly train: (folder: string) => readonly string[];
}

const MNIST_FILES = [
  "train-images-idx3-ubyte",
  "train-labels-idx1-ubyte",
  "t10k-images-idx3-ubyte",
  "t10k-labels-idx1-ubyte",
];

const textFiles = (folder: string) => [
  "train",
  "text",
  "--train",
  join(folder, "train.csv"),
  "--test",
  join(folder, "test.csv"),
];
const images = (folder: string) => ["train", "image", "--data", folder];

// Sizes and sums are those that TensorFlow Datasets (url_checksums) and Hugging Face Datasets (dataset_infos.json) publish.
export const PUBLIC_DATA_SETS: Readonly<Record<string, PublicDataSet>> = {
  ag_news: {
    title: "news in 4 classes: 120,000 to train, 7,600 to test",
    page: "http://groups.di.unipi.it/~gulli/AG_corpus_of_news_articles.html",
    files: [
      {
        address: "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/train.csv",
        bytes: 29470338,
        sha256: "76a0a2d2f92b286371fe4d4044640910a04a803fdd2538e0f3f29a5c6f6b672e",
      },
      {
        address: "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/test.csv",
        bytes: 1857427,
        sha256: "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699",
      },
    ],
    unpack: unpackAgNews,
    train: textFiles,
  },
  mnist: {
    title: "handwritten digits, grey, 28 x 28: 60,000 to train, 10,000 to test",
    page: "http://yann.lecun.com/exdb/mnist/",
    files: idxFiles("https://storage.googleapis.com/cvdf-datasets/mnist", [
      [9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"],
      [28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"],
      [1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"],
      [4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"],
    ]),
    unpack: keep,
    train: images,
  },
  fashion_mnist: {
    title: "pictures of clothes in 10 classes, grey, 28 x 28: 60,000 to train, 10,000 to test",
    page: "https://github.com/zalandoresearch/fashion-mnist",
    files: idxFiles("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", [
      [26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"],
      [29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"],
      [4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"],
      [5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"],
    ]),
    unpack: keep,
    train: images,
  },
  cifar10: {
    title: "photographs in 10 classes, in colour, 32 x 32: 50,000 to train, 10,000 to test",
    page: "https://www.cs.toronto.edu/~kriz/cifar.html",
    files: [
      {
        address: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        bytes: 170052171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
      },
    ],
    unpack: unpackCifar,
    train: (folder) => [...images(folder), "--model", "resnet", "--augment", "flip,crop"],
  },
  imdb: {
    title: "reviews of films, positive or negative: 25,000 to train, 25,000 to test, 50,000 without labels",
    page: "https://ai.stanford.edu/~amaas/data/sentiment/",
    files: [
      {
        address: "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        bytes: 84125825,
        sha256: "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
      },
    ],
    unpack: unpackImdb,
    train: (folder) => [...textFiles(folder), "--max-length", "256"],
  },
  sst2: {
    title: "sentences of film reviews, positive or negative: 67,349 to train, 872 to validate",
    page: "https://nlp.stanford.edu/sentiment/",
    files: [
      {
        address: "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",
        bytes: 7439277,
        sha256: "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
      },
    ],
    unpack: unpackSst2,
    train: (folder) => ["train", "text", "--train", join(folder, "train.csv"), "--valid", join(folder, "valid.csv")],
  },
};

function idxFiles(base: string, sums: readonly (readonly [bytes: number, sha256: string])[]): RemoteFile[] {
  return sums.map(([bytes, sha256], i) => ({ address: `${base}/${MNIST_FILES[i]}.gz`, bytes, sha256 }));
}

/** @throws DataError for a name that is none */
export function publicDataSet(name: string): PublicDataSet {
  const known = Object.keys(PUBLIC_DATA_SETS);
  if (Object.hasOwn(PUBLIC_DATA_SETS, name)) return PUBLIC_DATA_SETS[name]!;
  throw new DataError(`there is no data set "${name}"${didYouMean(name, known)}; there are ${known.join(", ")}`);
}

export interface GetOptions {
  /** Downloads files of the same names from here instead. */
  mirror?: string | undefined;
  /** Hears of each file that is downloaded, in bytes. */
  onFile?: (name: string, bytes: number) => void;
  onProgress?: (bytes: number) => void;
  /** All is there, and becomes what `tilegrad train` takes. */
  onUnpack?: () => void;
  retryDelay?: number;
}

const SOURCE = "source.json"; // written when all is made
const DOWNLOADS = "download"; // removed after that: one of the two is always there, and tells the folder from others
const LAYOUT = 1; // of what `unpack` makes; another number has old folders made anew

/** What a folder was made from, and what is in it. */
interface Source {
  readonly layout: number;
  readonly files: readonly RemoteFile[];
  /** Sizes in bytes, by name. */
  readonly made: Readonly<Record<string, number>>;
}

/** Whether a folder has the data set whole. */
export async function isComplete({ files }: PublicDataSet, folder: string): Promise<boolean> {
  const source = await readSource(folder);
  if (source?.layout !== LAYOUT || JSON.stringify(source.files) !== JSON.stringify(files)) return false;
  const names = Object.keys(source.made);
  const sizes = await sizesOf(names, folder).catch(() => ({}) as Record<string, number>);
  return names.every((name) => sizes[name] === source.made[name]);
}

async function readSource(folder: string): Promise<Source | null> {
  try {
    return JSON.parse(await readFile(join(folder, SOURCE), "utf8"));
  } catch {
    return null; // there is none, or it is somebody else's
  }
}

async function sizesOf(names: readonly string[], folder: string): Promise<Record<string, number>> {
  const sizes = await Promise.all(names.map(async (name) => [name, (await stat(join(folder, name))).size] as const));
  return Object.fromEntries(sizes);
}

/**
 * Downloads, verifies and unpacks a data set; or does what an earlier call left to do.
 *
 * @returns whether there was anything to do
 * @throws DataError if a file cannot be had, is another one than expected, or cannot be written
 */
export async function getDataSet(dataSet: PublicDataSet, folder: string, options: GetOptions = {}): Promise<boolean> {
  if (await isComplete(dataSet, folder)) return false;
  const { mirror, onFile, onProgress, onUnpack, retryDelay } = options;
  const downloads = join(folder, DOWNLOADS);
  const there = await readdir(folder).catch(() => [] as string[]);
  if (there.length > 0 && !there.includes(SOURCE) && !there.includes(DOWNLOADS)) {
    throw new DataError(`${folder}: has files of something else in it; choose another folder with --out`);
  }
  try {
    await mkdir(downloads, { recursive: true });
  } catch (cause) {
    throw new DataError(`${folder}: cannot be made (${(cause as Error).message}); choose another with --out`, {
      cause,
    });
  }
  const paths: string[] = [];
  for (const file of dataSet.files) {
    const name = fileNameOf(file.address);
    const path = join(downloads, name);
    paths.push(path);
    if ((await stat(path).catch(() => null))?.size === file.bytes) continue; // verified, but not yet unpacked
    onFile?.(name, file.bytes);
    const address = mirror === undefined ? file.address : new URL(name, mirror.replace(/\/*$/, "/")).href;
    await download({ ...file, address }, path, {
      ...(onProgress && { onProgress }),
      ...(retryDelay !== undefined && { retryDelay }),
    });
  }
  onUnpack?.();
  const names = await dataSet.unpack(paths, folder);
  const source: Source = { layout: LAYOUT, files: dataSet.files, made: await sizesOf(names, folder) };
  await writeFileAtomic(join(folder, SOURCE), new TextEncoder().encode(`${JSON.stringify(source, null, 2)}\n`));
  await rm(downloads, { recursive: true });
  return true;
}

// --- how each becomes what `tilegrad train` takes

interface LabelledText {
  readonly text: string;
  readonly label: string;
}

// @returns the file's name
async function writeCsv(folder: string, name: string, rows: readonly LabelledText[]): Promise<string> {
  const field = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const lines = rows.map(({ text, label }) => `${field(text)},${field(label)}\n`);
  await writeFileAtomic(join(folder, name), new TextEncoder().encode(`text,label\n${lines.join("")}`));
  return name;
}

async function keep(downloads: readonly string[], folder: string): Promise<string[]> {
  for (const path of downloads) await rename(path, join(folder, basename(path)));
  return downloads.map((path) => basename(path));
}

const AG_NEWS_CLASSES = ["World", "Sports", "Business", "Sci/Tech"];

// Rows of a class from 1 to 4, a title and a description; no header.
async function unpackAgNews(downloads: readonly string[], folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const path of downloads) {
    const { records, lines } = parseRecords(await readFileChecked(path), { file: path });
    const rows = records.map(([number, title, description], i) => {
      const label = AG_NEWS_CLASSES[Number(number) - 1];
      if (label === undefined)
        throw new DataError(`${path}, line ${lines[i]}: the class is "${number}", expected 1 to 4`);
      return { text: `${title} ${description}`, label };
    });
    names.push(await writeCsv(folder, basename(path), rows));
  }
  return names;
}

async function unpackCifar([path]: readonly string[], folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, bytes } of filesOfTarGz(path!)) {
    if (!/\.(bin|txt)$/.test(name)) continue;
    await writeFileAtomic(join(folder, basename(name)), bytes);
    names.push(basename(name));
  }
  return names;
}

// A review in each file: aclImdb/train/pos/0_9.txt, its number and its stars.
async function unpackImdb([path]: readonly string[], folder: string): Promise<string[]> {
  const parts = { train: [] as LabelledText[], test: [] as LabelledText[] };
  const unlabelled: string[] = [];
  const decoder = new TextDecoder();
  for await (const { name, bytes } of filesOfTarGz(path!)) {
    const [, part, sign] = /^aclImdb\/(train|test)\/(pos|neg|unsup)\/\d+_\d+\.txt$/.exec(name) ?? [];
    if (sign === undefined) continue;
    const text = decoder.decode(bytes);
    if (sign === "unsup") unlabelled.push(text.replace(/\s+/g, " "));
    else parts[part as "train" | "test"].push({ text, label: sign === "pos" ? "positive" : "negative" });
  }
  await writeFileAtomic(join(folder, "unlabelled.txt"), new TextEncoder().encode(`${unlabelled.join("\n")}\n`));
  const names = await Promise.all(Object.entries(parts).map(([part, rows]) => writeCsv(folder, `${part}.csv`, rows)));
  return [...names, "unlabelled.txt"];
}

// Rows of a sentence and 0 or 1, between tabs. Of the sentences to test, nobody tells the labels.
async function unpackSst2([path]: readonly string[], folder: string): Promise<string[]> {
  const names = { "SST-2/train.tsv": "train.csv", "SST-2/dev.tsv": "valid.csv" } as const;
  const files = unzipSync(await readFileChecked(path!), { filter: ({ name }) => Object.hasOwn(names, name) });
  for (const [name, target] of Object.entries(names)) {
    const { records } = parseRecords(files[name] ?? new Uint8Array(0), { file: `${path}, ${name}`, quotes: false });
    const rows = records
      .slice(1)
      .map(([text, sign]) => ({ text: text!.trim(), label: sign === "1" ? "positive" : "negative" }));
    await writeCsv(folder, target, rows);
  }
  return Object.values(names);
}

function filesOfTarGz(path: string): AsyncGenerator<TarEntry> {
  // An error of either stream comes out of the loop over the second one.
  return readTar(
    pipeline(createReadStream(path), createGunzip(), () => {}),
    path,
  );
}
