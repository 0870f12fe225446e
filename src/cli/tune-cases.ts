/** What `tilegrad tune` measures: products and convolutions of the sizes that training asks for. */
import { grad } from "../autograd/backward.ts";
import type { WebGpuDevice } from "../gpu/webgpu.ts";
import type { Geometry } from "../kernels/conv/geometry.ts";
import { backwardInput, backwardWeight, forward } from "../kernels/conv/launch.ts";
import { convBucket, type Direction, slideCandidates, weightCandidates } from "../kernels/conv/plan.ts";
import { matmul } from "../kernels/matmul/matmul.ts";
import { type ProductShape, productBucket, productCandidates } from "../kernels/matmul/plan.ts";
import { type RecurrentEntry, recurrentBucket, recurrentCandidates } from "../kernels/recurrent/plan.ts";
import { gru, lstm } from "../kernels/recurrent/recurrent.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { TuningCase } from "./tuner.ts";

type Operands = readonly Tensor[];

const ENTRIES: readonly RecurrentEntry[] = ["forward", "backward"];

/** A product as a case. */
export function productCase(device: WebGpuDevice, shape: ProductShape): TuningCase {
  const { m, n, k, batches, transposeA, transposeB, rowsApart } = shape;
  // The rows of one matrix are kept apart where they come in batches.
  const leading = batches > 1 ? [batches] : [];
  const matrix = (isTransposed: boolean, rows: number, cols: number) => (isTransposed ? [cols, rows] : [rows, cols]);
  return {
    bucket: productBucket(shape),
    candidates: productCandidates(device, shape),
    operands: [
      [...(rowsApart ? [1] : leading), ...matrix(transposeA, m, k)],
      [...leading, ...matrix(transposeB, k, n)],
    ],
    check: { terms: k },
    products: batches * m * n * k,
    run: ([a, b]) => matmul(a!, b!, { transposeA, transposeB }),
  };
}

/** One direction of a convolution as a case. */
export function convCase(device: WebGpuDevice, geometry: Geometry, direction: Direction): TuningCase {
  const { n, groups, ci, co, size, outSize, kernel } = geometry;
  const taps = kernel[0] * kernel[1];
  const positions = n * outSize[0] * outSize[1];
  const x: Shape = [n, groups * ci, ...size];
  const weight: Shape = [groups * co, ci, ...kernel];
  const y: Shape = [n, groups * co, ...outSize];
  return {
    bucket: convBucket(geometry, direction),
    products: positions * groups * ci * co * taps,
    ...{
      forward: {
        candidates: slideCandidates(device, geometry, false),
        operands: [x, weight],
        check: { terms: ci * taps },
        run: ([x, w]: Operands) => forward(x!, w!, null, geometry, "f32"),
      },
      backwardInput: {
        candidates: slideCandidates(device, geometry, true),
        operands: [y, weight],
        check: { terms: co * taps },
        run: ([y, w]: Operands) => backwardInput(y!, w!, null, geometry, "f32"),
      },
      backwardWeight: {
        candidates: weightCandidates(device, geometry),
        operands: [x, y],
        check: { terms: positions },
        run: ([x, y]: Operands) => backwardWeight(x!, y!, geometry, "f32"),
      },
    }[direction],
  };
}

/** A recurrent network of one layer and direction as a case. */
export function recurrentCase(
  device: WebGpuDevice,
  cell: "lstm" | "gru",
  { b, t, d, hidden }: Readonly<Record<"b" | "t" | "d" | "hidden", number>>,
  entry: RecurrentEntry,
): TuningCase {
  const gates = { lstm: 4, gru: 3 }[cell];
  const shape = { cell, b, t, hidden, gates };
  const output = ([x, weightIh, weightHh]: Operands) =>
    ({ lstm, gru })[cell](x!, { weightIh: weightIh!, weightHh: weightHh! }).output;
  return {
    bucket: recurrentBucket(shape, entry),
    candidates: recurrentCandidates(device, shape),
    operands: [
      [b, t, d],
      [gates * hidden, d],
      [gates * hidden, hidden],
      [b, t, hidden],
    ],
    products: b * t * gates * hidden * (d + hidden),
    // Some t times the roundings of a step; a product that is missing or twice there changes the hundredth part.
    check: { tolerance: 1e-4 },
    run(operands) {
      if (entry === "forward") return output(operands);
      const [x, ...rest] = operands as readonly [Tensor, ...Tensor[]];
      const input = x.detach();
      input.requiresGrad = true;
      return grad(output([input, ...rest]), [input], { gradOutputs: [rest.at(-1)!] })[0]!;
    },
    clock: "wall",
  };
}

