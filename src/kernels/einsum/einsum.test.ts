import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp, expectClose, randomNumbers } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { deviceNamed } from "../../tensor/device.ts";
import { type Shape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import { tensor } from "../creation/creation.ts";
import { rand } from "../random/random.ts";
import { einsum } from "./einsum.ts";
import { parseEquation } from "./equation.ts";

// The definition: one loop over all labels.
function define(equation: string, shapes: readonly Shape[], values: readonly Float64Array[]) {
  const { inputs, output } = parseEquation(equation, shapes);
  const labels = [...new Set(inputs.flat())];
  const sizes = labels.map((label) =>
    Math.max(...inputs.flatMap((own, i) => own.flatMap((l, axis) => (l === label ? [shapes[i]![axis]!] : [])))),
  );
  const shape = output.map((label) => sizes[labels.indexOf(label)]!);
  const result = new Float64Array(sizeOf(shape));
  const at = (own: readonly string[], ownShape: Shape, index: readonly number[]) => {
    const strides = stridesOf(ownShape);
    return own.reduce(
      (sum, l, axis) => sum + (ownShape[axis] === 1 ? 0 : index[labels.indexOf(l)]! * strides[axis]!),
      0,
    );
  };
  for (let i = 0; i < sizeOf(sizes); i++) {
    let rest = i;
    const index = sizes.map((n) => {
      const c = rest % n;
      rest = Math.floor(rest / n);
      return c;
    });
    const product = values.reduce((p, x, k) => p * x[at(inputs[k]!, shapes[k]!, index)]!, 1);
    result[at(output, shape, index)]! += product;
  }
  return { shape, dtype: "f32" as const, values: result };
}

async function check(equation: string, ...shapes: Shape[]): Promise<void> {
  const random = randomNumbers(shapes.length + equation.length);
  const values = shapes.map((shape) => Float64Array.from({ length: sizeOf(shape) }, () => 2 * random() - 1));
  const y = einsum(equation, ...values.map((x, i) => tensor(x, { shape: shapes[i]!, device: "cpu:f64" })));
  const actual = { shape: y.shape, dtype: y.dtype, values: (await y.data()) as Float64Array };
  expectClose(actual, define(equation, shapes, values), { relative: 1e-12, absolute: 1e-12 }, equation);
}

const equations: [string, ...Shape[]][] = [
  ["i->i", [3]],
  ["ij->ji", [2, 3]],
  ["ba", [2, 3]], // implicit output: ab
  ["aB", [2, 3]], // upper case first: Ba
  ["ij->", [2, 3]],
  ["ij->j", [2, 3]],
  ["ii", [3, 3]],
  ["ii->i", [3, 3]],
  ["iij->ji", [3, 3, 2]],
  ["ijij->ij", [2, 3, 2, 3]],
  ["...ii->...i", [2, 4, 3, 3]],
  ["...ij->...ji", [2, 4, 3, 5]],
  ["...ij->ij", [2, 4, 3, 5]], // what the ellipsis covers is summed
  ["i,i->i", [3], [3]],
  ["i,i", [3], [3]],
  ["i,j->ij", [3], [2]],
  ["i,j->ji", [3], [2]],
  ["ij,ij->i", [3, 4], [3, 4]],
  ["ij,ji->", [3, 4], [4, 3]],
  ["ij,jk", [2, 3], [3, 4]],
  ["ij,jk->ki", [2, 3], [3, 4]],
  ["ij,kj->ik", [2, 3], [4, 3]],
  ["ji,jk->ik", [3, 2], [3, 4]],
  ["ij,j->i", [2, 3], [3]],
  ["j,jk->k", [3], [3, 4]],
  ["bij,bjk->bik", [2, 3, 4], [2, 4, 5]],
  ["bthd,bshd->bhts", [2, 3, 2, 4], [2, 5, 2, 4]],
  ["bhts,bshd->bthd", [2, 2, 3, 5], [2, 5, 2, 4]],
  ["bij,kj->bik", [2, 3, 4], [5, 4]],
  ["abcd,dcef->abef", [2, 2, 3, 4], [4, 3, 2, 2]],
  ["...ij,...jk->...ik", [2, 1, 3, 4], [5, 4, 2]],
  ["...i,...i", [2, 3, 4], [3, 4]],
  ["i...,j->...ij", [2, 3], [4]],
  ["ij,jk,kl->il", [2, 3], [3, 4], [4, 2]],
  ["i,i,i->i", [3], [3], [3]],
  ["b,bij,bj->bi", [2], [2, 3, 4], [2, 4]],
  ["ij,jk->ik", [1, 3], [1, 4]], // a size of 1 stretches
  ["ij,ij->", [1, 3], [4, 1]],
  ["i,ij,ij->j", [1], [3, 2], [3, 1]],
  ["iji,jk->ki", [2, 3, 2], [3, 4]],
  [" i j , j k -> i k ", [2, 3], [3, 4]],
  ["ij,jk->ik", [0, 3], [3, 4]],
  ["ij,jk->ik", [2, 0], [0, 4]],
  [",->", [], []],
  [",ij->ij", [], [2, 3]],
];
test("einsum is one loop over all labels", async () => {
  for (const [equation, ...shapes] of equations) await check(equation, ...shapes);
});

test("einsum of drawn equations", () => {
  const label = fc.constantFrom(..."abcd");
  const term = fc.array(label, { maxLength: 4 });
  return fc.assert(
    fc.asyncProperty(
      fc.array(term, { minLength: 1, maxLength: 3 }),
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 15 }),
      async (terms, sizes, isExplicit, chosen) => {
        const shapes = terms.map((labels) => labels.map((l) => sizes["abcd".indexOf(l)]!));
        const output = [..."dbac"].filter((l, i) => terms.flat().includes(l) && chosen & (1 << i)).join("");
        await check(terms.map((labels) => labels.join("")).join() + (isExplicit ? `->${output}` : ""), ...shapes);
      },
    ),
    { numRuns: cases(40) },
  );
});

