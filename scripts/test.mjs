/**
 * Runs vitest on this checkout, in one of three parts:
 *
 *     npm test              the kernels that suit the adapter; every test that is not tagged "slow"
 *     npm test -- --rest    what that leaves out: the other kernel family, params as uniforms, more random cases, slow tests
 *     npm run test:all      all of it at once
 *
 * In the last two parts `TILEGRAD_TEST` is "rest" or "all", which test/devices.ts reads. A slow test is declared with
 * vitest's tag, `test(name, { tags: ["slow"] }, ...)`. Every other argument goes to vitest: `npm test -- src/kernels/softmax`
 * runs the files whose paths contain that.
 */

import { node, prepare } from "./prepare.mjs";

const parts = {
  "--all": { env: { TILEGRAD_TEST: "all" }, filter: [] },
  "--rest": { env: { TILEGRAD_TEST: "rest" }, filter: [] },
};
const args = process.argv.slice(2);
const part = args.find((arg) => arg in parts);
const { env, filter } = part ? parts[part] : { env: {}, filter: ["--tags-filter=!slow"] };

await prepare();
const vitest = ["node_modules/vitest/vitest.mjs", "run", ...filter, ...args.filter((arg) => arg !== part)];
process.exitCode = await node(vitest, { ...process.env, ...env });
