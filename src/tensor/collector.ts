/**
 * The fallback for programs that free nothing themselves: the storage of an unreachable tensor returns to its device.
 * JavaScript's collector does not see device bytes, so it is asked to run when enough of them were allocated.
 *
 * Finalizers run when the program yields to the event loop. So the best moment is just before it does: a collection in
 * between frees less, and nothing yet. A loop that never awaits is never helped.
 */
import type { Device, Storage } from "../gpu/device.ts";
import { platform } from "../gpu/platform.ts";

const BYTES_BETWEEN_COLLECTIONS = 64 * 2 ** 20;
// For programs that await other things than tensors.
const BYTES_WITHOUT_READING = 192 * 2 ** 20;

const registry = new FinalizationRegistry<Storage>((storage) => storage.release());
let allocatedBytes = 0;

/** Releases one reference to `storage` when `owner` has been collected. */
export function releaseWhenCollected(owner: object, storage: Storage): void {
  registry.register(owner, storage, owner);
  if (storage.unique) allocatedBytes += storage.bytes;
  collectAfter(BYTES_WITHOUT_READING, storage.device);
}

export function forget(owner: object): void {
  registry.unregister(owner);
}

/** To be called before the program awaits `device`: what is unreachable now will be free when it goes on. */
export function collectBeforeAwait(device: Device): void {
  collectAfter(BYTES_BETWEEN_COLLECTIONS, device);
}

// Where more than that is in use, after twice as much, so that the time for collections keeps in proportion.
function collectAfter(bytes: number, device: Device): void {
  const before = device.memory.liveBytes - allocatedBytes; // live at the last collection, less what it has freed since
  if (allocatedBytes <= Math.max(bytes, 2 * before)) return;
  allocatedBytes = 0;
  platform().collectGarbage();
}
