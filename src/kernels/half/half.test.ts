import { expect, test } from "vitest";
import { autocast } from "../../autograd/autocast.ts";
import { withDevice } from "../../tensor/device.ts";
import { tensor } from "../creation/creation.ts";
import { matmul } from "../matmul/matmul.ts";
import { nearestHalf, roundToHalf } from "./half.ts";

/** The number that 16 bits stand for in IEEE 754's binary16. */
function halfOf(bits: number): number {
  const sign = bits >> 15 === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** Every float16; half-way to the next, the float32 before and after that; and what lies beyond them all. With what each rounds to. */
function samples(): { x: Float32Array; rounded: Float32Array } {
  const pairs: [x: number, rounded: number][] = [];
  for (let bits = 0; bits < 0x10000; bits++) {
    const [here, next] = [halfOf(bits), halfOf(bits + 1)];
    pairs.push([here, here]);
    if ((bits & 0x7fff) >= 0x7bff) continue;
    const middle = (here + next) / 2;
    const ulp = 2 ** (Math.floor(Math.log2(Math.abs(middle))) - 23);
    const away = middle < 0 ? -ulp : ulp;
    pairs.push([middle - away, here], [middle, bits % 2 === 0 ? here : next], [middle + away, next]);
  }
  const { POSITIVE_INFINITY: inf } = Number;
  pairs.push([65_519.996, 65_504], [65_520, inf], [3e38, inf], [-65_519.996, -65_504], [-65_520, -inf], [-3e38, -inf]);
  pairs.push([2 ** -26, 0], [-(2 ** -40), -0]);
  return { x: Float32Array.from(pairs, ([x]) => x), rounded: Float32Array.from(pairs, ([, rounded]) => rounded) };
}

test("nearestHalf of all 65,536 float16, and of what lies between them", () => {
  const { x, rounded } = samples();
  const wrong = [...x].filter((value, i) => !Object.is(nearestHalf(value), rounded[i]));
  expect(wrong).toEqual([]);
});

test.each(["webgpu", "cpu"] as const)("roundToHalf on %s", async (device) => {
  const { x, rounded } = samples();
  const y = await withDevice(device, () => roundToHalf(tensor(x))).data();
  expect(Array.from(x).filter((_, i) => !Object.is(y[i], rounded[i]))).toEqual([]);
});

// As it is packed for a product and read again; the sum has zeros beside it, which take a zero's sign.
test("the operand of a product", async () => {
  const { x, rounded } = samples();
  const y = await autocast(() => matmul(tensor(x, { shape: [x.length, 1] }), tensor([[1]]))).data();
  expect(Array.from(x).filter((_, i) => !Object.is(y[i], rounded[i]) && y[i] !== rounded[i])).toEqual([]);
});
