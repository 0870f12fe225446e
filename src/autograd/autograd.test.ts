import { describe, expect, test } from "vitest";
import { DTypeError, GradientError } from "../gpu/errors.ts";
import type { WebGpuDevice } from "../gpu/webgpu.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { add, mul } from "../kernels/elementwise/binary-ops.ts";
import { exp, neg } from "../kernels/elementwise/unary-ops.ts";
import { deviceNamed, memory, withDevice } from "../tensor/device.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { grad } from "./backward.ts";
import { checkpoint } from "./checkpoint.ts";
import { customOp } from "./custom-op.ts";
import { gradcheck, gradgradcheck } from "./gradcheck.ts";
import { isGradEnabled, noGrad } from "./record.ts";

const leaf = (data: number | number[]) => tensor(data, { requiresGrad: true });
const values = async (x: Tensor | null) => Array.from(await x!.data());

describe("backward", () => {
  test("adds into the leaves' grad, over several calls", async () => {
    const x = leaf([1, 2]);
    mul(x, x).sum().backward();
    mul(x, 3).sum().backward();
    expect(await values(x.grad)).toEqual([5, 7]);
    x.grad = null;
    mul(x, 3).sum().backward();
    expect(await values(x.grad)).toEqual([3, 3]);
  });

  test("a tensor used several times gets the sum", async () => {
    const x = leaf([2]);
    const y = mul(x, x);
    add(mul(y, y), y).sum().backward(); // x^4 + x^2
    expect(await values(x.grad)).toEqual([4 * 8 + 2 * 2]);
  });

  test("gradients that are longer than a dispatch is wide are added whole", async () => {
    const device = deviceNamed("webgpu") as WebGpuDevice;
    const { maxGroups } = device;
    device.maxGroups = 2;
    const host = Array.from({ length: 500 }, (_, i) => i);
    const x = leaf(host);
    add(mul(x, 3), mul(x, 4)).sum().backward();
    mul(x, x).sum().backward();
    device.maxGroups = maxGroups;
    expect(await values(x.grad)).toEqual(host.map((i) => 3 + 4 + 2 * i));
  });

  test("two leaves that get one gradient do not share it", async () => {
    const [a, b] = [leaf([1]), leaf([1])];
    add(a, b).sum().backward();
    mul(a, 5).sum().backward();
    expect([await values(a.grad), await values(b.grad)]).toEqual([[6], [1]]);
  });

  test("needs a gradient for anything but a scalar, of the right shape", async () => {
    const x = leaf([1, 2]);
    expect(() => exp(x).backward()).toThrow("backward: the tensor has shape [2]; pass { gradient }");
    expect(() => exp(x).backward({ gradient: tensor([1]) })).toThrow("backward: gradient has shape [1], expected [2]");
    expect(() => exp(x).backward({ retain: true } as never)).toThrow('backward: unknown option "retain"');
    expect(() => tensor([1]).backward()).toThrow("nothing it was made from has requiresGrad");
    mul(x, 2).backward({ gradient: tensor([1, 10]) });
    expect(await values(x.grad)).toEqual([2, 20]);
  });

  test("frees the graph, unless told to keep it", async () => {
    const x = leaf([1]);
    const y = exp(x).sum();
    y.backward({ retainGraph: true });
    y.backward();
    expect(() => y.backward()).toThrow(
      "exp: its saved tensors were freed by an earlier backward; pass { retainGraph: true }",
    );
    expect((await values(x.grad))[0]).toBeCloseTo(2 * Math.E, 5);
  });

  test("walks a graph of 20,000 steps", async () => {
    const x = leaf([1]);
    scope(() => {
      let y: Tensor = x;
      for (let i = 0; i < 20_000; i++) y = neg(y);
      y.sum().backward();
    });
    expect(await values(x.grad)).toEqual([1]);
  });

  test("visits a shared node once: 60 doublings are 60 steps, not 2^60", async () => {
    const x = leaf([1]);
    let y: Tensor = x;
    for (let i = 0; i < 60; i++) y = add(y, y);
    y.sum().backward();
    expect(await values(x.grad)).toEqual([2 ** 60]);
  });

  test("a saved tensor that was changed in place is refused", () => {
    const w = leaf([1, 2]);
    const y = mul(w, w);
    w.device.write(w.storage, Float32Array.of(5, 6));
    expect(() => y.sum().backward()).toThrow(
      "mul: the saved tensor a of shape [2] was changed in place after the forward pass",
    );
  });

  test("freeing a tensor does not hurt a gradient that needs it", async () => {
    const x = leaf([1, 2]);
    const y = exp(x);
    const z = mul(y, y).sum();
    y.dispose();
    for (let i = 0; i < 4; i++) tensor([9, 9]); // would take the memory
    z.backward();
    expect((await values(x.grad))[1]).toBeCloseTo(2 * Math.exp(4), 3);
  });

  test("leaves no memory behind but the gradients", () => {
    const x = leaf([1, 2, 3]);
    scope(() => mul(exp(x), x).sum().backward());
    const before = memory().storages;
    scope(() => mul(exp(x), x).sum().backward());
    expect(memory().storages).toBe(before);
  });
});

