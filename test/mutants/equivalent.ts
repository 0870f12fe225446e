/** Mutants that change nothing, each with the reason. main.ts says so when one is gone, or is caught after all. */

export interface Equivalent {
  /** Where it is, as main.ts prints it; left out for what changes nothing in any kernel. */
  readonly file?: string;
  readonly fn?: string;
  /** The part of the line that is changed, and what it becomes. */
  readonly line: string;
  readonly becomes: string;
  readonly reason: string;
}

const EVERY_LANE = "every lane has the result of the reduction, so it does not matter which of them store it";

export const equivalents: readonly Equivalent[] = [
  { line: "if (lane == 0u) {", becomes: "if (true) {", reason: EVERY_LANE },
  { line: "if (lane == 0u) {", becomes: "if (lane == 1u) {", reason: EVERY_LANE },
  { line: "if (lane == 0u) {", becomes: "if (lane != 0u) {", reason: EVERY_LANE },
  { line: "if (lane == 0u) {", becomes: "if (!(lane == 0u)) {", reason: EVERY_LANE },
  {
    file: "src/kernels/adam/adam-steps.wgsl",
    fn: "oneMinusExp",
    line: "y < -0.25",
    becomes: "y <= -0.25",
    reason: "one more halving gives the same function",
  },
  {
    file: "src/kernels/adam/adam-steps.wgsl",
    fn: "advance",
    line: ", 0.0);",
    becomes: ", 1.0);",
    reason: "nothing reads the fourth component",
  },
  {
    file: "src/kernels/clip-grad/clip-grad.wgsl",
    fn: "term",
    line: "params.power == 1.0 ||",
    becomes: "params.power == 2.0 ||",
    reason: "the general case is right for the power 1 too, only slower",
  },
  {
    file: "src/kernels/clip-grad/clip-grad.wgsl",
    fn: "term",
    line: "||",
    becomes: "&&",
    reason: "the general case is right for the power 1 too, which stands for the largest magnitude as well",
  },
  {
    file: "src/kernels/clip-grad/clip-grad.wgsl",
    fn: "join",
    line: "a + b",
    becomes: "a - b",
    reason: "blocks and finish both join onto 0: the sign is turned twice",
  },
  {
    file: "src/kernels/clip-grad/clip-grad.wgsl",
    fn: "finish",
    line: "LARGEST == 0u && params.power != 1.0",
    becomes: "LARGEST == 0u || params.power != 1.0",
    reason: "it differs for the power 1 only, where it takes the first power",
  },
  {
    file: "src/kernels/creation/creation.wgsl",
    fn: "sequence",
    line: "i >= params.half",
    becomes: "i > params.half",
    reason: "both formulas give the middle element",
  },
  {
    file: "src/kernels/cross-entropy/cross-entropy.wgsl",
    fn: "checkedRow",
    line: "select(0u, row.label",
    becomes: "select(1u, row.label",
    reason: "WebGPU bounds a read at a label that is no class, and nothing comes of it",
  },
  {
    file: "src/kernels/cross-entropy/cross-entropy.wgsl",
    fn: "checkedRow",
    line: "row.label = select(0u, row.label, row.valid);",
    becomes: "",
    reason: "WebGPU bounds a read at a label that is no class, and nothing comes of it",
  },
  {
    file: "src/kernels/cross-entropy/cross-entropy.wgsl",
    fn: "largest",
    line: "x > most",
    becomes: "x >= most",
    reason: "it is the same number",
  },
  {
    file: "src/kernels/cross-entropy/cross-entropy.wgsl",
    fn: "finishRow",
    line: "select(0.0, 1.0, row.valid));",
    becomes: "select(0.0, 2.0, row.valid));",
    reason: "the backward pass only asks whether it is 0",
  },
  {
    file: "src/kernels/cross-entropy/cross-entropy.wgsl",
    fn: "forwardRows",
    line: "if (DENSE) {",
    becomes: "if (true) {",
    reason: "the sums over all classes are right for one label too, only slower",
  },
  {
    file: "src/kernels/cross-entropy/cross-entropy.wgsl",
    fn: "forwardColumns",
    line: "if (DENSE) {",
    becomes: "if (true) {",
    reason: "the sums over all classes are right for one label too, only slower",
  },
  {
    file: "src/kernels/losses/regression.ts",
    fn: "f",
    line: "abs(x - t) < params.p)",
    becomes: "abs(x - t) <= params.p)",
    reason: "both pieces meet there",
  },
];
