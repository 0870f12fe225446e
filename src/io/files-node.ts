/**
 * Reading and writing whole files in Node. A file that is written here is at every moment the old one or the new one,
 * whole: neither a crash nor a full disk nor a power failure leaves half a file under its name.
 */

import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { checkOptions, DataError } from "../gpu/errors.ts";

/**
 * Reads a file.
 *
 * @param options `allowEmpty`: whether a file without bytes is fine (default false)
 * @throws DataError naming the file, what is wrong with it, and the remedy
 */
export async function readFileChecked(path: string, options: { allowEmpty?: boolean } = {}): Promise<Uint8Array> {
  checkOptions("readFileChecked", options, ["allowEmpty"]);
  const { buffer, byteOffset, length } = await readFile(path).catch((error) => refuseFile(path, error));
  if (length === 0 && !options.allowEmpty) throw new DataError(`${path}: is empty; check that it was written whole`);
  return new Uint8Array(buffer, byteOffset, length);
}

/**
 * Writes a file so that a reader, at any moment, finds the old bytes or the new ones: to a temporary file in the same
 * folder, which is flushed to the disk and then takes the file's name.
 *
 * @throws DataError naming the file, what is wrong, and the remedy; the old file is untouched and the temporary one gone
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, temporaryName(basename(path), process.pid, written++));
  try {
    await removeAbandoned(folder, basename(path));
    await writeFlushed(temporary, bytes);
    await rename(temporary, path);
    await flushFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    refuseFile(path, error, { ...FAULTS, ENOENT: `the folder ${folder} does not exist; create it` });
  }
}

let written = 0; // makes the names of this process's temporary files differ

function temporaryName(name: string, pid: number | string, ordinal: number | string): string {
  return `.${name}.${pid}-${ordinal}.tmp`;
}

// A process that was killed while it wrote has left its temporary file, which may be as large as a model.
async function removeAbandoned(folder: string, name: string): Promise<void> {
  for (const file of await readdir(folder)) {
    const [, pid, ordinal] = /\.(\d+)-(\d+)\.tmp$/.exec(file) ?? [];
    if (!pid || !ordinal || file !== temporaryName(name, pid, ordinal) || isRunning(Number(pid))) continue;
    await rm(join(folder, file), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM"; // it runs as somebody else
  }
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

// The new name is safe once the folder that holds it is.
async function flushFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // Windows opens no folders, and NTFS keeps its own journal of names
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const FAULTS: Record<string, string> = {
  ENOENT: "does not exist; check the path",
  ENOTDIR: "a part of the path is a file and not a folder; check the path",
  EISDIR: "is a folder, expected a file; check the path",
  EACCES: "permission denied; change the file's permissions, or run as its owner",
  EPERM: "permission denied; change the file's permissions, or run as its owner",
  EROFS: "the file system is read-only; choose another folder",
  ENOSPC: "the disk is full; free some space and try again",
  EDQUOT: "the disk quota is used up; free some space and try again",
  ERR_FS_FILE_TOO_LARGE: "is larger than 2 GiB, the most that can be read; split the file",
};

/** Throws what the file system said as a DataError that names the file and the remedy, and any other error as it is. */
export function refuseFile(path: string, error: unknown, faults: Record<string, string> = FAULTS): never {
  const fault = faults[codeOf(error) ?? ""];
  const isSystemError = error instanceof Error && "syscall" in error;
  if (!fault && !isSystemError) throw error;
  throw new DataError(`${path}: ${fault ?? (error as Error).message}`, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