for (const [equation, ...shapes] of [
  ["iij,jk->ki", [2, 2, 3], [3, 4]],
  ["b...d,...d->b...", [2, 3, 4], [3, 4]],
  ["ij,jk,k->i", [2, 3], [3, 4], [1]],
] as [string, ...Shape[]][]) {
  test(`gradients of einsum ${equation}`, () => checkOp((...xs) => einsum(equation, ...xs), shapes, { second: true }));
}

test("a product of matrices as they lie is one dispatch", () => {
  const { counters } = deviceNamed("webgpu") as WebGpuDevice;
  const dispatches = (equation: string, ...shapes: Shape[]) => {
    const xs = shapes.map((shape) => rand(shape));
    const before = counters.dispatches;
    einsum(equation, ...xs);
    return counters.dispatches - before;
  };
  expect(dispatches("ij,jk->ik", [20, 36], [36, 36])).toBe(1);
  expect(dispatches("ij,kj->ik", [20, 36], [36, 36])).toBe(1);
  expect(dispatches("ji,jk->ik", [36, 20], [36, 36])).toBe(1);
  expect(dispatches("ij,jk->ki", [36, 36], [36, 20])).toBe(1);
  expect(dispatches("btd,ed->bte", [2, 20, 36], [36, 36])).toBe(1);
  expect(dispatches("i,j->ji", [3], [2])).toBe(1);
});

test("errors", () => {
  const a = rand([2, 3]);
  expect(() => einsum("ij,jk", a)).toThrow('einsum: the equation "ij,jk" has 2 operands, but 1 were given');
  expect(() => einsum("i1", a)).toThrow(
    'einsum: the equation "i1" has the term "i1", expected letters and at most one "..."',
  );
  expect(() => einsum("i..j", a)).toThrow('has the term "i..j"');
  expect(() => einsum("...i...", a)).toThrow('has the term "...i..."');
  expect(() => einsum("ij->i->j", a)).toThrow('einsum: the equation "ij->i->j" has more than one "->"');
  expect(() => einsum("ij->ii", a)).toThrow('einsum: the equation "ij->ii" has "i" twice in its output');
  expect(() => einsum("ij->ik", a)).toThrow('einsum: the equation "ij->ik" has "k" in its output only');
  expect(() => einsum("ijk", a)).toThrow(
    'einsum: operand 0 has shape [2, 3], which "ijk" does not label, expected 3 axes',
  );
  expect(() => einsum("i", a)).toThrow('einsum: operand 0 has shape [2, 3], which "i" does not label, expected 1 axes');
  expect(() => einsum("...ijk", a)).toThrow("expected 3 axes or more");
  expect(() => einsum("ij,jk", a, rand([4, 5]))).toThrow('einsum: "j" has size 4 in operand 1, but 3 in operand 0');
  expect(() => einsum("ii", a)).toThrow('einsum: "i" has size 3 in operand 0, but 2 in operand 0');
  expect(() => einsum("ii", rand([1, 3]))).toThrow('einsum: "i" has size 3 in operand 0, but 1 in operand 0');
  expect(() => einsum("...i,...i", a, rand([4, 3]))).toThrow(
    "einsum: axis -1 under the ellipsis has size 4 in operand 1, but 2 in operand 0",
  );
  expect(() => einsum("ij,ij", a, a.cast("i32"))).toThrow("einsum: operand 1 has dtype i32, expected f32");
  expect(() => einsum("ij,ij", a, rand([2, 3], { device: "cpu" }))).toThrow("einsum: tensors on webgpu and on cpu");
});
