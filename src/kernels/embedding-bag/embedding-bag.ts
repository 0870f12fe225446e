import { expectSameDevice, record } from "../../autograd/record.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { indexSite } from "../../gpu/index-error.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { scope } from "../../tensor/scope.ts";
import { expectRank, expectShape, formatShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { arange } from "../creation/creation.ts";
import { div, equal, mul } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { type Along, addSlices, expectIndex, takeSlices } from "../index-select/slices.ts";
import { INDEX_ERROR, MATH } from "../lib/lib.ts";
import { sum } from "../reduce/sum.ts";
import { reshape, unsqueeze } from "../view/reshape.ts";
import { embeddingBagReference } from "./embedding-bag.reference.ts";

const THREADS = 64;
const NONE = 0xffffffff;
const MODES = { sum: 0, mean: 1, max: 2 };

function declare(append: string): Kernel {
  return loadKernel(new URL("./embedding-bag.wgsl", import.meta.url), {
    lib: [MATH, INDEX_ERROR],
    append,
    reference: embeddingBagReference,
  });
}
const single = declare(`alias T = f32;
alias U = u32;
const WIDTH = 1u;
fn nans(x: f32) -> bool { return isNan(x); }
`);
const fours = declare(`alias T = vec4f;
alias U = vec4u;
const WIDTH = 4u;
fn nans(x: vec4f) -> vec4<bool> { return vec4<bool>(isNan(x.x), isNan(x.y), isNan(x.z), isNan(x.w)); }
`);

export type BagMode = "sum" | "mean" | "max";

export interface EmbeddingBagOptions {
  /** [bags], for ids with one axis: where each bag begins in them; from 0 on, none smaller than the one before. */
  offsets?: Tensor | null;
  /** What becomes of a bag's rows; `mean` by default. */
  mode?: BagMode;
  /** ids' shape, f32: what each row is multiplied by; for `sum` only. */
  perSampleWeights?: Tensor | null;
  /** An id that does not count; negative counts from the end. */
  paddingIndex?: number | null;
  /** Whether the offsets have one more element, the end of the last bag. */
  includeLastOffset?: boolean;
}

/**
 * Looks rows of a table up and combines those of each bag, without a tensor of all rows. A bag without ids gives 0.
 *
 * The gradient adds up the rows of each id in a fixed order; rows that no id names get exactly 0.
 *
 * @param weight f32 [vocabulary, features]
 * @param ids i32 or u32 [bags, s], or [count] with offsets; negative numbers are errors
 * @param options offsets, mode (default mean), perSampleWeights, paddingIndex, includeLastOffset (default false)
 * @returns [bags, features]
 * @throws ShapeError, DTypeError, ValueError for arguments that do not fit; ValueError at the next await, for an id or an offset
 *   that is out of range
 * @see https://pytorch.org/docs/stable/generated/torch.nn.functional.embedding_bag.html
 */
export function embeddingBag(weight: Tensor, ids: Tensor, options: EmbeddingBagOptions = {}): Tensor {
  const plan = planOf(weight, ids, options);
  const scale = options.perSampleWeights ?? null;
  const { params, constants, bags } = plan;
  const { device } = weight;
  const { count, features } = params;
  const isMax = constants.MODE === MODES.max;
  const kernel = features % 4 === 0 ? fours : single;
  const y = empty([bags, features], { device });
  const bagOf = empty([count], { device, dtype: "u32" });
  const members = empty([constants.MODE === MODES.mean ? bags : 1], { device });
  const winners = empty(isMax ? [bags, features] : [4], { device, dtype: "u32" });
  const offsets = options.offsets ?? ids;
  dispatch(kernel, "place", {
    bind: { ids, offsets, bagOf },
    params,
    constants,
    groups: ceilDiv(Math.max(count, params.offsets), THREADS),
  });
  dispatch(kernel, "forward", {
    bind: { weight, ids, offsets, scale: scale ?? weight, y, members, winners },
    params,
    constants,
    groups: ceilDiv(features % 4 === 0 ? y.size / 4 : y.size, THREADS),
  });
  record(y, {
    op: OP,
    inputs: scale ? [weight, scale] : [weight],
    saved: { weight, ids, scale, bagOf, members, winners, plan },
    backward: embeddingBagBackward,
    composed: true,
  });
  for (const temporary of [bagOf, members, winners]) temporary.dispose();
  return y;
}

const OP = "embeddingBag";

interface Plan {
  readonly bags: number;
  readonly params: Readonly<Record<"bags" | "count" | "n" | "features" | "length" | "skip" | "offsets", number>>;
  readonly constants: { readonly MODE: number; readonly FIXED: number; readonly SCALED: number };
}

interface Saved {
  weight: Tensor; // [n, features]
  ids: Tensor; // [count], or [bags, s]
  scale: Tensor | null; // ids' shape
  bagOf: Tensor; // [count]
  members: Tensor; // [bags], for the mean
  winners: Tensor; // [bags, features], for the largest
  plan: Plan;
}

// Checks the arguments, and says how the kernel runs over them.
function planOf(weight: Tensor, ids: Tensor, options: EmbeddingBagOptions): Plan {
  checkOptions(OP, options, ["offsets", "mode", "perSampleWeights", "paddingIndex", "includeLastOffset"]);
  const { offsets = null, mode = "mean", perSampleWeights: scale = null, includeLastOffset = false } = options;
  if (!Object.hasOwn(MODES, mode)) throw new ValueError(`${OP}: mode is "${mode}", expected sum, mean or max`);
  expectDType(OP, "weight", weight.dtype, ["f32"]);
  expectRank(OP, "weight", weight.shape, 2);
  expectIndex(OP, "ids", ids, weight);
  if (ids.rank !== 1 && ids.rank !== 2)
    throw new ShapeError(`${OP}: ids has shape ${formatShape(ids.shape)}, expected [bags, s], or [count] with offsets`);
  if ((ids.rank === 1) !== (offsets !== null)) {
    throw new ValueError(
      `${OP}: ids has shape ${formatShape(ids.shape)}, expected ${offsets ? "[count], since there are offsets" : "[bags, s], or offsets"}`,
    );
  }
  if (offsets) {
    expectIndex(OP, "offsets", offsets, weight);
    expectRank(OP, "offsets", offsets.shape, 1);
    if (includeLastOffset && offsets.size === 0)
      throw new ShapeError(`${OP}: offsets has shape [0], expected at least the last offset`);
  } else if (includeLastOffset) {
    throw new ValueError(`${OP}: includeLastOffset is true, expected offsets with it`);
  }
  if (scale) {
    if (mode !== "sum") throw new ValueError(`${OP}: mode is "${mode}", expected sum with perSampleWeights`);
    expectDType(OP, "perSampleWeights", scale.dtype, ["f32"]);
    expectShape(OP, "perSampleWeights", scale.shape, ids.shape);
    expectSameDevice(OP, [weight, scale]);
  }
  const [n, features] = weight.shape as [number, number];
  const count = ids.size;
  const bags = offsets ? offsets.size - Number(includeLastOffset) : ids.shape[0]!;
  const params = {
    bags,
    count,
    n,
    features,
    length: offsets ? 0 : ids.shape[1]!,
    skip: skippedRow(options.paddingIndex ?? null, n),
    offsets: offsets?.size ?? 0,
    idSite: indexSite(OP, "ids", n),
    offsetSite: indexSite(OP, "offsets", count + 1),
    firstSite: indexSite(OP, "offsets", 1),
  };
  return { bags, params, constants: { MODE: MODES[mode], FIXED: Number(!offsets), SCALED: Number(scale !== null) } };
}

function skippedRow(paddingIndex: number | null, n: number): number {
  if (paddingIndex === null) return NONE;
  const row = paddingIndex < 0 ? paddingIndex + n : paddingIndex;
  if (!Number.isInteger(row) || row < 0 || row >= n)
    throw new ValueError(`${OP}: paddingIndex is ${paddingIndex}, expected a whole number from ${-n} to ${n - 1}`);
  return row;
}

// The gradient of each place's row, from its bag's, and their sums.
function embeddingBagBackward(dy: Tensor, saved: Saved, needs: readonly boolean[]) {
  const { weight, ids, scale, bagOf, members, winners, plan } = saved;
  const { count, n, skip, bags } = plan.params;
  const { MODE } = plan.constants;
  const ofBags: Along = { op: OP, argument: null, axis: 0, n: bags, skip: null };
  const ofRows: Along = { ...ofBags, n, skip: skip === NONE ? null : skip };
  return scope(() => {
    const flat = reshape(ids, [count]);
    const rows = takeSlices(MODE === MODES.mean ? div(dy, unsqueeze(members, 1)) : dy, bagOf, ofBags); // [count, features]
    const own = () => {
      if (scale) return mul(rows, reshape(scale, [count, 1]));
      if (MODE !== MODES.max) return rows;
      const places = unsqueeze(arange(0, count, 1, { device: dy.device, dtype: "u32" }), 1);
      return where(equal(takeSlices(winners, bagOf, ofBags), places), rows, 0);
    };
    const ofScale = () => reshape(sum(mul(rows, takeSlices(weight, flat, ofRows, true)), 1), ids.shape);
    return [needs[0] ? addSlices(own(), flat, ofRows) : null, scale && needs[1] ? ofScale() : null];
  });
}
