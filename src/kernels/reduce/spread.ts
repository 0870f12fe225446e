/** The gradients of reductions: each element's, from its line's. */
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { MATH, POWER } from "../lib/lib.ts";
import type { Line } from "./reduction.ts";

export interface Spread {
  readonly name: string;
  readonly line: Line;
  /** WGSL of an element `x`, the line's gradient `dy`, and `line`. */
  readonly gradient: string;
  /** The definition; `first` is the line's first element. */
  readonly reference: (x: number, dy: number, line: { y: number; pivot: number; first: number; p: number }) => number;
}

const THREADS = 64;
const kernels = new Map<Spread, Kernel>();

/**
 * Computes dx of a reduction over the middle axis.
 *
 * @param bind x [outer, n, inner]; dy and, where the entry reads them, y and pivot [outer, 1, inner]
 * @returns [outer, n, inner]
 */
export function spread(entry: Spread, bind: { x: Tensor; dy: Tensor; y?: Tensor; pivot?: Tensor }, p = 0): Tensor {
  const { x } = bind;
  const dx = empty(x.shape, x);
  let kernel = kernels.get(entry);
  if (!kernel) kernels.set(entry, (kernel = declareKernel(entry)));
  dispatch(kernel, "backward", {
    bind: { ...bind, dx },
    params: { size: x.size, n: x.shape[1]!, inner: x.shape[2]!, p },
    groups: ceilDiv(x.size, THREADS),
  });
  return dx;
}

function declareKernel({ name, line, gradient, reference }: Spread): Kernel {
  return loadKernel(new URL("./spread.wgsl", import.meta.url), {
    name,
    lib: [MATH, POWER],
    append: `alias L = ${line.type};
fn lineOf(at: u32) -> L { return ${line.value}; }
fn gradient(x: f32, dy: f32, line: L) -> f32 { return ${gradient}; }
`,
    reference: {
      backward({ x, y, dy, pivot, dx }, { size, n, inner, p }) {
        for (let i = 0; i < size; i++) {
          const at = Math.floor(i / (n * inner)) * inner + (i % inner);
          const first = x[Math.floor(at / inner) * n * inner + (at % inner)];
          dx[i] = reference(x[i], dy[at], { y: y?.[at], pivot: pivot?.[at], first, p });
        }
      },
    },
  });
}