describe("grad", () => {
  test("returns gradients of leaves and of intermediate tensors, and changes no grad", async () => {
    const x = leaf([1, 2]);
    const y = mul(x, 3);
    const [dx, dy] = grad(mul(y, y).sum(), [x, y]);
    expect([await values(dx!), await values(dy!)]).toEqual([
      [18, 36],
      [6, 12],
    ]);
    expect(x.grad).toBeNull();
  });

  test("returns the gradient of an intermediate tensor alone", async () => {
    const y = mul(leaf([1, 2]), 3);
    const [dy] = grad(mul(mul(y, 1), y).sum(), [y]);
    expect(await values(dy!)).toEqual([6, 12]);
  });

  test("an unused input is an error, or null", () => {
    const [x, z] = [leaf([1]), leaf([1])];
    expect(() => grad(exp(x).sum(), [z])).toThrow(
      "grad: the outputs do not depend on input 0; pass { allowUnused: true }",
    );
    expect(grad(exp(x).sum(), [z, x], { allowUnused: true })[0]).toBeNull();
    expect(() => grad(exp(x).sum(), [tensor([1])])).toThrow("grad: input 0 of shape [1] does not require a gradient");
  });

  test("the same input twice gives two handles", async () => {
    const x = leaf([1]);
    const [a, b] = grad(mul(x, 2).sum(), [x, x]);
    a!.dispose();
    expect(await values(b!)).toEqual([2]);
  });

  test("createGraph differentiates again", async () => {
    const x = leaf([2]);
    const [first] = grad(mul(mul(x, x), x).sum(), [x], { createGraph: true });
    const [second] = grad(first!.sum(), [x], { createGraph: true });
    const [third] = grad(second!.sum(), [x]);
    expect([await values(first!), await values(second!), await values(third!)]).toEqual([[12], [12], [6]]);
  });

  test("createGraph names the op that has no second derivative", () => {
    const x = leaf([1]);
    const square = customOp({
      name: "mySquare",
      forward: (x: Tensor) => ({ output: mul(x, x), saved: { x } }),
      backward: (dy, { x }) => [mul(dy, mul(x, 2))],
    });
    expect(() => grad(square(x).sum(), [x], { createGraph: true })).toThrow(
      "mySquare has no second derivative; createGraph cannot go through it",
    );
  });
});

