import { describe, expect, test } from "vitest";
import { grad } from "../autograd/backward.ts";
import { noGrad } from "../autograd/record.ts";
import { ones, tensor } from "../kernels/creation/creation.ts";
import { add, mul } from "../kernels/elementwise/binary-ops.ts";
import { memory } from "../tensor/device.ts";
import { keep, scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Sequential } from "./containers.ts";
import { Module, Parameter } from "./module.ts";

class Scale extends Module {
  readonly weight = new Parameter(tensor([2, 3]));

  override forward(x: Tensor): Tensor {
    return mul(x, this.weight);
  }
}

/** Two tensors, in an object, to two in another. */
class Cross extends Module {
  override forward({ a, b }: { a: Tensor; b: Tensor }, factor: number): { sum: Tensor; list: Tensor[] } {
    return { sum: add(a, b), list: [mul(a, factor)] };
  }
}

describe("forward hooks", () => {
  test("see inputs and output, in the order they came, until they are taken away", async () => {
    const module = new Scale();
    const seen: string[] = [];
    const x = tensor([1, 1]);
    const remove = [
      module.registerForwardPreHook((self, inputs) => void seen.push(`before ${self === module && inputs[0] === x}`)),
      module.registerForwardHook(
        (self, inputs, y) => void seen.push(`after ${self === module && inputs[0] === x && y !== x}`),
      ),
      module.registerForwardPreHook(() => void seen.push("before, second")),
    ];
    module.forward(x);
    expect(seen).toEqual(["before true", "before, second", "after true"]);
    for (const undo of remove) undo();
    module.forward(x);
    expect(seen.length).toBe(3);
  });

  test("replace inputs and output", async () => {
    const module = new Sequential(new Scale());
    module.registerForwardPreHook((_, [x]) => [(x as Tensor).mul(10)]);
    module.registerForwardHook((_, [x], y) => (y as Tensor).add(x as Tensor));
    expect(await module.forward(tensor([1, 2])).toArray()).toEqual([30, 80]);
  });

  test("an error in a hook carries the module's path", () => {
    const inner = new Scale();
    inner.registerForwardPreHook((_, [x]) => [(x as Tensor).reshape([3])]);
    expect(() => new Sequential(inner).forward(tensor([1, 2]))).toThrow(/^0: reshape/);
  });
});

describe("backward hooks", () => {
  test("see the gradients of inputs and output, and replace the inputs'", async () => {
    const module = new Scale();
    const seen: number[][] = [];
    module.registerFullBackwardHook((self, gradInput, gradOutput) => {
      expect(self).toBe(module);
      keepValues(gradInput, gradOutput);
      return [gradInput[0]!.mul(10)];
    });
    const kept: Tensor[] = [];
    const keepValues = (...lists: (readonly (Tensor | null)[])[]) => {
      for (const list of lists) for (const dx of list) kept.push(keep(dx!.clone()));
    };
    module.registerFullBackwardHook((_, gradInput) => keepValues(gradInput));
    const x = tensor([1, 1], { requiresGrad: true });
    module
      .forward(x)
      .mul(tensor([1, 5]))
      .sum()
      .backward();
    for (const dx of kept) seen.push((await dx.toArray()) as number[]);
    expect(seen).toEqual([
      [2, 15], // dx
      [1, 5], // dy
      [20, 150], // what the first hook made of dx
    ]);
    expect(await x.grad!.toArray()).toEqual([20, 150]);
    expect(await module.weight.grad!.toArray()).toEqual([1, 5]);
  });

  test("see all tensors of nested inputs and outputs at once, null where there is no gradient", () => {
    const module = new Cross();
    const seen: unknown[] = [];
    module.registerFullBackwardHook((_, gradInput, gradOutput) => {
      seen.push([gradInput, gradOutput].map((list) => list.map((dx) => dx?.shape ?? null)));
    });
    const a = ones([2], { requiresGrad: true });
    const run = (b: Tensor) => module.forward({ a, b }, 3);
    run(ones([2], { requiresGrad: true }))
      .sum.sum()
      .backward();
    run(ones([2]))
      .list[0]!.sum()
      .backward();
    const { sum, list } = run(ones([2]));
    sum.add(list[0]!).sum().backward();
    expect(seen).toEqual([
      [
        [[2], [2]],
        [[2], null],
      ],
      [
        [[2], null],
        [null, [2]],
      ],
      [
        [[2], null],
        [[2], [2]],
      ],
    ]);
  });

  test("run with the gradients of the output where no input has one", async () => {
    const module = new Scale();
    const seen: unknown[] = [];
    module.registerFullBackwardHook((_, gradInput, gradOutput) => {
      seen.push(
        gradInput,
        gradOutput.map((dy) => dy?.shape),
      );
      return [null];
    });
    module
      .forward(tensor([1, 1]))
      .sum()
      .backward();
    expect(seen).toEqual([[null], [[2]]]);
    expect(await module.weight.grad!.toArray()).toEqual([1, 1]);
  });

  test("do nothing without a gradient", () => {
    const module = new Scale();
    module.registerFullBackwardHook(() => {
      throw new Error("it ran");
    });
    expect(noGrad(() => module.forward(tensor([1, 1]))).requiresGrad).toBe(false);
    module.weight.requiresGrad = false;
    expect(module.forward(tensor([1, 1])).requiresGrad).toBe(false);
  });

  test("let second derivatives pass, and leave nothing behind", async () => {
    const module = new Scale();
    module.registerFullBackwardHook(() => {});
    const once = () =>
      scope(() => {
        const x = tensor([1, 2], { requiresGrad: true });
        const [dx] = grad(module.forward(x.mul(x)).sum(), [x], { createGraph: true });
        dx!.sum().backward();
        return keep(x.grad!.clone());
      });
    expect(await once().toArray()).toEqual([4, 6]);
    module.zeroGrad();
    once().dispose();
    const { storages } = memory();
    module.zeroGrad();
    once().dispose();
    module.zeroGrad();
    expect(memory().storages).toBe(storages);
  });

  test("several calls in one pass each have their own", () => {
    const module = new Scale();
    const seen: number[] = [];
    module.registerFullBackwardHook((_, gradInput) => void seen.push(gradInput.length));
    const x = tensor([1, 1], { requiresGrad: true });
    module.forward(module.forward(x)).sum().backward();
    expect(seen).toEqual([1, 1]);
  });
});
