/** The walk of binary and ternary kernels over broadcast operands, against loops that know nothing of it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { cases, checkedDevices } from "../../../test/devices.ts";
import { grad } from "../../autograd/backward.ts";
import type { Device } from "../../gpu/device.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { deviceNamed } from "../../tensor/device.ts";
import { formatShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { fromValues } from "../creation/creation.ts";
import { div, sub } from "./binary-ops.ts";
import { where } from "./ternary.ts";

// For every element of `target`, in order, the element of `shape` that NumPy's rule puts there.
function sources(shape: Shape, target: Shape): number[] {
  const found: number[] = [];
  const coordinates = new Array<number>(target.length).fill(0);
  for (let i = 0; i < sizeOf(target); i++) {
    let source = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      const c = coordinates[target.length - shape.length + axis]!;
      source = source * shape[axis]! + (shape[axis] === 1 ? 0 : c);
    }
    found.push(source);
    for (let axis = target.length - 1; axis >= 0; axis--) {
      coordinates[axis]!++;
      if (coordinates[axis]! < target[axis]!) break;
      coordinates[axis] = 0;
    }
  }
  return found;
}

function broadcast(shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    return sizes.find((n) => n !== 1) ?? 1;
  });
}

// Small whole numbers, so that sums of products are exact.
function numbers(shape: Shape, seed: number): number[] {
  return Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 7 + seed) % 23) - 11);
}

async function read(x: Tensor): Promise<number[]> {
  return Array.from(await x.data(), Number);
}

async function checkPair(a: Shape, b: Shape, device: Device): Promise<void> {
  const target = broadcast([a, b]);
  const [atA, atB] = [sources(a, target), sources(b, target)];
  const [av, bv, wv] = [numbers(a, 1), numbers(b, 5).map((v) => 2 ** Math.abs(v % 3)), numbers(target, 3)];
  const what = `${formatShape(a)} and ${formatShape(b)} on ${device.name}`;

  const integers = [av, bv].map((v, k) => fromValues("test", v, [a, b][k]!, "i32", { device })) as [Tensor, Tensor];
  const difference = sub(...integers);
  expect(difference.shape, what).toEqual(target);
  expect(await read(difference), what).toEqual(atA.map((ia, i) => av[ia]! - bv[atB[i]!]!));

  const x = fromValues("test", av, a, "f32", { device, requiresGrad: true });
  const z = fromValues("test", bv, b, "f32", { device, requiresGrad: true });
  const w = fromValues("test", wv, target, "f32", { device });
  const quotient = div(x, z);
  const [dx, dz] = grad(quotient, [x, z], { gradOutputs: [w] });
  expect(await read(quotient), what).toEqual(atA.map((ia, i) => av[ia]! / bv[atB[i]!]!));
  const expectedX = av.map(() => 0);
  const expectedZ = bv.map(() => 0);
  for (const [i, ia] of atA.entries()) {
    const ib = atB[i]!;
    expectedX[ia]! += wv[i]! / bv[ib]!;
    expectedZ[ib]! -= (wv[i]! * av[ia]!) / bv[ib]! ** 2;
  }
  expect(dx!.shape, what).toEqual(a);
  expect(dz!.shape, what).toEqual(b);
  expect(
    (await read(dx!)).map((v) => v + 0),
    `the gradient of a, ${what}`,
  ).toEqual(expectedX.map((v) => v + 0));
  expect(
    (await read(dz!)).map((v) => v + 0),
    `the gradient of b, ${what}`,
  ).toEqual(expectedZ.map((v) => v + 0));
}

async function checkTriple(c: Shape, a: Shape, b: Shape, device: Device): Promise<void> {
  const target = broadcast([c, a, b]);
  const [atC, atA, atB] = [sources(c, target), sources(a, target), sources(b, target)];
  const [cv, av, bv, wv] = [numbers(c, 2).map((v) => v & 1), numbers(a, 1), numbers(b, 5), numbers(target, 3)];
  const what = `${formatShape(c)}, ${formatShape(a)} and ${formatShape(b)} on ${device.name}`;
  const condition = fromValues("test", cv, c, "bool", { device });
  const x = fromValues("test", av, a, "f32", { device, requiresGrad: true });
  const z = fromValues("test", bv, b, "f32", { device, requiresGrad: true });
  const y = where(condition, x, z);
  const [dx, dz] = grad(y, [x, z], { gradOutputs: [fromValues("test", wv, target, "f32", { device })] });
  expect(y.shape, what).toEqual(target);
  expect(await read(y), what).toEqual(atC.map((ic, i) => (cv[ic] ? av[atA[i]!] : bv[atB[i]!])));
  const expectedX = av.map(() => 0);
  const expectedZ = bv.map(() => 0);
  for (const [i, ic] of atC.entries()) {
    if (cv[ic]) expectedX[atA[i]!]! += wv[i]!;
    else expectedZ[atB[i]!]! += wv[i]!;
  }
  expect(await read(dx!), `the gradient of a, ${what}`).toEqual(expectedX);
  expect(await read(dz!), `the gradient of b, ${what}`).toEqual(expectedZ);
}

async function onEveryDevice(check: (device: Device) => Promise<void>): Promise<void> {
  const devices = await checkedDevices(deviceNamed("webgpu") as WebGpuDevice);
  for (const device of [deviceNamed("cpu"), ...devices]) await check(device);
  for (const device of devices) await device.checkGuards();
}

// Shapes of rank 0 to 8 that broadcast: a target, and for each operand which leading axes are left out and which are 1.
function broadcastable(count: number) {
  return fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 8 }).chain((target) => {
    const operand = fc
      .tuple(fc.integer({ min: 0, max: target.length }), fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }))
      .map(([dropped, ones]) => target.map((n, axis) => (ones[axis] ? 1 : n)).slice(dropped));
    return fc.array(operand, { minLength: count, maxLength: count });
  });
}

test("two operands of rank 0 to 8", () =>
  fc.assert(
    fc.asyncProperty(broadcastable(2), ([a, b]) => onEveryDevice((device) => checkPair(a!, b!, device))),
    { numRuns: cases(60) },
  ));

test("three operands of rank 0 to 8", () =>
  fc.assert(
    fc.asyncProperty(broadcastable(3), ([c, a, b]) => onEveryDevice((device) => checkTriple(c!, a!, b!, device))),
    { numRuns: cases(30) },
  ));

// Two, three and four dimensions after merging, and more, for which the operands are expanded.
test.each([
  [
    [3, 2],
    [3, 1],
  ],
  [
    [3, 2, 3],
    [3, 1, 3],
  ],
  [
    [3, 2, 3, 2],
    [3, 1, 3, 1],
  ],
  [
    [1, 2, 1, 2],
    [3, 2, 3, 2],
  ],
  [
    [2, 3, 2, 3, 2, 3],
    [2, 1, 2, 1, 2, 1],
  ],
])("%s and %s", (a, b) => onEveryDevice((device) => checkPair(a, b, device)));

// More than 4096 elements, a multiple of four of them innermost: read four at a time where neighbours are neighbours.
test.each([
  [[4096], [4096]],
  [[64, 64], [64]],
  [
    [64, 64],
    [64, 1],
  ],
  [[64, 64], []],
  [[1], [8, 512]],
  [
    [65, 1],
    [1, 64],
  ],
  [
    [8, 16, 32],
    [8, 1, 32],
  ],
  [
    [16, 1],
    [8, 16, 32],
  ],
  [
    [5, 1, 7, 1, 12],
    [1, 11, 1, 2, 1],
  ],
  [
    [4, 4, 2, 2, 3, 1, 4, 4],
    [4, 1, 2, 1, 3, 2, 1, 4],
  ],
])("%s and %s, four at a time", (a, b) => onEveryDevice((device) => checkPair(a, b, device)));

// As many, not a multiple of four of them innermost: in steps of eight on software adapters.
test.each<[Shape, Shape]>([
  [[4099], [4099]],
  [[4099], []],
  [[65, 66], [66]],
  [
    [73, 57],
    [73, 1],
  ],
  [
    [1, 1367],
    [3, 1],
  ],
  [
    [11, 13, 31],
    [11, 1, 31],
  ],
  [
    [11, 13, 31],
    [1, 13, 1],
  ],
  [
    [5, 7, 11, 13],
    [5, 1, 11, 1],
  ],
  [
    [5, 7, 11, 13],
    [7, 1, 13],
  ],
  [
    [3, 5, 1, 23, 1, 3],
    [2, 1, 7, 1],
  ],
])("%s and %s, in steps", (a, b) => onEveryDevice((device) => checkPair(a, b, device)));

test.each([
  [[64, 64], [64], [64, 1]],
  [[64, 1], [64, 64], []],
  [[1, 64], [], [80, 1]],
  [[71, 59], [59], [71, 1]],
  [[4099], [4099], []],
])("%s, %s and %s, many", (c, a, b) => onEveryDevice((device) => checkTriple(c, a, b, device)));
