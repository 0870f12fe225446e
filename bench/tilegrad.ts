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

// The time of handing work to the driver, which a software driver starts on, apart from the code's own.
let submitMs = 0;
const flush = device.flush.bind(device);
device.flush = () => {
  const start = performance.now();
  flush();
  submitMs += performance.now() - start;
};

// The code's own: from the call of a step to its first wait.
let scriptMs: number[] = [];
let before = { dispatches: 0, submits: 0 };
await serve(
  async () => {
    const step = make({ capture: mode === "captured" });
    return () => {
      submitMs = 0;
      const start = performance.now();
      const done = step();
      scriptMs.push(performance.now() - start - submitMs);
      return done;
    };
  },
  (steps) => {
    const { dispatches, submits } = device.counters;
    const { liveBytes, pooledBytes } = tg.memory();
    const figures = {
      scriptMs,
      dispatches: (dispatches - before.dispatches) / steps,
      submits: (submits - before.submits) / steps,
      memoryBytes: liveBytes + pooledBytes, // the pool keeps what was ever needed at once
    };
    before = { dispatches, submits };
    scriptMs = [];
    return figures;
  },
);
