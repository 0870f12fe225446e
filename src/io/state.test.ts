import { describe, expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { rand } from "../kernels/random/random.ts";
import { BatchNorm1d, Sequential } from "../nn/index.ts";
import { parseSafetensors, type SafetensorsEntry, serializeSafetensors } from "./safetensors.ts";
import { parseState, serializeState } from "./state.ts";

test("a module's state, there and back, with PyTorch's names and dtypes", async () => {
  const model = new Sequential(new BatchNorm1d(2), new BatchNorm1d(2));
  for (let step = 0; step < 3; step++) model.forward(rand([4, 2]));
  const bytes = await serializeState(model.stateDict());
  const { tensors, metadata } = parseSafetensors(bytes);
  expect(metadata).toEqual({ format: "pt" });
  expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
    ["0.num_batches_tracked", "I64", []],
    ["1.num_batches_tracked", "I64", []],
    ...["0", "1"].flatMap((i) =>
      ["bias", "running_mean", "running_var", "weight"].map((key) => [`${i}.${key}`, "F32", [2]]),
    ),
  ]);
  expect(tensors.get("1.num_batches_tracked")!.data).toEqual(BigInt64Array.of(3n));

  const other = new Sequential(new BatchNorm1d(2), new BatchNorm1d(2));
  other.loadStateDict(parseState(bytes));
  expect(await serializeState(other.stateDict())).toEqual(bytes);
  // What the plain reader gives can be loaded too.
  const third = new Sequential(new BatchNorm1d(2), new BatchNorm1d(2));
  third.loadStateDict(tensors as Parameters<typeof third.loadStateDict>[0]);
  expect(await serializeState(third.stateDict())).toEqual(bytes);
});

test("every dtype of a tensor", async () => {
  const state = new Map(
    (["f32", "i32", "u32", "bool"] as const).map((dtype) => [dtype as string, tensor([0, 1], { dtype })]),
  );
  const { tensors } = parseSafetensors(await serializeState(state, {}));
  expect([...tensors].map(([name, { dtype }]) => [name, dtype])).toEqual([
    ["f32", "F32"],
    ["u32", "U32"],
    ["i32", "I32"],
    ["bool", "BOOL"],
  ]);
});

describe("parseState", () => {
  const parsed = (entry: SafetensorsEntry) =>
    parseState(serializeSafetensors([["x", entry]]), { file: "model.safetensors" }).get("x")!.data;
  const shape = [2];

  test("takes numbers of all widths", () => {
    expect(parsed({ dtype: "F64", shape, data: Float64Array.of(0.1, -2) })).toEqual(Float32Array.of(0.1, -2));
    expect(parsed({ dtype: "F16", shape, data: Uint16Array.of(0x3c00, 0xc000) })).toEqual(Float32Array.of(1, -2));
    expect(parsed({ dtype: "I64", shape, data: BigInt64Array.of(-7n, 9n) })).toEqual(Int32Array.of(-7, 9));
    expect(parsed({ dtype: "U64", shape, data: BigUint64Array.of(0n, 9n) })).toEqual(Int32Array.of(0, 9));
    expect(parsed({ dtype: "I32", shape, data: Int32Array.of(-7, 9) })).toEqual(Int32Array.of(-7, 9));
    expect(parsed({ dtype: "U32", shape, data: Uint32Array.of(2 ** 32 - 1, 9) })).toEqual(
      Uint32Array.of(2 ** 32 - 1, 9),
    );
    expect(parsed({ dtype: "I8", shape, data: Int8Array.of(-7, 9) })).toEqual(Int32Array.of(-7, 9));
    expect(parsed({ dtype: "BOOL", shape, data: Uint8Array.of(0, 1) })).toEqual(Uint32Array.of(0, 1));
  });

  test("refuses what has no such form", () => {
    expect(() => parsed({ dtype: "I64", shape, data: BigInt64Array.of(0n, 2n ** 31n) })).toThrow(
      "model.safetensors: x has the element 2147483648 in I64, expected -2147483648 to 2147483647",
    );
    expect(() => parsed({ dtype: "F8_E4M3", shape, data: Uint8Array.of(0, 1) })).toThrow(
      "model.safetensors: x has dtype F8_E4M3, expected one whose elements are numbers of their own",
    );
    expect(() => parseState(new Uint8Array(3))).toThrow("safetensors: is truncated");
  });
});
