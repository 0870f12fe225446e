import { afterEach, expect, test, vi } from "vitest";
import { type Choice, UNTUNED } from "../gpu/tuning.ts";
import type { WebGpuDevice } from "../gpu/webgpu.ts";
import type { Geometry } from "../kernels/conv/geometry.ts";
import { matmul } from "../kernels/matmul/matmul.ts";
import { rand } from "../kernels/random/random.ts";
import { deviceNamed } from "../tensor/device.ts";
import { convCase, productCase, recurrentCase, standardCases, TUNED_OPS } from "./tune-cases.ts";
import { measure, remember, type TuningCase } from "./tuner.ts";

const device = deviceNamed("webgpu") as WebGpuDevice;
const isGpu = device.family === "gpu";

async function expectAllRight(given: TuningCase, candidates: number): Promise<void> {
  const found = await measure(device, given, { rounds: 1 });
  expect(found).toMatchObject({ candidates: given.candidates.length, refused: [] });
  expect(given.candidates.length, "candidates").toBeGreaterThanOrEqual(candidates);
  expect(device.tuning).toBe(UNTUNED);
}

afterEach(() => void vi.restoreAllMocks());

const square = { batches: 1, transposeA: false, transposeB: false };

// The kernels for GPUs take a software adapter's compiler so long that each of their variants is checked once.
test("every candidate for a product is right", async () => {
  // Tiles of all sizes, of operands with odd lines and of others.
  await expectAllRight(productCase(device, { ...square, m: 190, n: 190, k: 40 }), isGpu ? 10 : 6);
  if (isGpu) return;
  // Rows, turned or not, in parts and in other layouts.
  await expectAllRight(productCase(device, { ...square, m: 12, n: 20, k: 300 }), 8);
  await expectAllRight(productCase(device, { ...square, m: 33, n: 35, k: 150, transposeA: true }), 8);
  await expectAllRight(productCase(device, { ...square, m: 9, n: 6, k: 37, transposeB: true, batches: 3 }), 4);
  await expectAllRight(productCase(device, { ...square, m: 40, n: 24, k: 300, transposeB: true, rowsApart: true }), 4);
});

test("every candidate for the parts of a product is right", () =>
  expectAllRight(productCase(device, { ...square, m: 24, n: 24, k: 600, transposeA: true }), 3));

// Else a row could depend on how many others there are, since that may be another bucket.
test("where rows are kept apart, every candidate gives the same bits", async () => {
  const { bucket, candidates, operands, run } = productCase(device, {
    ...square,
    m: 190,
    n: 190,
    k: 40,
    rowsApart: true,
  });
  const inputs = operands.map((shape) => rand(shape));
  const results: (readonly number[])[] = [];
  for (const choice of candidates) {
    device.tuning = new Map([[bucket, choice]]);
    results.push([...(await run(inputs).data())]);
  }
  device.tuning = UNTUNED;
  expect(results.length).toBeGreaterThanOrEqual(isGpu ? 10 : 6);
  for (const result of results) expect(result).toEqual(results[0]);
});

const geometry: Geometry = {
  ...{ n: 60, groups: 1, ci: 5, co: 6, size: [12, 11], outSize: [6, 6] },
  ...{ kernel: [3, 3], stride: [2, 2], pad: [1, 1], dilation: [1, 1] },
};

test.each(["forward", "backwardInput", "backwardWeight"] as const)(
  "every candidate for a convolution is right, %s",
  (direction) => expectAllRight(convCase(device, geometry, direction), direction === "backwardWeight" ? 4 : 2),
);

test.each(["forward", "backward"] as const)("every candidate for a recurrent network is right, %s", (entry) =>
  expectAllRight(recurrentCase(device, "gru", { b: 11, t: 5, d: 8, hidden: 72 }, entry), 4),
);

const choices: readonly Choice[] = [{ kernel: "usual" }, { kernel: "wrong" }, { kernel: "fails" }, { kernel: "fast" }];

