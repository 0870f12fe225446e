import { test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { adaptiveAvgPool2d, avgPool2d } from "./avg-pool.ts";
import { adaptiveMaxPool2d, maxPool1d, maxPool2d } from "./max-pool.ts";

test("smoke", async () => {
  await checkOp((x) => maxPool2d(x!, 2), [[2, 3, 4, 8]], { second: true });
  await checkOp((x) => maxPool2d(x!, 2), [[2, 3, 4, 6]], { second: true });
  await checkOp((x) => maxPool2d(x!, 2), [[2, 3, 5, 7]], { second: true });
  await checkOp(
    (x) => maxPool2d(x!, [3, 2], { stride: 1, padding: 1, dilation: [2, 1], ceilMode: true }),
    [[2, 5, 7]],
    { second: true },
  );
  await checkOp((x) => maxPool1d(x!, 3, { stride: 2, padding: 1 }), [[2, 7, 70]], { second: true });
  await checkOp((x) => adaptiveMaxPool2d(x!, [2, 3]), [[2, 5, 7]], { second: true });
  await checkOp((x) => avgPool2d(x!, 3, { stride: 2, padding: 1, ceilMode: true }), [[2, 6, 7]], { second: true });
  await checkOp((x) => avgPool2d(x!, 3, { stride: 2, padding: 1, countIncludePad: false }), [[2, 6, 7]], {
    second: true,
  });
  await checkOp((x) => adaptiveAvgPool2d(x!, [4, 3]), [[2, 3, 7]], { second: true });
});
