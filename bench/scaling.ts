/**
 * `npm run bench -- scaling`: how a step's time grows with the batch and with the sequences, how attention's memory grows,
 * and whether any size costs much more than its neighbours. Prints Markdown; its plots are mermaid's.
 */
import * as tg from "../src/index.ts"; // in a project of your own: from "tilegrad"
import { kernelTime } from "./kernels.ts";
import { table } from "./table.ts";
import { models, type Step } from "./workloads.ts";

const ROUNDS = 4;
// Sizes beside edges take turns, in passes over all of them: what else a machine does lasts longer than a kernel.
const EDGE_PASSES = 5;
const EDGE_ROUNDS = 5;
const NOT_YET = new Array<number>(3).fill(Number.POSITIVE_INFINITY);

/** The best time of a step, in milliseconds. */
async function stepTime(step: Step): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await step();
    if (round > 0) best = Math.min(best, performance.now() - start); // the first compiles
  }
  return best;
}

interface Curve {
  readonly title: string;
  readonly axis: string;
  /** What the axis counts. */
  readonly unit: string;
  readonly sizes: readonly number[];
  readonly make: (size: number) => Step;
}

const curves: readonly Curve[] = [
  {
    title: "transformer, 128 tokens",
    axis: "batch",
    unit: "example",
    sizes: [1, 2, 4, 8, 16, 24, 32, 48, 64],
    make: (batch) => models.transformer({ batch, time: 128, capture: false }),
  },
  {
    title: "transformer, batch of 8",
    axis: "tokens",
    unit: "token",
    sizes: [16, 32, 64, 128, 192, 256, 384, 512],
    make: (time) => models.transformer({ batch: 8, time, capture: false }),
  },
  {
    title: "lstm, batch of 32",
    axis: "tokens",
    unit: "token",
    sizes: [16, 32, 64, 128, 192, 256, 384, 512],
    make: (time) => models.lstm({ batch: 32, time, capture: false }),
  },
  {
    title: "cnn",
    axis: "batch",
    unit: "example",
    sizes: [1, 2, 4, 8, 16, 32, 64, 96, 128],
    make: (batch) => models.cnn({ batch, capture: false }),
  },
];

/** Bytes that attention takes, forward and backward, above its inputs, its output and their gradients. */
async function attentionMemory(time: number): Promise<number> {
  const make = () => tg.randn([1, time, 128], { requiresGrad: true });
  const [q, k, v] = [make(), make(), make()];
  await tg.sync();
  const before = tg.memory().liveBytes;
  tg.resetPeakMemory();
  tg.scope(() => tg.multiHeadAttention(q, k, v, { heads: 4, causal: true }).sum().backward());
  const bytes = tg.memory().peakBytes - before;
  for (const x of [q, k, v]) {
    x.grad?.dispose();
    x.dispose();
  }
  return bytes;
}

interface Edge {
  readonly name: string;
  readonly edges: readonly number[];
  readonly make: (size: number) => () => unknown;
}

const edges: readonly Edge[] = [
  { name: "matmul, rows", edges: [64, 256, 512], make: (n) => product(n, 256, 256) },
  { name: "matmul, columns", edges: [64, 256, 512], make: (n) => product(256, n, 256) },
  { name: "matmul, summed over", edges: [64, 256, 512], make: (n) => product(256, 256, n) },
  { name: "attention, tokens", edges: [64, 128, 256], make: attention },
  { name: "conv2d, channels", edges: [16, 32, 64], make: (n) => convolution(n, 16) },
  { name: "conv2d, width", edges: [8, 16, 32], make: (n) => convolution(16, n) },
  { name: "softmax, columns", edges: [64, 256, 1024], make: (n) => rowsOf(n, (x) => tg.softmax(x, -1)) },
  { name: "layerNorm, columns", edges: [64, 256, 1024], make: (n) => rowsOf(n, (x) => tg.layerNorm(x, n)) },
  { name: "sum of rows, columns", edges: [64, 256, 1024], make: (n) => rowsOf(n, (x) => x.sum(1)) },
  { name: "sum of columns, columns", edges: [64, 256, 1024], make: (n) => rowsOf(n, (x) => x.sum(0)) },
];