// One whose candidates take as many milliseconds as is said, by clocks that stand still otherwise.
function madeUp(costs: Readonly<Record<string, number>>): TuningCase {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  vi.spyOn(device, "profile").mockImplementation(async (fn) => {
    const start = now * 1e6;
    await fn();
    return [{ label: "made-up.run", groups: 1, start, end: now * 1e6 }];
  });
  return {
    ...{
      bucket: "made up",
      candidates: choices,
      operands: [
        [36, 200],
        [200, 36],
      ],
    },
    ...{ check: { terms: 200 }, products: 36 * 36 * 200 },
    run([a, b]) {
      const choice = a!.device.tuning.get("made up")?.kernel as string | undefined;
      if (choice === "fails") return matmul(a!, a!);
      now += costs[choice ?? ""] ?? 1;
      const y = matmul(a!, b!);
      // Off by one in one element or two.
      return choice === "wrong" ? y.add(y.equal(y.max())) : y;
    },
  };
}

test.each(["gpu", "wall"] as const)(
  "the faster candidate wins by the clock of the %s, and neither a wrong one nor one that fails counts",
  async (clock) => {
    const found = await measure(device, { ...madeUp({ usual: 6, wrong: 1, fast: 2 }), clock }, { rounds: 4 });
    expect(found).toEqual({
      bucket: "made up",
      candidates: 4,
      refused: [{ kernel: "wrong" }, { kernel: "fails" }],
      heuristicMilliseconds: 6,
      winner: { choice: { kernel: "fast" }, milliseconds: 2 },
    });
  },
);

test("without a clock of the GPU, that on the wall decides", async () => {
  const given = madeUp({ usual: 6, fast: 2 });
  const capabilities = vi.spyOn(device.capabilities, "features", "get").mockReturnValue([]);
  expect(await measure(device, given, { rounds: 3 })).toMatchObject({ winner: { choice: { kernel: "fast" } } });
  expect(device.profile).not.toHaveBeenCalled();
  capabilities.mockRestore();
});

test("what is slower, or hardly faster, leaves the heuristic's choice", async () => {
  for (const fast of [3, 2, 1.95]) {
    const found = await measure(device, madeUp({ usual: 2, fast }), { rounds: 4 });
    expect(found).toMatchObject({ winner: null, heuristicMilliseconds: 2 });
  }
});

test("one that was lucky once does not win", async () => {
  const given = madeUp({});
  let turns = 0;
  const run: TuningCase["run"] = (operands) => {
    const isFast = operands[0]!.device.tuning.get("made up")?.kernel === "fast";
    if (isFast) turns++;
    const y = given.run(operands); // takes 1
    if (!isFast || turns !== 3) given.run(operands).dispose(); // and 1 more
    return y;
  };
  expect(await measure(device, { ...given, run }, { rounds: 5 })).toMatchObject({ winner: null });
  expect(turns).toBeGreaterThan(3 + 5); // it came to a second series
});

test("one that is stopped has found nothing, and leaves nothing", async () => {
  const { storages } = device.memory;
  let left = 9;
  expect(await measure(device, madeUp({}), { rounds: 100, isStopped: () => left-- === 0 })).toBe(null);
  expect(device.memory.storages).toBe(storages);
  expect(device.tuning).toBe(UNTUNED);
});

test("a winner takes its bucket's place; where the heuristic held out, it decides again", () => {
  const [a, b] = choices as [Choice, Choice];
  const found = (bucket: string, choice: Choice | null) => ({
    ...{ bucket, heuristicMilliseconds: 2, candidates: 3, refused: [] },
    winner: choice && { choice, milliseconds: 1 },
  });
  const before = new Map([
    ["one", a],
    ["other", a],
  ]);
  const after = (bucket: string, choice: Choice | null) => Object.fromEntries(remember(before, found(bucket, choice)));
  expect(after("one", b)).toEqual({ one: b, other: a });
  expect(after("new", b)).toEqual({ one: a, other: a, new: b });
  expect(after("one", null)).toEqual({ other: a });
  expect(after("new", null)).toEqual({ one: a, other: a });
});

test("the standard sizes are of different buckets, and can be right to the bit", () => {
  const cases = standardCases(device, TUNED_OPS, false);
  expect(new Set(cases.map(({ bucket }) => bucket)).size).toBe(cases.length);
  expect(standardCases(device, TUNED_OPS, true).length).toBeLessThan(cases.length);
  expect(standardCases(device, ["conv"], true).every(({ bucket }) => bucket.startsWith("conv "))).toBe(true);
  for (const { check, bucket } of cases) if ("terms" in check) expect(check.terms, bucket).toBeLessThan(2 ** 22);
});
