/** Dispatches of pooling kernels, which declare windows.wgsl's params. */
import { ceilDiv, dispatch, type Kernel } from "../../gpu/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { fillStorage } from "../assign/fill.ts";
import { runsOver } from "../lib/runs.ts";
import type { Windows } from "./windows.ts";

const LANES = 8;
// With fewer planes than this, too few lanes of a software adapter would be busy if each took one.
const MIN_PLANES = 4;
// Windows of more elements take compilers long, and variable ones would take a pipeline each.
const MOST_COMPILED = 9;
const UNKNOWN = 0xffffffff; // as in windows.wgsl

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
  const isCompiled = !adaptive && sizeOf(windows.kernel) <= MOST_COMPILED;
  const [rows, columns] = windows.kernel;
  return {
    params: { ...windows, ...runs, divisor: average?.divisor ?? 0 },
    constants: {
      ADAPTIVE: Number(adaptive),
      ROWS: isCompiled ? rows : UNKNOWN,
      COLUMNS: isCompiled ? columns : UNKNOWN,
      INCLUDE_PADDING: Number(average?.includePadding ?? false),
    },
  };
}
