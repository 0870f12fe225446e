import type { Profile } from "../tensor/profile.ts";
import { profile } from "../tensor/profile.ts";
import { type BatchSource, batchesOf } from "./batches.ts";

/** Steps before the ones that are timed: the first ones compile kernels. */
const STEPS_BEFORE = 3;
const STEPS = 5;

/**
 * Times the kernels of some steps of a training, those of the fourth batch to the eighth.
 *
 * @param source gives the batches of the training
 * @param done receives the times; of fewer steps where the epoch ends sooner
 * @returns the same batches
 */
export function profiled(source: BatchSource, done: (profile: Profile) => Promise<void>): BatchSource {
  let batches = 0;
  let stop: (() => Promise<void>) | null = null;
  return async function* (epoch, from) {
    try {
      for await (const batch of batchesOf(source, epoch, from)) {
        if (batches === STEPS_BEFORE) stop = await start(done);
        if (batches === STEPS_BEFORE + STEPS) await stop?.();
        batches++;
        yield batch;
      }
    } finally {
      await stop?.();
    }
  };
}

// From now until the function that it returns is called for the first time.
async function start(done: (profile: Profile) => Promise<void>): Promise<() => Promise<void>> {
  let end: (() => void) | null = null;
  const measured = profile(
    () =>
      new Promise<void>((resolve) => {
        end = resolve;
      }),
  );
  if (!end) await measured; // throws: there is no clock
  return async () => {
    if (!end) return;
    (end as () => void)();
    end = null;
    await done(await measured);
  };
}
