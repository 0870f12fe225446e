/** A web server on this machine for tests of downloads: well, with faults, or as told by the path's first part. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FileServer {
  /** "http://127.0.0.1:PORT" */
  readonly address: string;
  /** The path and the Range header of each request. */
  readonly requests: string[];
  close(): Promise<void>;
}

type Answer = (request: IncomingMessage, response: ServerResponse, bytes: Uint8Array) => void;

/** Sends the bytes from where the request's Range begins; with `end`, breaks the connection there. */
function sendRest(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array, end = bytes.length): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  if (start >= bytes.length) {
    response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
    return;
  }
  const range = { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(start > 0 ? 206 : 200, { "content-length": bytes.length - start, ...(start > 0 && range) });
  if (end >= bytes.length) response.end(bytes.subarray(start));
  else breakAfter(response, bytes.subarray(start, Math.max(start, end)));
}

// What a connection is broken behind at once may never be seen at its other end.
function breakAfter(response: ServerResponse, bytes: Uint8Array): void {
  response.write(bytes, () => setTimeout(() => response.destroy(), 30));
}

/**
 * @param files bytes by name
 * @param answers how paths of two parts are answered, by the first; a path of one part is answered well
 */
export async function serveFiles(
  files: Readonly<Record<string, Uint8Array>>,
  answers: Readonly<Record<string, Answer>> = {},
): Promise<FileServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const [first, second] = request.url!.slice(1).split("/");
    requests.push(`${request.url} ${request.headers.range ?? "all"}`);
    const bytes = files[second ?? first!];
    const answer = second === undefined ? sendRest : answers[first!];
    if (bytes && answer) answer(request, response, bytes);
    else response.writeHead(404).end("not here");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { address: `http://127.0.0.1:${port}`, requests, close };
}

/** Breaks the connection after so many bytes, as often as told, then sends the rest. */
export function breaking(after: number, times = 1): Answer {
  let left = times;
  return (request, response, bytes) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    sendRest(request, response, bytes, left-- > 0 ? start + after : undefined);
  };
}

/** Knows no Range: sends everything, whatever is asked; the first `times` are broken off in the middle. */
export function withoutRange(times = 1): Answer {
  let left = times;
  return (_, response, bytes) => {
    response.writeHead(200, { "content-length": bytes.length });
    if (left-- > 0) breakAfter(response, bytes.subarray(0, bytes.length / 2));
    else response.end(bytes);
  };
}