describe("recording", () => {
  test("noGrad records nothing, and gives back the state when it throws", () => {
    const x = leaf([1]);
    expect(noGrad(() => exp(x)).requiresGrad).toBe(false);
    expect(() =>
      noGrad(() => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(isGradEnabled()).toBe(true);
    expect(() => noGrad(async () => exp(x))).toThrow(
      "noGrad: the function returned a promise, but it must be synchronous",
    );
  });

  test("detach cuts the graph and shares the storage", () => {
    const x = leaf([1]);
    const y = exp(x).detach();
    expect([y.requiresGrad, y.isLeaf]).toEqual([false, true]);
  });

  test("requiresGrad is for f32 leaves", () => {
    expect(() => {
      tensor([1], { dtype: "i32" }).requiresGrad = true;
    }).toThrow(DTypeError);
    const y = exp(leaf([1]));
    expect(y.isLeaf).toBe(false);
    expect(() => {
      y.requiresGrad = false;
    }).toThrow("it cannot be switched off; use detach()");
  });

  test("tensors of two devices do not mix", () => {
    const x = withDevice("cpu", () => tensor([1]));
    expect(() => add(x, tensor([1]))).toThrow("add: tensors on cpu and on webgpu");
  });
});

describe("hooks", () => {
  test("see and replace the complete gradient, until they are taken away", async () => {
    const x = leaf([1]);
    const y = mul(x, 2);
    const seen: Tensor[] = [];
    const remove = y.registerHook((g) => {
      seen.push(g.detach());
      return mul(g, 10);
    });
    add(y, y).sum().backward();
    expect([seen.length, await values(seen[0]!), await values(x.grad)]).toEqual([1, [2], [40]]);
    remove();
    x.grad = null;
    add(mul(x, 2), 0).sum().backward();
    expect(await values(x.grad)).toEqual([2]);
  });

  test("of a leaf run before its grad is added", async () => {
    const x = leaf([1]);
    x.registerHook((g) => neg(g));
    mul(x, 3).sum().backward();
    expect(await values(x.grad)).toEqual([-3]);
    expect(() => tensor([1]).registerHook(() => undefined)).toThrow(GradientError);
  });

  test("retainGrad keeps a non-leaf's gradient", async () => {
    const x = leaf([1]);
    const y = mul(x, 2).retainGrad();
    mul(y, 5).sum().backward();
    expect(await values(y.grad)).toEqual([5]);
  });
});

describe("checkpoint", () => {
  const w = leaf([0.5, -1]);
  const block = (x: Tensor) => mul(exp(mul(x, w)), x);

  test("gives the same gradients, those of closed-over parameters included", async () => {
    const x = leaf([1, 2]);
    block(block(x)).sum().backward();
    const expected = [await values(x.grad), await values(w.grad)];
    x.grad = null;
    w.grad = null;
    checkpoint((x) => block(block(x)), x)
      .sum()
      .backward();
    expect([await values(x.grad), await values(w.grad)]).toEqual(expected);
    w.grad = null;
  });

  test("keeps nothing but the inputs until backward", () => {
    const x = tensor(new Float32Array(1 << 16), { requiresGrad: true });
    const chain = (x: Tensor) => {
      let y = x;
      for (let i = 0; i < 8; i++) y = exp(neg(y));
      return y;
    };
    const live = (fn: () => Tensor) => {
      const before = memory().liveBytes;
      const y = scope(fn);
      const bytes = memory().liveBytes - before;
      y.dispose();
      return bytes;
    };
    const y = scope(() => chain(x));
    y.sum().backward(); // free the graph again
    expect(live(() => checkpoint(chain, x))).toBeLessThan(live(() => chain(x)) / 4);
  });

  test("second derivatives and nesting", async () => {
    const x = leaf([0.3]);
    const f = (x: Tensor) => exp(mul(x, x));
    const [plain] = grad(grad(f(f(x)).sum(), [x], { createGraph: true })[0]!.sum(), [x]);
    const nested = checkpoint((x) => f(checkpoint(f, x)), x);
    const [again] = grad(grad(nested.sum(), [x], { createGraph: true })[0]!.sum(), [x]);
    // The recomputed nodes are newer than the rest, so contributions to one gradient are added in another order.
    const [expected] = await values(plain!);
    expect(Math.abs((await values(again!))[0]! / expected! - 1)).toBeLessThan(1e-6);
  });

  test("refuses a function that does something else the second time, and changed inputs", () => {
    const x = leaf([1]);
    let calls = 0;
    const y = checkpoint((x) => (calls++ === 0 ? exp(x) : exp(exp(x))), x);
    expect(() => y.sum().backward()).toThrow("checkpoint: the function recorded 2 ops where it had recorded 1");
    const z = checkpoint((x) => exp(exp(x)), x);
    x.device.write(x.storage, Float32Array.of(3));
    expect(() => z.sum().backward()).toThrow("checkpoint: input 0 was changed in place after the forward pass");
  });
});

describe("customOp", () => {
  const cube = customOp({
    name: "cube",
    forward: (x: Tensor, factor: number) => ({ output: mul(mul(x, x), mul(x, factor)), saved: { x, factor } }),
    backward: (dy, { x, factor }) => [mul(dy, mul(mul(x, x), 3 * factor))],
    twiceDifferentiable: true,
  });

  test("computes and differentiates, with arguments that are no tensors", async () => {
    const x = leaf([2]);
    const y = cube(x, 10);
    y.sum().backward();
    expect([await values(y), await values(x.grad)]).toEqual([[80], [120]]);
    await gradcheck((x) => cube(x, 2), [tensor([0.5, -1])]);
    await gradgradcheck((x) => cube(x, 2), [tensor([0.5, -1])]);
  });

  test("gradcheck finds a wrong gradient", async () => {
    const wrong = customOp({
      name: "wrong",
      forward: (x: Tensor) => ({ output: mul(x, x), saved: { x } }),
      backward: (dy, { x }) => [mul(dy, mul(x, 2.01))],
      twiceDifferentiable: true,
    });
    await expect(gradcheck(wrong, [tensor([1, 2])])).rejects.toThrow(
      /the gradient by input 0 of shape \[2\] is .* at element 0, expected/,
    );
    const wrongSecond = customOp({
      name: "wrongSecond",
      forward: (x: Tensor) => ({ output: mul(x, x), saved: { x } }),
      backward: (dy, { x }) => [mul(dy, add(x, x.detach()))],
      twiceDifferentiable: true,
    });
    await gradcheck(wrongSecond, [tensor([1, 2])]);
    await expect(gradgradcheck(wrongSecond, [tensor([1, 2])])).rejects.toThrow(GradientError);
  });
});
