/** The part of `prepare.mjs` that needs the npm packages: an adapter, or one line that says why there is none. */

import { SetupError, setupVulkan } from "../src/cli/setup-vulkan.ts";

const say = (line: string) => console.error(`tilegrad: ${line}`);
try {
  await setupVulkan({ log: say });
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(`going on with the cpu device: ${error.message}`);
}
