/** A worker for tilegrad: `tsx bench/tilegrad.ts WORKLOAD [captured]`. */

import type { WebGpuDevice } from "../src/gpu/webgpu.ts";
import * as tg from "../src/index.ts";
import { deviceNamed } from "../src/tensor/device.ts";
import { serve } from "./measure.ts";
import { workloads } from "./workloads.ts";

const [name, mode] = process.argv.slice(2);
await tg.init({ device: "webgpu" });
tg.manualSeed(0);
const device = deviceNamed("webgpu") as WebGpuDevice;
const make = workloads[name ?? ""];
if (!make) throw new Error(`there is no workload "${name}"`);

// The code's own time: from the call of a step to its first wait.
let scriptMs = 0;
let before = { dispatches: 0, submits: 0 };
await serve(
  async () => {
    const step = make({ capture: mode === "captured" });
    return () => {
      const start = performance.now();
      const done = step();
      scriptMs += performance.now() - start;
      return done;
    };
  },
  (steps) => {
    const { dispatches, submits } = device.counters;
    const figures = {
      scriptMs: scriptMs / steps,
      dispatches: (dispatches - before.dispatches) / steps,
      submits: (submits - before.submits) / steps,
      peakBytes: tg.memory().peakBytes + tg.memory().pooledBytes,
    };
    before = { dispatches, submits };
    scriptMs = 0;
    return figures;
  },
);
