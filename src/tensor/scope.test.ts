import { expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { mul } from "../kernels/elementwise/binary-ops.ts";
import { exp } from "../kernels/elementwise/unary-ops.ts";
import { memory } from "./device.ts";
import { keep, scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

const x = tensor([1, 2]);
exp(x).dispose();

test("frees what was made inside, except what it returns, however nested", () => {
  const before = memory().storages;
  let inner: Tensor | undefined;
  const { list, map } = scope(() => {
    inner = exp(x);
    return { list: [exp(inner), { deep: exp(x) }], map: new Map([["a", exp(x)]]), other: 5 };
  });
  expect(memory().storages).toBe(before + 3);
  expect(inner!.disposed).toBe(true);
  expect((list[0] as Tensor).disposed || map.get("a")!.disposed).toBe(false);
  for (const y of [list[0], (list[1] as { deep: Tensor }).deep, map.get("a")]) (y as Tensor).dispose();
  expect(memory().storages).toBe(before);
});

test("a survivor of an inner scope belongs to the outer one", () => {
  const before = memory().storages;
  scope(() => {
    const y = scope(() => exp(exp(x)));
    expect(y.disposed).toBe(false);
    expect(memory().storages).toBe(before + 1);
  });
  expect(memory().storages).toBe(before);
});

test("frees everything when the function throws", () => {
  const before = memory().storages;
  expect(() =>
    scope(() => {
      exp(x);
      throw new Error("inside");
    }),
  ).toThrow("inside");
  expect(memory().storages).toBe(before);
});

test("keep survives, and so does the gradient of a leaf", async () => {
  const w = tensor([3, 4], { requiresGrad: true });
  scope(() => w.sum().backward()); // the first one makes the scalar that it starts with, once
  w.grad = null;
  const before = memory().storages;
  let kept: Tensor | undefined;
  scope(() => {
    kept = keep(exp(x));
    mul(w, x).sum().backward();
  });
  expect(memory().storages).toBe(before + 2);
  expect(await w.grad!.toArray()).toEqual([1, 2]);
  kept!.dispose();
});

test("the graph of a returned tensor stays whole, the graph of a dropped one goes", async () => {
  const w = tensor([3, 4], { requiresGrad: true });
  const before = memory().storages;
  const loss = scope(() => {
    exp(w); // its graph holds what it saved
    return exp(mul(exp(w), w)).sum();
  });
  expect(memory().storages).toBe(before + 3); // the loss, and two saved tensors that no handle shares
  loss.backward();
  loss.dispose();
  expect(memory().storages).toBe(before + 1);
  w.grad = null;
  expect(memory().storages).toBe(before);
});

test("refuses a promise and shows the loop form", () => {
  expect(() => scope(async () => exp(x))).toThrow(
    /scope: the function returned a promise[\s\S]*for \(const batch of batches\)/,
  );
});

test("use after free says what to do", () => {
  const y = scope(() => {
    const y = exp(x);
    return () => y;
  })();
  expect(() => exp(y)).toThrow(
    "a tensor of shape [2] was used after it was freed; return it from scope(), or keep() it",
  );
  expect(String(y)).toBe("Tensor(f32 [2] on webgpu, freed)");
});

test("using frees at the end of the block", () => {
  const before = memory().storages;
  {
    using y = exp(x);
    expect(y.disposed).toBe(false);
  }
  expect(memory().storages).toBe(before);
});
