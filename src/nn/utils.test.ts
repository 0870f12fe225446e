import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { grad } from "../autograd/backward.ts";
import { tensor, zeros } from "../kernels/creation/creation.ts";
import { mul } from "../kernels/elementwise/binary-ops.ts";
import { withDevice } from "../tensor/device.ts";
import { scope } from "../tensor/scope.ts";
import { sizeOf } from "../tensor/shape.ts";
import { Parameter } from "./module.ts";
import { getTotalNorm, parametersToVector, vectorToParameters } from "./utils.ts";

test("parameters become a vector and come back, whatever their shapes", async () => {
  const shapes = fc.array(fc.array(fc.nat({ max: 4 }), { maxLength: 3 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(shapes, async (shapes) => {
      let next = 0;
      const parameters = shapes.map((shape) => {
        const values = Array.from({ length: sizeOf(shape) }, () => next++);
        return new Parameter(tensor(values, { shape, dtype: "f32" }));
      });
      const vector = parametersToVector(parameters);
      expect([...(await vector.data())]).toEqual(Array.from({ length: next }, (_, i) => i));
      const others = shapes.map((shape) => new Parameter(zeros(shape)));
      vectorToParameters(vector.detach(), others);
      for (const [i, parameter] of parameters.entries())
        expect(await others[i]!.data()).toEqual(await parameter.data());
    }),
    { numRuns: cases(15) },
  );
});

test("gradients flow through the vector", async () => {
  const [a, b] = [new Parameter(tensor([[1, 2]])), new Parameter(tensor(3))];
  const [da, db] = grad(mul(parametersToVector([a, b]), tensor([4, 5, 6])).sum(), [a, b]);
  expect(await da!.toArray()).toEqual([[4, 5]]);
  expect(await db!.item()).toBe(6);
});

test("a change through vectorToParameters is noticed by backward", () => {
  const a = new Parameter(tensor([1]));
  const loss = mul(a, a).sum();
  vectorToParameters(tensor([2]), [a]);
  expect(() => loss.backward()).toThrow("was changed in place");
});

test("the norm of several tensors is that of one vector", async () => {
  const tensors = [tensor([3, -4]), zeros([0]), tensor([[12]])];
  expect(await getTotalNorm(tensors).item()).toBe(13);
  expect(await getTotalNorm(tensors, { normType: 1 }).item()).toBe(19);
  expect(await getTotalNorm(new Set(tensors), { normType: Number.POSITIVE_INFINITY }).item()).toBe(12);
  expect(await getTotalNorm([]).item()).toBe(0);
  expect(scope(() => getTotalNorm(tensors)).shape).toEqual([]);
});

test("errors", () => {
  const a = new Parameter(tensor([1, 2]));
  expect(() => parametersToVector([])).toThrow("parametersToVector: there are no parameters");
  expect(() => vectorToParameters(tensor([1]), [a])).toThrow("vectorToParameters: vector has shape [1], expected [2]");
  expect(() => vectorToParameters(tensor([[1, 2]]), [a])).toThrow("vector has shape [1, 2], expected [2]");
  expect(() => vectorToParameters(tensor([1, 2], { dtype: "i32" }), [a])).toThrow("vector has dtype i32, expected f32");
  const onCpu = withDevice("cpu", () => tensor([1, 2]));
  expect(() => vectorToParameters(onCpu, [a])).toThrow("vectorToParameters: tensors on cpu and on webgpu");
  expect(() => getTotalNorm([a], { normType: 0 })).toThrow("getTotalNorm: normType is 0, expected more than 0");
  expect(() => getTotalNorm([tensor([1], { dtype: "i32" })])).toThrow("getTotalNorm: tensors[0] has dtype i32");
});
