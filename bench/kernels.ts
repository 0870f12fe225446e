/**
 * `npm run bench -- kernels`: each kernel family alone, by the GPU's clock, against what the adapter was measured to reach
 * at best: arithmetic in registers, and a copy of memory.
 */
import * as tg from "../src/index.ts"; // in a project of your own: from "tilegrad"
import { table } from "./table.ts";

const ROUNDS = 5;

interface Work {
  /** Runs it; its kernels are timed. */
  readonly run: () => unknown;
  /** Floating-point operations that the mathematics asks for; a multiplication and an addition are two. */
  readonly flops: number;
  /** Bytes that have to be read or written at least: each operand and each result once. */
  readonly bytes: number;
}

interface KernelFigures {
  readonly name: string;
  readonly shape: string;
  readonly milliseconds: number;
  readonly gigaflops: number;
  readonly gigabytes: number;
  /** Of the ceiling that binds, arithmetic or memory: 1 is all. */
  readonly share: number;
}

interface Ceilings {
  readonly gigaflops: number;
  readonly gigabytes: number;
}

/** The least time of all kernels of a piece of work, in milliseconds. */
export async function kernelTime(run: () => unknown, rounds = ROUNDS): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round <= rounds; round++) {
    const { milliseconds } = await tg.profile(() => tg.scope(() => void run()));
    if (round > 0) best = Math.min(best, milliseconds); // the first compiles
  }
  return best;
}

const arithmetic = tg.kernel(
  `struct Params { steps: u32 }
   var<immediate> params: Params;
   @group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
   @compute @workgroup_size(64)
   fn run(@builtin(global_invocation_id) gid: vec3u) {
     let a = vec4f(f32(gid.x & 7u)) * 1e-3 + 0.5;
     var s0 = a; var s1 = a + 1.0; var s2 = a + 2.0; var s3 = a + 3.0; // as many as the registers of a processor hold
     for (var i = 0u; i < params.steps; i++) {
       s0 = s0 * a + a; s1 = s1 * a + a; s2 = s2 * a + a; s3 = s3 * a + a;
       s0 = s0 * a + a; s1 = s1 * a + a; s2 = s2 * a + a; s3 = s3 * a + a;
       s0 = s0 * a + a; s1 = s1 * a + a; s2 = s2 * a + a; s3 = s3 * a + a;
       s0 = s0 * a + a; s1 = s1 * a + a; s2 = s2 * a + a; s3 = s3 * a + a;
     }
     y[gid.x] = (s0 + s1) + (s2 + s3);
   }`,
  { name: "arithmetic" },
);

const copy = tg.kernel(
  `@group(0) @binding(0) var<storage, read> x: array<vec4f>;
   @group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
   @compute @workgroup_size(64)
   fn run(@builtin(global_invocation_id) gid: vec3u) { y[gid.x] = x[gid.x]; }`,
  { name: "copy" },
);

async function measureCeilings(isGpu: boolean): Promise<Ceilings> {
  const groups = isGpu ? 8192 : 64;
  const steps = isGpu ? 4096 : 1024;
  const y = tg.empty([groups * 64 * 4]);
  const work = () => tg.dispatch(arithmetic, "run", { bind: { y }, params: { steps }, groups });
  const flops = groups * 64 * steps * 16 * 4 * 2;
  const gigaflops = flops / (await kernelTime(work)) / 1e6;
  y.dispose();

  const copyGroups = 65_535;
  const [from, to] = [tg.zeros([copyGroups * 256]), tg.empty([copyGroups * 256])];
  const ms = await kernelTime(() => tg.dispatch(copy, "run", { bind: { x: from, y: to }, groups: copyGroups }));
  const gigabytes = (2 * from.size * 4) / ms / 1e6;
  from.dispose();
  to.dispose();
  return { gigaflops, gigabytes };
}

const normal = (...shape: number[]) => tg.randn(shape, { requiresGrad: true });
const sizeOf = (...tensors: tg.Tensor[]) => tensors.reduce((bytes, { size }) => bytes + size * 4, 0);

/** The gradients of `y` with respect to `xs`, for a gradient of y that is there. */
function backwardOf(y: tg.Tensor, xs: readonly tg.Tensor[]): () => unknown {
  const gradient = tg.randn(y.shape);
  return () => tg.grad(y, xs, { gradOutputs: [gradient], retainGraph: true });
}

