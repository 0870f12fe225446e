/** `tilegrad data`: public data sets, from their official addresses into the cache folder. */
import { join } from "node:path";
import { cacheFolder } from "../gpu/vulkan-driver-node.ts";
import { barOn, type OutputStream } from "../train/progress.ts";
import { type OptionTable, parseOptions, UsageError } from "./options.ts";
import { printJson } from "./output.ts";
import { type GetOptions, getDataSet, isComplete, PUBLIC_DATA_SETS, publicDataSet } from "./public-data.ts";

const JSON_OPTION = { json: { type: "flag", help: "print lines of JSON instead of a report" } } as const;

export const DATA_GET_OPTIONS = {
  out: { type: "string", value: "DIR", help: "where to put it; default: data/ and its name in the cache folder" },
  mirror: { type: "string", value: "ADDRESS", help: "a folder on the web that has files of the same names" },
  ...JSON_OPTION,
} as const satisfies OptionTable;

export const DATA_LIST_OPTIONS = { ...JSON_OPTION } as const satisfies OptionTable;

export async function dataGetCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseOptions("data get", DATA_GET_OPTIONS, args, 1);
  const [name] = positionals;
  if (name === undefined)
    throw new UsageError(`data get: a name is missing: ${Object.keys(PUBLIC_DATA_SETS).join(", ")}`);
  const { mirror, json } = values;
  if (mirror !== undefined && !/^https?:\/\/./.test(mirror)) {
    throw new UsageError(`data get: --mirror is "${mirror}", expected an address with http:// or https://`);
  }
  const dataSet = publicDataSet(name);
  const folder = values.out ?? folderOf(name);
  const progress = json ? undefined : downloadProgress(process.stdout);
  let isNew: boolean;
  try {
    isNew = await getDataSet(dataSet, folder, { ...progress, mirror });
  } finally {
    progress?.stop();
  }
  const command = dataSet.train(folder);
  if (json) return printJson({ name, folder, isNew, command: ["tilegrad", ...command] });
  console.log(`${name} ${isNew ? "is" : "was already"} in ${folder}`);
  console.log(`train on it: tilegrad ${command.map((word) => (/\s/.test(word) ? `"${word}"` : word)).join(" ")}`);
}

export async function dataListCommand(args: readonly string[]): Promise<void> {
  const { values } = parseOptions("data list", DATA_LIST_OPTIONS, args);
  for (const [name, dataSet] of Object.entries(PUBLIC_DATA_SETS)) {
    const { title, page, files } = dataSet;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const folder = (await isComplete(dataSet, folderOf(name))) ? folderOf(name) : null;
    if (values.json) printJson({ name, title, page, bytes, addresses: files.map(({ address }) => address), folder });
    else
      console.log(
        `${name.padEnd(14)}${sizeText(bytes).padStart(9)}  ${title}${folder ? `; in ${folder}` : ""}\n${"".padEnd(25)}${page}`,
      );
  }
}

const folderOf = (name: string) => join(cacheFolder(), "data", name);

function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const LINE_MILLISECONDS = 5000;

interface DownloadProgress extends Required<Pick<GetOptions, "onFile" | "onProgress" | "onUnpack">> {
  /** Leaves the terminal as it was, also after an error. */
  stop(): void;
}

/** A bar for each file on a terminal; a line for each file, and one now and then, where the output is piped. */
export function downloadProgress(stream: OutputStream): DownloadProgress {
  const { bar } = barOn(stream, "{file}", "{percentage} %  {done} of {size}");
  let total = 0;
  let lineTime = 0;
  return {
    onFile(name, bytes) {
      total = bytes;
      lineTime = performance.now();
      bar?.stop();
      if (bar) bar.start(bytes, 0, { file: name, done: sizeText(0), size: sizeText(bytes) });
      else stream.write(`downloading ${name}, ${sizeText(bytes)}\n`);
    },
    onProgress(bytes) {
      if (bar) bar.update(bytes, { done: sizeText(bytes) });
      else if (performance.now() - lineTime > LINE_MILLISECONDS) {
        lineTime = performance.now();
        stream.write(`${sizeText(bytes)} of ${sizeText(total)} (${Math.floor((100 * bytes) / total)} %)\n`);
      }
    },
    onUnpack() {
      bar?.stop();
      stream.write("unpacking\n");
    },
    stop() {
      bar?.stop();
    },
  };
}