function product(m: number, n: number, k: number): () => unknown {
  const [a, b] = [tg.randn([4, m, k]), tg.randn([4, k, n])];
  return () => tg.matmul(a, b);
}

function attention(time: number): () => unknown {
  const make = () => tg.randn([8, time, 64], { requiresGrad: true });
  const [q, k, v] = [make(), make(), make()];
  return () => tg.grad(tg.multiHeadAttention(q, k, v, { heads: 2 }).sum(), [q, k, v]);
}

function convolution(channels: number, width: number): () => unknown {
  const x = tg.randn([16, channels, 16, width], { requiresGrad: true });
  const w = tg.randn([32, channels, 3, 3], { requiresGrad: true });
  return () => tg.grad(tg.conv2d(x, w, null, { padding: 1 }).sum(), [x, w]);
}

function rowsOf(columns: number, run: (x: tg.Tensor) => unknown): () => unknown {
  const x = tg.randn([2 ** 20 / 256, columns]);
  return () => run(x);
}

function plot({ title, axis, sizes }: Curve, times: readonly number[]): string {
  return [
    "```mermaid",
    "xychart-beta",
    `  title "${title}"`,
    `  x-axis "${axis}" [${sizes.join(", ")}]`,
    `  y-axis "ms per step" 0 --> ${Math.ceil(Math.max(...times) * 1.05)}`,
    `  line [${times.map((ms) => ms.toFixed(1)).join(", ")}]`,
    "```",
  ].join("\n");
}

/** The command. */
export async function benchScaling(): Promise<void> {
  const { adapter } = await tg.init({ device: "webgpu" });
  console.log(`\n${adapter!.description}\n\n### Step time\n`);
  for (const curve of curves) {
    const times: number[] = [];
    for (const size of curve.sizes) {
      console.error(`bench: ${curve.title}: ${curve.axis} ${size}`);
      times.push(await stepTime(curve.make(size)));
    }
    console.log(`${plot(curve, times)}\n`);
    console.log(
      `${table(
        [curve.axis, ...curve.sizes.map(String)],
        [
          ["ms", ...times.map((ms) => ms.toFixed(1))],
          [`ms per ${curve.unit}`, ...times.map((ms, i) => (ms / curve.sizes[i]!).toFixed(2))],
        ],
      )}\n`,
    );
  }

  console.log("### Memory of attention, forward and backward\n");
  const lengths = [128, 512, 2048];
  const bytes: number[] = [];
  for (const length of lengths) bytes.push(await attentionMemory(length));
  console.log(
    `${table(
      ["tokens", ...lengths.map(String)],
      [
        ["MB", ...bytes.map((count) => (count / 1e6).toFixed(2))],
        ["kB per token", ...bytes.map((count, i) => (count / lengths[i]! / 1e3).toFixed(2))],
      ],
    )}\n`,
  );

  console.log("### Sizes beside an edge of tiles\n");
  const triples = edges.flatMap(({ name, edges: sizes, make }) =>
    sizes.map((edge) => ({ name, edge, runs: [edge - 1, edge, edge + 1].map(make), best: [...NOT_YET] })),
  );
  for (let pass = 0; pass < EDGE_PASSES; pass++) {
    console.error(`bench: sizes beside edges, pass ${pass + 1} of ${EDGE_PASSES}`);
    for (const { runs, best } of triples) {
      for (let round = 0; round < EDGE_ROUNDS; round++) {
        for (const [i, run] of runs.entries()) best[i] = Math.min(best[i]!, await kernelTime(run, 1));
      }
    }
  }
  const rows = triples.map(({ name, edge, best }) => {
    const ratio = Math.max(...best) / Math.min(...best);
    return [name, `${edge}`, ...best.map((ms) => ms.toFixed(3)), ratio.toFixed(2)];
  });
  console.log(table(["", "n", "n - 1, ms", "n, ms", "n + 1, ms", "worst over best"], rows));
}
