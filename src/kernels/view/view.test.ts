import { test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { gather, scatterAdd } from "../gather/gather.ts";
import { embedding } from "../index-select/embedding.ts";
import { permute } from "./permute.ts";
import { slice } from "./slice.ts";

test("a", () => checkOp((x) => permute(x, [2, 0, 1]), [[2, 3, 4]], { second: true }));
test("b", () => checkOp((x) => slice(x, [1, 3], ":", "::-2"), [[4, 3, 5]], { second: true }));
test("c", () =>
  checkOp((x, i) => embedding(x, i), [[5, 3], { shape: [2, 4], dtype: "i32", range: [0, 5] }], { second: true }));
test("d", () =>
  checkOp((x, i) => gather(x, 1, i), [[3, 4], { shape: [3, 6], dtype: "i32", range: [0, 4] }], { second: true }));
test("e", () =>
  checkOp((x, i, s) => scatterAdd(x, 1, i, s), [[3, 4], { shape: [3, 6], dtype: "i32", range: [0, 4] }, [3, 6]], {
    second: true,
  }));
