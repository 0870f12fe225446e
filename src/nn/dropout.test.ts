import { expect, test } from "vitest";
import { ones } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { AlphaDropout, Dropout, Dropout1d, Dropout2d, FeatureAlphaDropout } from "./dropout.ts";

const layers = { Dropout, Dropout1d, Dropout2d, AlphaDropout, FeatureAlphaDropout };

for (const [name, Layer] of Object.entries(layers)) {
  test(`${name} changes its input in training only, the same way from the same seed`, async () => {
    const layer = new Layer(0.25);
    const x = ones(name === "Dropout1d" ? [4, 5, 4] : [4, 5, 2, 2]);
    const drawn = async () => {
      manualSeed(1);
      return Array.from(await layer.forward(x).data());
    };
    const y = await drawn();
    expect(await drawn()).toEqual(y);
    expect(new Set(y).size).toBe(2);
    if (name !== "Dropout" && name !== "AlphaDropout") {
      for (const [i, value] of y.entries()) expect(value).toBe(y[i - (i % 4)]);
    } else {
      expect(y.some((value, i) => value !== y[i - (i % 4)])).toBe(true);
    }
    expect(layer.eval().forward(x)).toBe(x);
  });

  test(`${name}'s errors`, () => {
    expect(new Layer().p).toBe(0.5);
    expect(() => new Layer(1.5)).toThrow(`${name}: p is 1.5, expected a probability from 0 to 1`);
  });
}
