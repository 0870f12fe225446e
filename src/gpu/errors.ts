/**
 * Every error tilegrad throws on purpose. A message names the op, the argument, what it has and what was expected;
 * where there is a remedy it says the remedy.
 */

/** The common ancestor, so that a caller can tell tilegrad's own errors from bugs. */
export class TilegradError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** A shape, axis or size that the op cannot take. */
export class ShapeError extends TilegradError {}

/** A dtype that the op cannot take. */
export class DTypeError extends TilegradError {}

/** A value, index or option outside what the op can take. */
export class ValueError extends TilegradError {}

/** Tensors of different devices in one op, or a device that cannot be had. */
export class DeviceError extends TilegradError {}

/** A gradient that cannot be computed: a freed graph, a changed saved tensor, an op without a second derivative. */
export class GradientError extends TilegradError {}

/** A step that cannot be replayed as it was recorded. */
export class CaptureError extends TilegradError {}

/** A tensor used after its memory was freed. */
export class DisposedError extends TilegradError {}

/** WebGPU refused or failed something after the call had returned. */
export class GpuError extends TilegradError {}

/** The GPU device is gone; nothing on it can be used any more. */
export class DeviceLostError extends TilegradError {}

/** The device has no room for an allocation. */
export class OutOfMemoryError extends TilegradError {}

/** A file or data set that cannot be used as it is; the message names file, place and remedy. */
export class DataError extends TilegradError {}

/**
 * Throws if `options` has a key that is not in `known`, and suggests the nearest one.
 *
 * @param op the function the options were given to
 * @throws ValueError
 */
export function checkOptions(op: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new ValueError(`${op}: unknown option "${key}"${didYouMean(key, known)}`);
  }
}

/** `; did you mean "x"?` for the nearest of `known`, or the list of all where none is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const nearest = known
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  if (nearest && nearest.distance <= Math.max(2, word.length / 3)) return `; did you mean "${nearest.candidate}"?`;
  return known.length > 0 ? `; known: ${known.join(", ")}` : "";
}

// Levenshtein's distance, one row of the table at a time.
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
