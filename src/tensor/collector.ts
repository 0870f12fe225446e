/**
 * The fallback for programs that free nothing themselves: the storage of an unreachable tensor returns to its device.
 * JavaScript's collector does not see device bytes, so it is asked to run when enough of them were allocated.
 *
 * Finalizers run when the program yields to the event loop; a loop that never awaits is never helped.
 */
import type { Storage } from "../gpu/device.ts";
import { platform } from "../gpu/platform.ts";

const MIN_BYTES_BETWEEN_COLLECTIONS = 64 * 2 ** 20;

const registry = new FinalizationRegistry<Storage>((storage) => storage.release());
let allocatedBytes = 0;

/** Releases one reference to `storage` when `owner` has been collected. */
export function releaseWhenCollected(owner: object, storage: Storage): void {
  registry.register(owner, storage, owner);
  if (storage.unique) allocatedBytes += storage.bytes;
  if (allocatedBytes > Math.max(MIN_BYTES_BETWEEN_COLLECTIONS, 2 * storage.device.memory.liveBytes)) {
    allocatedBytes = 0;
    platform().collectGarbage();
  }
}

export function forget(owner: object): void {
  registry.unregister(owner);
}
