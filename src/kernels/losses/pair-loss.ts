/**
 * Losses of a prediction and a target, element by element: fused with the reduction, and with their gradients. A loss is
 * one entry: `f` and its derivatives in WGSL, and the same in TypeScript, which define them.
 */
import { expectSameDevice, record } from "../../autograd/record.ts";
import { ceilDiv, dispatch, loadKernel } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { expectShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { mul } from "../elementwise/binary-ops.ts";
import { neg } from "../elementwise/unary-ops.ts";
import { MATH, REDUCE } from "../lib/lib.ts";
import { sum } from "../reduce/sum.ts";
import { reshape } from "../view/reshape.ts";
import type { Reduction } from "./reduction.ts";

export interface PairLoss {
  /** WGSL expressions of the prediction `x`, the target `t` and `params.p`. */
  readonly f: string;
  readonly dfx: string;
  /** Left out for a function of x - t, whose derivative by t is -dfx. */
  readonly dft?: string;
  /** The definitions. */
  readonly reference: {
    f: (x: number, t: number, p: number) => number;
    dfx: (x: number, t: number, p: number) => number;
    dft?: (x: number, t: number, p: number) => number;
  };
  /** The derivatives by x and, where it is not -dfx, by t as ops, for second derivatives. */
  readonly composed: (x: Tensor, t: Tensor, p: number) => readonly [Tensor, Tensor?];
}

/** Applies a loss to a prediction and a target of one shape; `p` is its parameter. */
export type PairLossOp = (x: Tensor, target: Tensor, reduction: Reduction, p?: number) => Tensor;

interface Saved {
  x: Tensor; // [size]
  t: Tensor; // [size]
}

const THREADS = 64;
const ELEMENTS_PER_PART = 1024;

export function pairLoss(op: string, loss: PairLoss): PairLossOp {
  const kernel = declareKernel(op, loss);
  const { composed } = loss;

  return (x, t, reduction, p = 0) => {
    expectDType(op, "x", x.dtype, ["f32"]);
    expectDType(op, "target", t.dtype, ["f32"]);
    expectShape(op, "target", t.shape, x.shape);
    expectSameDevice(op, [x, t]);
    const { size, device } = x;
    const reduced = reduction !== "none";
    const parts = Math.max(ceilDiv(size, ELEMENTS_PER_PART), 1); // without elements too, there is a sum and a mean
    const params = { size, parts, reduced: Number(reduced), scale: reduction === "mean" ? 1 / size : 1, p };
    const groups = ceilDiv(size, THREADS);

    const forward = () => {
      if (!reduced) {
        const losses = empty(x.shape, { device });
        dispatch(kernel, "forward", { bind: { x, t, losses }, params, groups });
        return losses;
      }
      const partials = empty([parts], { device });
      dispatch(kernel, "forwardReduced", { bind: { x, t, partials }, params, groups: parts });
      const y = parts === 1 ? reshape(partials, []) : sum(partials);
      partials.dispose();
      return y;
    };
    const backward = (dy: Tensor, { x, t }: Saved, needs: readonly boolean[]) => {
      const gradient = (entry: "backwardX" | "backwardT", out: "dx" | "dt") => {
        const d = empty(x.shape, dy);
        dispatch(kernel, entry, { bind: { x, t, dy, [out]: d }, params, groups });
        return d;
      };
      return [needs[0] ? gradient("backwardX", "dx") : null, needs[1] ? gradient("backwardT", "dt") : null];
    };
    return record(forward(), {
      op,
      inputs: [x, t],
      saved: { x, t },
      backward,
      composed(dy, { x, t }) {
        const upstream = reduced ? mul(dy, params.scale) : dy;
        const [dfx, dft = neg(dfx)] = composed(x, t, p);
        return [mul(upstream, dfx), mul(upstream, dft)];
      },
    });
  };
}

function declareKernel(name: string, { f, dfx, dft = "-dfx(x, t)", reference }: PairLoss) {
  const definition = { dft: (x: number, t: number, p: number) => -reference.dfx(x, t, p), ...reference };
  type Params = Record<string, number>;
  const upstream = (dy: Float64Array, { reduced, scale }: Params, i: number) => (reduced ? dy[0]! * scale! : dy[i]!);
  return loadKernel(new URL("./pair-loss.wgsl", import.meta.url), {
    name,
    lib: [MATH, REDUCE],
    append: `
fn f(x: f32, t: f32) -> f32 { return ${f}; }
fn dfx(x: f32, t: f32) -> f32 { return ${dfx}; }
fn dft(x: f32, t: f32) -> f32 { return ${dft}; }
`,
    reference: {
      forward({ x, t, losses }, { size, p }) {
        for (let i = 0; i < size; i++) losses[i] = definition.f(x[i], t[i], p);
      },
      forwardReduced({ x, t, partials }, { size, parts, scale, p }) {
        for (let part = 0; part < parts; part++) {
          let total = 0;
          for (let i = part; i < size; i += parts) total += definition.f(x[i], t[i], p);
          partials[part] = total * scale;
        }
      },
      backwardX({ x, t, dy, dx }, params) {
        for (let i = 0; i < params.size; i++) dx[i] = upstream(dy, params, i) * definition.dfx(x[i], t[i], params.p);
      },
      backwardT({ x, t, dy, dt }, params) {
        for (let i = 0; i < params.size; i++) dt[i] = upstream(dy, params, i) * definition.dft(x[i], t[i], params.p);
      },
    },
  });
}
