/** Files that PyTorch wrote with torch.save: what is in them, and what is refused. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { DataError } from "../../src/gpu/errors.ts";
import {
  type PytorchTensor,
  parsePytorch,
  parseWeights,
  pytorchOptimizerState,
  toFloat32,
} from "../../src/io/index.ts";
import { loadWeights, readPytorchFile, readWeightsFile } from "../../src/io/weights-node.ts";
import { tensor } from "../../src/kernels/creation/creation.ts";
import { relu } from "../../src/kernels/ops.ts";
import { BatchNorm1d, Linear, Module } from "../../src/nn/index.ts";
import { Adam } from "../../src/optim/adam.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

interface Listed {
  readonly dtype: string;
  readonly shape: number[];
  readonly values: number[];
}

const at = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));
const read = (name: string) => new Uint8Array(readFileSync(at(name)));
const expected = JSON.parse(readFileSync(at("saved.json"), "utf8")) as {
  tensors: Record<string, Listed>;
  model: Record<string, Listed>;
  moments: Listed[];
  input: Listed;
  output: Listed;
};

class Net extends Module {
  readonly hidden = new Linear(3, 4);
  readonly norm = new BatchNorm1d(4);
  readonly head: Linear;

  constructor(classes = 2) {
    super();
    this.head = new Linear(4, classes);
  }

  override forward(x: Tensor): Tensor {
    return this.head.forward(relu(this.norm.forward(this.hidden.forward(x))));
  }
}

const checkpoint = parsePytorch(read("saved.pt")) as Map<unknown, unknown>;

describe("a checkpoint", () => {
  const tensors = checkpoint.get("tensors") as Map<string, PytorchTensor>;

  test.each(Object.entries(expected.tensors))("has the tensor %s", (name, { dtype, shape, values }) => {
    const tensor = tensors.get(name)!;
    const entry = tensor.entry();
    const isFloat = ["F32", "F64", "F16", "BF16"].includes(entry.dtype);
    const numbers = Array.from(entry.dtype === "F64" || !isFloat ? entry.data : toFloat32(entry), Number);
    expect([tensor.dtype, tensor.shape, numbers]).toEqual([dtype, shape, values]);
  });

  test("shares what views share, and copies nothing that lies in order", () => {
    const [whole, shifted] = ["whole", "shifted"].map((name) => tensors.get(name)!.entry().data as Float32Array);
    expect(shifted!.buffer).toBe(whole!.buffer);
  });

  test("has the plain values", () => {
    expect([...checkpoint.keys()].slice(-2)).toEqual(["__proto__", 7]);
    expect(["epoch", "loss", 7].map((key) => checkpoint.get(key))).toEqual([12, 0.125, "seven"]);
    expect(checkpoint.get("plain")).toEqual([
      ...[null, true, false, -1, 70000, 2 ** 40, 2n ** 70n, -(2n ** 70n), 1e300, "snow \u2603", Uint8Array.of(0, 255)],
      ...[[1, 2], [], [], new Map()],
    ]);
    expect([...(checkpoint.get("ordered") as Map<string, number>)]).toEqual([
      ["b", 1],
      ["a", 2],
    ]);
    expect(checkpoint.get("others")).toEqual([[2, 3], "float16", "cpu", "cuda:1", [3]]);
    expect(checkpoint.get("__proto__")).toEqual(new Map([["polluted", true]]));
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

test("is read from a file in parts, until the file changes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tilegrad-saved-"));
  const path = join(folder, "saved.pt");
  writeFileSync(path, read("saved.pt"));
  const checkpoint = (await readPytorchFile(path)) as Map<string, Map<string, PytorchTensor>>;
  const tensors = checkpoint.get("tensors")!;
  expect([...tensors.get("part")!.entry().data]).toEqual(expected.tensors.part!.values);
  writeFileSync(path, read("saved-protocol4.pt"));
  expect(() => tensors.get("float32")!.entry()).toThrow(/saved\.pt: was changed while it was read; try again/);
  rmSync(folder, { recursive: true });
  await expect(readPytorchFile(path)).rejects.toThrow("does not exist");
});

describe("its weights", () => {
  const x = () => tensor(expected.input.values, { shape: expected.input.shape });

  async function expectOutput(model: Net): Promise<void> {
    const y = await model.eval().forward(x()).data();
    y.forEach((value, i) => expect(value).toBeCloseTo(expected.output.values[i]!, 5));
    const [counter] = [...model.namedBuffers()].filter(([name]) => name.endsWith("num_batches_tracked"));
    expect(await counter![1].item()).toBe(3);
  }

  test("are found under a usual name, in Node and in bytes", async () => {
    const model = new Net();
    const report = await loadWeights(at("saved.pt"), model);
    expect(report.loaded).toEqual(Object.keys(expected.model));
    await expectOutput(model);
    const other = new Net();
    other.loadStateDict(parseWeights(read("saved.pt"), { at: "model" }));
    await expectOutput(other);
  });

  test("are read in protocol 4, too", async () => {
    const model = new Net();
    await loadWeights(at("saved-protocol4.pt"), model);
    await expectOutput(model);
  });

  test("go into a model with another head", async () => {
    const { mismatched } = await loadWeights(at("saved.pt"), new Net(5), { keepMismatched: true });
    expect(mismatched.map(({ name }) => name)).toEqual(["head.weight", "head.bias"]);
    await expect(loadWeights(at("saved.pt"), new Net(5))).rejects.toThrow(
      /saved\.pt: loadStateDict: head\.weight has shape \[2, 4\], expected \[5, 4\]; head\.bias has/,
    );
  });

  test("are read from where they are said to be", async () => {
    const tensors = await readWeightsFile(at("saved.pt"), { at: "tensors" });
    expect([...tensors.keys()]).toEqual(Object.keys(expected.tensors));
    expect(tensors.get("transposed")!.shape).toEqual([4, 3, 2]);
    await expect(readWeightsFile(at("saved.pt"), { at: "model.net" })).rejects.toThrow('at "model.net" is nothing');
    await expect(readWeightsFile(at("saved.pt"), { at: "optimizer.state" })).rejects.toThrow("is something else");
  });

  test("and Adam's state goes on", async () => {
    const model = new Net();
    const adam = new Adam([{ parameters: model.hidden.parameters(), lr: 1 }, { parameters: model.head.parameters() }]);
    adam.loadStateDict(pytorchOptimizerState(checkpoint.get("optimizer")));
    expect(adam.groups.map(({ options }) => options.lr)).toEqual([0.01, 0.02]);
    const { tensors } = adam.stateDict();
    const moments = [...tensors].filter(([name]) => name.endsWith("exp_avg")).map(([, moment]) => moment);
    for (const [i, { values }] of expected.moments.entries()) {
      (await moments[i]!.data()).forEach((m, k) => expect(m).toBeCloseTo(values[k]!, 6));
    }
    expect(await tensors.get("1.0.step")!.item()).toBe(3);
    expect(() => pytorchOptimizerState(checkpoint.get("model"))).toThrow('the value has no "state" and "param_groups"');
  });
});

describe("what is refused", () => {
  test("the format before PyTorch 1.6, with the remedy", async () => {
    const message = /saved-legacy\.pt: is in the format of PyTorch before 1\.6; in Python, torch\.save\(torch\.load/;
    await expect(readWeightsFile(at("saved-legacy.pt"))).rejects.toThrow(message);
    expect(() => parsePytorch(read("saved-legacy.pt"), { file: "saved-legacy.pt" })).toThrow(message);
  });

  test("a whole module, by the name of its class", async () => {
    await expect(readWeightsFile(at("saved-module.pt"))).rejects.toThrow(
      /saved-module\.pt: is made of "__main__\.Net", which is not run; in Python, save tensors/,
    );
  });

  test("a file that is cut, at every length", () => {
    const bytes = read("saved-protocol4.pt");
    for (let length = 0; length < bytes.length; length += 7) {
      expect(() => parseWeights(bytes.subarray(0, length)), `${length} bytes`).toThrow(DataError);
    }
  });
});
