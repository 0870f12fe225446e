import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { gradcheck } from "../autograd/gradcheck.ts";
import { tensor, zeros } from "../kernels/creation/creation.ts";
import { randint, randn } from "../kernels/random/random.ts";
import { withDevice } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Embedding, EmbeddingBag } from "./index.ts";

test("gradients of tables, with random options", () =>
  fc.assert(
    fc.asyncProperty(
      fc.record({ mode: fc.constantFrom("sum" as const, "mean" as const, "max" as const) }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 0, max: 4 }),
      async (options, entries, dimensions, bags, length) => {
        await withDevice("cpu:f64", () => {
          const ids = randint(0, entries, [bags, length]);
          const bag = new EmbeddingBag(entries, dimensions, options);
          const layer = new Embedding(entries, dimensions);
          const withTable = (table: Tensor): [Tensor, Tensor] => {
            for (const module of [bag, layer]) Object.defineProperty(module, "weight", { value: table });
            return [bag.forward(ids), layer.forward(ids)];
          };
          return () => gradcheck(withTable, [randn([entries, dimensions], { device: "cpu:f64" })]);
        })();
      },
    ),
    { numRuns: cases(10) },
  ));

test("a table of vectors is taken as it is", async () => {
  const vectors = tensor([
    [1, 2],
    [3, 5],
  ]);
  const ids = tensor([[1, 0]], { dtype: "i32" });
  const bag = EmbeddingBag.fromPretrained(vectors, { mode: "sum" });
  expect([bag.weight.requiresGrad, bag.mode, await bag.forward(ids).toArray()]).toEqual([false, "sum", [[4, 7]]]);
  expect(EmbeddingBag.fromPretrained(vectors, { freeze: false }).weight.requiresGrad).toBe(true);
  expect(() => EmbeddingBag.fromPretrained(zeros([2]))).toThrow(
    "EmbeddingBag.fromPretrained: vectors has shape [2], expected [entries, dimensions]",
  );
});

test("the padding's row starts at 0", async () => {
  const rows = (await new EmbeddingBag(4, 3, { paddingIndex: -1 }).weight.toArray()) as number[][];
  expect(rows.map((row) => row.every((x) => x === 0))).toEqual([false, false, false, true]);
});

test("errors", () => {
  expect(() => new EmbeddingBag(3, 0)).toThrow("EmbeddingBag: dimensions is 0, expected a whole number above 0");
  expect(() => new EmbeddingBag(3, 2, { mode: "median" as never })).toThrow('EmbeddingBag: mode is "median"');
  expect(() => new EmbeddingBag(3, 2, { paddingIndex: 3 })).toThrow("EmbeddingBag: paddingIndex is 3, expected");
  expect(() => new EmbeddingBag(3, 2, { padding: 3 } as never)).toThrow('EmbeddingBag: unknown option "padding"');
});
