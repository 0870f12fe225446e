/** `tilegrad report` and `tilegrad watch`: runs in a browser. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { DataError } from "../gpu/errors.ts";
import { writeReport } from "../train/view/report.ts";
import { startWatchServer } from "../train/view/watch-server.ts";
import { type OptionTable, parseOptions, UsageError } from "./options.ts";

/** Writes the page anew that a run's folder has, from what else is in it. */
export async function reportCommand(args: readonly string[]): Promise<void> {
  const [folder] = parseOptions("report", {}, args, 1).positionals;
  if (folder === undefined) throw new UsageError("report: the run's folder is missing");
  console.log(resolve(await writeReport(folder)));
}

const DEFAULT_PORT = 4747;
const HIGHEST_PORT = 65_535;

export const WATCH_OPTIONS = {
  port: { type: "integer", min: 0, help: `where to serve the page; 0: any that is free (default ${DEFAULT_PORT})` },
} as const satisfies OptionTable;

/** Serves the live page until Ctrl-C. */
export async function watchCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseOptions("watch", WATCH_OPTIONS, args, 1);
  const { port } = values;
  const [folder = "runs"] = positionals;
  if (port !== undefined && port > HIGHEST_PORT)
    throw new UsageError(`watch: --port is ${port}, expected at most ${HIGHEST_PORT}`);
  if (existsSync(folder) && !statSync(folder).isDirectory())
    throw new DataError(`${folder}: is a file, expected a folder of runs; check the path`);
  const server =
    port === undefined
      ? await startWatchServer(folder, { port: DEFAULT_PORT }).catch(() => startWatchServer(folder, { port: 0 }))
      : await startWatchServer(folder, { port });
  const note = existsSync(folder) ? "" : ` (${folder} is not there yet)`;
  console.log(`${server.address}${note}   Ctrl-C to end`);
  await new Promise<void>((done) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, done);
  });
  await server.close();
}
