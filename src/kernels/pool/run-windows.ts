/** Dispatches of pooling kernels, which declare windows.wgsl's params. */
import { ceilDiv, dispatch, type Kernel } from "../../gpu/kernel.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { fillStorage } from "../assign/fill.ts";
import { runsOver } from "../lib/runs.ts";
import type { Windows } from "./windows.ts";

const LANES = 8;
// With fewer planes than this, too few lanes of a software adapter would be busy if each took one.
const MIN_PLANES = 4;

/** What only averages need to know. */
interface Average {
  /** 0 for the number of elements. */
  readonly divisor: number;
  readonly includePadding: boolean;
}

type Bind = Readonly<Record<string, Tensor>>;

/** Runs an entry that computes y. */
export function runForward(
  kernel: Kernel,
  entry: "forward" | "take",
  bind: Bind & { y: Tensor },
  windows: Windows,
  average?: Average,
): void {
  const { planes, out } = windows;
  const { groups, params } = runsOver(bind.y.device, planes * out[0], out[1]);
  dispatch(kernel, entry, { bind, ...interfaceOf(windows, params, average), groups });
}

/** Runs `backward`, which gathers what each element of dx gets, or `backwardPlanes`, which adds up what each window gives. */
export function runBackward(kernel: Kernel, bind: Bind & { dx: Tensor }, windows: Windows, average?: Average): void {
  const { planes, size } = windows;
  const { device } = bind.dx;
  const { groups, params } = runsOver(device, planes * size[0], size[1]);
  const call = { bind, ...interfaceOf(windows, params, average) };
  if (device.family === "software" && planes >= MIN_PLANES) {
    fillStorage(bind.dx, 0);
    dispatch(kernel, "backwardPlanes", { ...call, groups: ceilDiv(planes, LANES) });
  } else {
    dispatch(kernel, "backward", { ...call, groups });
  }
}

function interfaceOf({ adaptive, ...windows }: Windows, runs: Readonly<Record<string, number>>, average?: Average) {
  // Parts are counted generously, so that tensors of many sizes share a pipeline.
  const [ROWS, COLUMNS] = windows.kernel.map((n) => (adaptive ? 2 ** Math.ceil(Math.log2(n + 1)) : n));
  return {
    params: { ...windows, ...runs, divisor: average?.divisor ?? 0 },
    constants: {
      ADAPTIVE: Number(adaptive),
      ROWS: ROWS!,
      COLUMNS: COLUMNS!,
      INCLUDE_PADDING: Number(average?.includePadding ?? false),
    },
  };
}