export const TUNED_OPS = ["matmul", "conv", "recurrent"] as const;

/** The cases of the standard sizes: those of training steps of usual models, and unless it must be quick some more. */
export function standardCases(device: WebGpuDevice, ops: readonly string[], isQuick: boolean): TuningCase[] {
  const isGpu = device.family === "gpu";
  const squares = isQuick ? [1024] : [256, 512, 1024, ...(isGpu ? [2048, 4096] : [])];
  const products = [
    ...squares.flatMap((size) => (["NN", "NT", "TN"] as const).map((layout) => productShape(layout, size, size, size))),
    ...linear(64, 3136, 128), // a CNN's head
    ...linear(64, 128, 10),
    ...linear(2048, 64, 512, true), // an LSTM's gates, and its gradients
    productShape("TN", 512, 128, 2048),
    ...[128, 384, 512].flatMap((size) => linear(4096, 128, size, true)), // a Transformer's layers
    ...linear(4096, 512, 128, true),
    ...linear(32, 128, 4),
    ...(isQuick ? [] : [...linear(1, 64, 128), ...linear(1, 128, 128), ...linear(1, 128, 10)]),
    ...(isQuick ? [] : [productShape("TN", 128, 128, 8192), productShape("NN", 128, 128, 128, { batches: 64 })]),
    // A language model's, for which a software adapter takes too long.
    ...(isGpu && !isQuick
      ? [...[65, 384, 1536].flatMap((size) => linear(3072, 384, size, true)), ...linear(3072, 1536, 384, true)]
      : []),
  ];
  const images = [
    { n: 64, ci: 1, co: 32, size: 28 },
    { n: 64, ci: 32, co: 64, size: 14 },
    ...(isQuick ? [] : [{ n: 64, ci: 3, co: 32, size: 32 }]),
    ...(isGpu && !isQuick ? [{ n: 64, ci: 64, co: 64, size: 32 }] : []),
    ...(isGpu && !isQuick ? [{ n: 64, ci: 128, co: 128, size: 16 }] : []),
  ];
  const sequences = { b: 32, t: 64, d: 64, hidden: 128 };
  const cells = isQuick ? (["lstm"] as const) : (["lstm", "gru"] as const);
  const cases = [
    ...(ops.includes("matmul") ? products.map((shape) => productCase(device, shape)) : []),
    ...(ops.includes("conv") ? images.flatMap((image) => convCases(device, image)) : []),
    ...(ops.includes("recurrent")
      ? cells.flatMap((cell) => ENTRIES.map((entry) => recurrentCase(device, cell, sequences, entry)))
      : []),
  ];
  return [...new Map(cases.map((one) => [one.bucket, one])).values()];
}

/** A product of [m, k] by [k, n], and those of its gradients. */
export function productCases(device: WebGpuDevice, m: number, n: number, k: number): TuningCase[] {
  const shapes = [productShape("NN", m, n, k), productShape("NT", m, k, n), productShape("TN", k, n, m)];
  return shapes.map((shape) => productCase(device, shape));
}

function productShape(
  layout: "NN" | "NT" | "TN",
  m: number,
  n: number,
  k: number,
  rest: Partial<ProductShape> = {},
): ProductShape {
  return { m, n, k, batches: 1, transposeA: layout[0] === "T", transposeB: layout[1] === "T", ...rest };
}

// A linear layer's product and those of its gradients; rows are kept apart in batches of sequences.
function linear(rows: number, inputs: number, outputs: number, rowsApart = false): ProductShape[] {
  return [
    productShape("NT", rows, outputs, inputs, { rowsApart }),
    productShape("NN", rows, inputs, outputs, { rowsApart }),
    productShape("TN", outputs, inputs, rows),
  ];
}

// A convolution of 3 x 3 that keeps the images' size. Nobody asks for the gradient of the images that a model is given.
function convCases(device: WebGpuDevice, image: { n: number; ci: number; co: number; size: number }): TuningCase[] {
  const { n, ci, co, size } = image;
  const geometry: Geometry = {
    ...{ n, groups: 1, ci, co, size: [size, size], outSize: [size, size] },
    ...{ kernel: [3, 3], stride: [1, 1], pad: [1, 1], dilation: [1, 1] },
  };
  const directions: Direction[] = ["forward", ...(ci > 3 ? (["backwardInput"] as const) : []), "backwardWeight"];
  return directions.map((direction) => convCase(device, geometry, direction));
}