function matmulWork(m: number, n: number, k: number, layout: "NN" | "NT" | "TN" = "NN", batch: number[] = []): Work {
  const [transposeA, transposeB] = [layout[0] === "T", layout[1] === "T"];
  const a = normal(...batch, ...(transposeA ? [k, m] : [m, k]));
  const b = normal(...batch, ...(transposeB ? [n, k] : [k, n]));
  const count = batch.reduce((x, y) => x * y, 1);
  return {
    run: () => tg.matmul(a, b, { transposeA, transposeB }),
    flops: 2 * count * m * n * k,
    bytes: 4 * count * (m * k + k * n + m * n),
  };
}

type Case = readonly [name: string, shape: string, make: () => Work];

function cases(isGpu: boolean): Case[] {
  const square = (n: number): Case => ["matmul", `${n} x ${n} x ${n}`, () => matmulWork(n, n, n)];
  const rows = 4096;
  return [
    ...[256, 512, 1024, 2048, ...(isGpu ? [4096] : [])].map(square),
    ["matmul, B transposed", "1024 x 1024 x 1024", () => matmulWork(1024, 1024, 1024, "NT")],
    ["matmul, A transposed", "1024 x 1024 x 1024", () => matmulWork(1024, 1024, 1024, "TN")],
    ["matmul, one row", "1 x 4096 x 1024", () => matmulWork(1, 4096, 1024)],
    ["matmul, narrow", "4096 x 8 x 1024", () => matmulWork(4096, 8, 1024)],
    ["matmul, long sum", "128 x 128 x 8192", () => matmulWork(128, 128, 8192, "TN")],
    ["matmul, 64 at once", "128 x 128 x 128", () => matmulWork(128, 128, 128, "NN", [64])],
    ...both("conv2d", "64 x 32 x 14 x 14, 64 of 3 x 3", () => {
      const x = normal(64, 32, 14, 14);
      const w = normal(64, 32, 3, 3);
      const y = tg.conv2d(x, w, null, { padding: 1 });
      const flops = 2 * y.size * 32 * 9;
      return { y, xs: [x, w], forward: () => tg.conv2d(x, w, null, { padding: 1 }), flops, passes: 2 };
    }),
    ...both("attention", "32 x 128, 4 heads of 32", () => {
      const [q, k, v] = [normal(32, 128, 128), normal(32, 128, 128), normal(32, 128, 128)];
      const attend = () => tg.multiHeadAttention(q, k, v, { heads: 4 });
      const flops = 2 * 2 * 32 * 4 * 128 * 128 * 32;
      return { y: attend(), xs: [q, k, v], forward: attend, flops, passes: 2.5 };
    }),
    ...both("layerNorm", "4096 x 128", () => {
      const [x, w, b] = [normal(rows, 128), normal(128), normal(128)];
      const norm = () => tg.layerNorm(x, 128, w, b);
      return { y: norm(), xs: [x, w, b], forward: norm, flops: 8 * x.size, passes: 1.5 };
    }),
    ...both("softmax", "4096 x 512", () => {
      const x = normal(rows, 512);
      return { y: tg.softmax(x, -1), xs: [x], forward: () => tg.softmax(x, -1), flops: 5 * x.size, passes: 1 };
    }),
    ...both("crossEntropy", "4096 x 5000", () => {
      const x = normal(rows, 5000);
      const labels = tg.randint(0, 5000, [rows]);
      const loss = () => tg.crossEntropy(x, labels);
      return { y: loss(), xs: [x], forward: loss, flops: 5 * x.size, passes: 1 };
    }),
    ...both("embedding", "4096 of 5000 x 128", () => {
      const w = normal(5000, 128);
      const ids = tg.randint(0, 5000, [rows]);
      const look = () => tg.embedding(w, ids);
      return { y: look(), xs: [w], forward: look, flops: 0, passes: 1 };
    }),
    ...both("batchNorm", "64 x 32 x 28 x 28", () => {
      const layer = new tg.nn.BatchNorm2d(32);
      const x = normal(64, 32, 28, 28);
      const xs = [x, layer.weight!, layer.bias!];
      return { y: layer.forward(x), xs, forward: () => layer.forward(x), flops: 8 * x.size, passes: 1.5 };
    }),
    ...both("maxPool2d", "64 x 32 x 28 x 28", () => {
      const x = normal(64, 32, 28, 28);
      return { y: tg.maxPool2d(x, 2), xs: [x], forward: () => tg.maxPool2d(x, 2), flops: x.size, passes: 1 };
    }),
    ...(["LSTM", "GRU"] as const).flatMap((cell) =>
      both(cell, "32 x 64, 64 to 128", () => {
        const layer = new tg.nn[cell](64, 128);
        const x = normal(32, 64, 64);
        const run = () => layer.forward(x).output;
        const flops = 2 * 32 * 64 * (64 + 128) * 128 * (cell === "LSTM" ? 4 : 3);
        return { y: run(), xs: [x, ...layer.parameters()], forward: run, flops, passes: 2 };
      }),
    ),
    [
      "sum of all",
      "4194304",
      () =>
        reduction(
          () => normal(2 ** 22),
          (x) => x.sum(),
        ),
    ],
    [
      "sum of rows",
      "4096 x 1024",
      () =>
        reduction(
          () => normal(rows, 1024),
          (x) => x.sum(1),
        ),
    ],
    [
      "sum of columns",
      "4096 x 1024",
      () =>
        reduction(
          () => normal(rows, 1024),
          (x) => x.sum(0),
        ),
    ],
    ...both("gelu", "4194304", () => {
      const x = normal(2 ** 22);
      return { y: x.gelu(), xs: [x], forward: () => x.gelu(), flops: 10 * x.size, passes: 1 };
    }),
    [
      "add",
      "4194304",
      () => {
        const [a, b] = [normal(2 ** 22), normal(2 ** 22)];
        return { run: () => a.add(b), flops: a.size, bytes: 3 * sizeOf(a) };
      },
    ],
    [
      "Adam",
      "4194304",
      () => {
        const weights = new tg.nn.Parameter(tg.randn([2 ** 22]));
        const adam = new tg.optim.Adam([weights]);
        weights.grad = tg.randn([2 ** 22]);
        return { run: () => adam.step(), flops: 12 * weights.size, bytes: 7 * sizeOf(weights) };
      },
    ],
  ];
}

