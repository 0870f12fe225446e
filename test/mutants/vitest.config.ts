import { mergeConfig } from "vitest/config";
import base from "../../vitest.config.ts";

export default mergeConfig(base, {
  test: {
    root: new URL("../..", import.meta.url).pathname,
    setupFiles: ["test/mutants/worker.ts"],
    // So that the mutants get their turn before a test file tears down what its tests need.
    sequence: { hooks: "list" },
    maxWorkers: 1,
  },
});
