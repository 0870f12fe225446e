/**
 * What a worker is: a process that sets one workload up in one library, says so, and runs steps when it is told to. Lines of
 * JSON go both ways, so that the processes of all libraries stay alive and take turns.
 */
import { createInterface } from "node:readline";

const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

/**
 * Serves until the process is stopped.
 *
 * @param setUp makes the step
 * @param counts is called before the steps with 0 and after them with their number, and returns figures per step
 */
export async function serve(
  setUp: () => Promise<() => Promise<unknown>>,
  counts: (steps: number) => object = () => ({}),
): Promise<never> {
  try {
    const step = await setUp();
    const start = performance.now();
    await step();
    const first = performance.now() - start;
    for (let i = 0; i < 4; i++) await step();
    say({ ready: true, first });
    for await (const line of createInterface({ input: process.stdin })) {
      const { steps } = JSON.parse(line) as { steps: number };
      const times: number[] = [];
      counts(0);
      for (let i = 0; i < steps; i++) {
        const begin = performance.now();
        await step();
        times.push(performance.now() - begin);
      }
      say({ times, ...counts(steps) });
    }
  } catch (error) {
    say({
      error: `${error instanceof Error ? error.message : error}`.slice(0, 200).split("\n")[0],
    });
  }
  process.exit(0);
}