function reduction(make: () => tg.Tensor, reduce: (x: tg.Tensor) => tg.Tensor): Work {
  const x = make();
  return { run: () => reduce(x), flops: x.size, bytes: sizeOf(x) };
}

interface Differentiable {
  readonly y: tg.Tensor;
  readonly xs: readonly tg.Tensor[];
  readonly forward: () => unknown;
  readonly flops: number;
  /** Arithmetic of the gradients, in units of the forward pass. */
  readonly passes: number;
}

// Backward reads the inputs and the gradient of y, and writes as many gradients.
function both(name: string, shape: string, make: () => Differentiable): Case[] {
  return [
    [
      name,
      shape,
      () => {
        const { y, xs, forward, flops } = make();
        return { run: forward, flops, bytes: sizeOf(y, ...xs) };
      },
    ],
    [
      `${name}, backward`,
      shape,
      () => {
        const { y, xs, flops, passes } = make();
        return { run: backwardOf(y, xs), flops: passes * flops, bytes: sizeOf(y, ...xs, ...xs) };
      },
    ],
  ];
}

/** Measures all kernels. @param report is told of each */
async function measure(report: (name: string) => void) {
  const { adapter } = await tg.init({ device: "webgpu" });
  const isGpu = adapter!.family === "gpu";
  report("the adapter's ceilings");
  const ceilings = await measureCeilings(isGpu);
  const figures: KernelFigures[] = [];
  for (const [name, shape, make] of cases(isGpu)) {
    report(`${name}, ${shape}`);
    const { run, flops, bytes } = make();
    const milliseconds = await kernelTime(run);
    const gigaflops = flops / milliseconds / 1e6;
    const gigabytes = bytes / milliseconds / 1e6;
    const share = Math.max(gigaflops / ceilings.gigaflops, gigabytes / ceilings.gigabytes);
    figures.push({ name, shape, milliseconds, gigaflops, gigabytes, share });
  }
  return { adapter: adapter!.description, ceilings, figures };
}

/** The command. */
export async function benchKernels({ json }: { json: boolean }): Promise<void> {
  const result = await measure((name) => console.error(`bench: ${name}`));
  if (json) return console.log(JSON.stringify(result));
  const { adapter, ceilings, figures } = result;
  console.log(
    `\n${adapter}\nat best ${ceilings.gigaflops.toFixed(1)} GFLOP/s in registers, ${ceilings.gigabytes.toFixed(1)} GB/s copying\n`,
  );
  console.log(
    table(
      ["kernel", "shape", "ms", "GFLOP/s", "GB/s", "of the ceiling"],
      figures.map(({ name, shape, milliseconds, gigaflops, gigabytes, share }) => [
        name,
        shape,
        milliseconds.toFixed(3),
        gigaflops.toFixed(1),
        gigabytes.toFixed(2),
        `${(100 * share).toFixed(0)} %`,
      ]),
    ),
  );
}
