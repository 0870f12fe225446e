/** `npm start -- ARGS` runs `tilegrad ARGS` from this checkout; without arguments, the demonstration. */

import { node, prepare } from "./prepare.mjs";

await prepare();
const args = process.argv.slice(2);
process.exitCode = await node(["--import", "tsx", "src/cli/main.ts", ...(args.length > 0 ? args : ["demo"])]);
