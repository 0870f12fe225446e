import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    pool: "forks", // ending a worker thread with GPU work pending aborts the process
    maxWorkers: 2,
    setupFiles: ["test/setup.ts"],
    env: { TILEGRAD_TUNING: "off" }, // what somebody has measured here must not decide what is tested, nor in the commands that tests run
    tags: [{ name: "slow", description: "Runs in `npm run test:all` only; see scripts/test.mjs.", timeout: 600_000 }],
    // The other kernel family is written for GPUs; a software adapter's compiler takes a minute for some of its kernels.
    testTimeout: process.env.TILEGRAD_TEST ? 600_000 : 60_000,
    hookTimeout: 60_000,
  },
});
