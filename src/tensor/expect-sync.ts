import { ValueError } from "../gpu/errors.ts";

/**
 * Refuses what an asynchronous function returns: `scope`, `noGrad` and `withDevice` change state for the length of a
 * call, and a promise outlives it.
 *
 * @throws ValueError that shows the form to use
 */
export function expectSync<R>(op: string, result: R): R {
  if (typeof (result as { then?: unknown } | null)?.then !== "function") return result;
  (result as Promise<unknown>).then(undefined, () => {}); // its own rejection is not the news
  const call = op === "withDevice" ? 'withDevice("cpu", () => ' : `${op}(() => `;
  throw new ValueError(
    `${op}: the function returned a promise, but it must be synchronous; put the await outside:\n` +
      `  for (const batch of batches) {\n    const loss = ${call}step(batch));\n    console.log(await loss.item());\n  }`,
  );
}
