/**
 * Downloads of files that are known beforehand: how long they are and what their SHA-256 is. What has arrived stays in a file
 * `.part`; where the connection breaks, now or in an earlier run, the rest is asked for. Only what has the right sum gets the
 * file's name.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { get as getHttp, type IncomingMessage } from "node:http";
import { get as getHttps } from "node:https";
import { basename } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { DataError } from "../gpu/errors.ts";

export interface RemoteFile {
  readonly address: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

export interface DownloadOptions {
  /** Hears how many bytes are there, first of all how many were there already. */
  onProgress?: (bytes: number) => void;
  /** Milliseconds before the second attempt; twice as long before each further one (default 1000). */
  retryDelay?: number;
}

const MOST_FAILURES = 5; // in a row, none of which brought anything
const MOST_REDIRECTS = 5;
const SILENCE_MILLISECONDS = 30_000;

/** The server cannot be reached or broke off: another attempt may help. */
class ConnectionError extends DataError {}

/**
 * Downloads a file, or the rest of it.
 *
 * @param path its name when it is whole; until then, `path` and `.part`
 * @throws DataError naming address and remedy: not there, not reachable in five attempts on end, of another size or sum, or a folder
 *   that cannot be written
 */
export async function download(remote: RemoteFile, path: string, options: DownloadOptions = {}): Promise<void> {
  const { onProgress = () => {}, retryDelay = 1000 } = options;
  const part = `${path}.part`;
  const before = await sizeOf(part);
  if (before > remote.bytes) await rm(part);
  for (let failures = 0; ; ) {
    const start = await sizeOf(part);
    onProgress(start);
    if (start === remote.bytes) break;
    try {
      await fetchRest(remote, part, start, onProgress);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      failures = (await sizeOf(part)) > start ? 1 : failures + 1;
      if (failures === MOST_FAILURES) {
        error.message += "; what has arrived is kept: run the command again, and it goes on from there";
        throw error;
      }
      await wait(retryDelay * 2 ** (failures - 1));
    }
  }

  const sum = await sha256Of(part);
  if (sum === remote.sha256) {
    await rename(part, path);
    return;
  }
  await rm(part);
  if (before > 0) return download(remote, path, options); // the part was of something else
  throw new DataError(
    `${remote.address}: what was sent has the SHA-256 ${sum}, expected ${remote.sha256}; it is not the file that is known, ` +
      "and was removed; try again later, or from another place with --mirror",
  );
}

// Asks for the bytes from `start` on, and appends them, or begins anew if the server only gives all of them.
async function fetchRest(remote: RemoteFile, part: string, start: number, onProgress: (bytes: number) => void) {
  const response = await request(remote.address, start);
  const isRest = response.statusCode === 206 && response.headers["content-range"]?.startsWith(`bytes ${start}-`);
  let at = isRest ? start : 0;
  const length = Number(response.headers["content-length"] ?? Number.NaN);
  if (at + length !== remote.bytes && !Number.isNaN(length)) {
    response.destroy();
    throw new DataError(
      `${remote.address}: has ${at + length} bytes, expected ${remote.bytes}; it is not the file that is known; ` +
        "try again later, or from another place with --mirror",
    );
  }
  const file = await openPart(part, isRest ? "a" : "w");
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      at += chunk.length;
      if (at > remote.bytes)
        throw new DataError(`${remote.address}: sends more than the ${remote.bytes} bytes expected`);
      await write(file, part, chunk);
      onProgress(at);
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw connectionError(remote.address, error);
  } finally {
    await file.close();
  }
  if (at < remote.bytes) throw new ConnectionError(`${remote.address}: the connection ended after ${at} bytes`);
}

// The answer to a request for the bytes from `start` on, in no encoding, wherever the address leads.
async function request(address: string, start: number, redirects = 0): Promise<IncomingMessage> {
  const headers = {
    "user-agent": "tilegrad",
    "accept-encoding": "identity",
    ...(start > 0 && { range: `bytes=${start}-` }),
  };
  const get = address.startsWith("https:") ? getHttps : getHttp;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = get(address, { headers }, resolve);
    asked.on("error", reject);
    asked.setTimeout(SILENCE_MILLISECONDS, () => asked.destroy(new Error("no answer for 30 seconds")));
  }).catch((error) => {
    throw connectionError(address, error);
  });

  const { statusCode = 0, statusMessage } = response;
  if (statusCode === 200 || statusCode === 206) return response;
  response.resume();
  const { location } = response.headers;
  if (statusCode >= 300 && statusCode < 400 && location !== undefined) {
    if (redirects === MOST_REDIRECTS)
      throw new DataError(`${address}: leads on and on; try another place with --mirror`);
    return request(new URL(location, address).href, start, redirects + 1);
  }
  if (statusCode === 416 && start > 0) return request(address, 0); // there is no such rest: all of it, then
  const fault = `${address}: the server answers ${statusCode} ${statusMessage}`;
  if (statusCode >= 500 || statusCode === 429) throw new ConnectionError(fault);
  throw new DataError(`${fault}; try another place with --mirror`);
}

function connectionError(address: string, cause: unknown): ConnectionError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const host = new URL(address).host;
  const faults: Record<string, string> = {
    ENOTFOUND: `the name ${host} is not known; is this machine offline?`,
    EAI_AGAIN: `the name ${host} cannot be looked up; is this machine offline?`,
    ECONNREFUSED: `${host} refuses the connection`,
    ENETUNREACH: `${host} cannot be reached; is this machine offline?`,
    ECONNRESET: "the connection broke",
  };
  return new ConnectionError(`${address}: ${faults[code ?? ""] ?? message}`, { cause });
}

async function openPart(part: string, flags: "a" | "w"): Promise<FileHandle> {
  return open(part, flags).catch((error) => refuse(part, error));
}

async function write(file: FileHandle, part: string, chunk: Uint8Array): Promise<void> {
  await file.writeFile(chunk).catch((error) => refuse(part, error));
}

function refuse(path: string, cause: Error): never {
  throw new DataError(`${path}: cannot be written (${cause.message}); choose another folder with --out`, { cause });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** The last part of an address's path: the name of the file there. */
export function fileNameOf(address: string): string {
  return basename(new URL(address).pathname);
}
