/**
 * Runs vitest on this checkout, in one of three parts:
 *
 *     npm test              every test that is not tagged "slow"
 *     npm test -- --rest    the slow ones alone
 *     npm run test:all      both
 *
 * A slow test is declared with vitest's tag, `test(name, { tags: ["slow"] }, ...)`. In the last two parts `TILEGRAD_TEST` is
 * "rest" or "all", so that the harness need not even declare the thousands of slow cases otherwise. Every other argument goes
 * to vitest: `npm test -- src/kernels/softmax` runs the files whose paths contain that.
 */

import { node, prepare } from "./prepare.mjs";

const parts = {
  "--all": { env: { TILEGRAD_TEST: "all" }, filter: [] },
  "--rest": { env: { TILEGRAD_TEST: "rest" }, filter: ["--tags-filter=slow"] },
};
const args = process.argv.slice(2);
const part = args.find((arg) => arg in parts);
const { env, filter } = part ? parts[part] : { env: {}, filter: ["--tags-filter=!slow"] };

await prepare();
const vitest = ["node_modules/vitest/vitest.mjs", "run", ...filter, ...args.filter((arg) => arg !== part)];
process.exitCode = await node(vitest, {
  env: { ...process.env, ...env },
  mute: /artificially reduced/, // Dawn warns so of each software adapter, in every test process, and it means nothing
});
