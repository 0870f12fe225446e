/**
 * Prints every failed test with its message, then "N passed, N failed, N skipped" over the two parts of the test suite,
 * and fails if a test did.
 *
 *     node scripts/count-tests.mjs TEST.json REST.json       vitest's JSON reports of `npm test` and of `npm test -- --rest`
 *
 * Each part lists the other's tests as skipped; those are not counted. A file that cannot even be loaded, or a part
 * without a report, counts as one failure.
 */

import { existsSync, readFileSync } from "node:fs";

const count = { passed: 0, failed: 0, skipped: 0 };
for (const [path, isSlow] of [
  [process.argv[2], false],
  [process.argv[3], true],
]) {
  if (!existsSync(path)) {
    count.failed++;
    continue;
  }
  for (const file of JSON.parse(readFileSync(path, "utf8")).testResults) {
    if (file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed")) {
      count.failed++;
      console.log(`failed: ${file.name}\n${file.message}`);
    }
    for (const test of file.assertionResults) {
      if (test.status === "failed") console.log(`failed: ${test.fullName}\n${test.failureMessages.join("\n")}`);
      if (test.status === "passed" || test.status === "failed") count[test.status]++;
      else if (test.tags.includes("slow") === isSlow) count.skipped++;
    }
  }
}
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed > 0 ? 1 : 0;
