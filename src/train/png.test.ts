import sharp from "sharp";
import { expect, test } from "vitest";
import { encodePng } from "./png.ts";

test.each([
  { channels: 1, height: 5, width: 3 },
  { channels: 3, height: 4, width: 7 },
  { channels: 3, height: 1, width: 1 },
])("an image of $channels x $height x $width is read back by another decoder", async (shape) => {
  const { channels, height, width } = shape;
  const pixels = Uint8Array.from({ length: channels * height * width }, (_, i) => (i * 37) % 256);
  const decoded = await sharp(encodePng(pixels, shape))
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect(decoded.info).toMatchObject({ width, height, channels });
  const planar = Array.from(pixels, (_, i) => {
    const [c, at] = [Math.floor(i / (height * width)), i % (height * width)];
    return decoded.data[at * channels + c];
  });
  expect(planar).toEqual([...pixels]);
});

test("an image that is none is refused", () => {
  expect(() => encodePng(new Uint8Array(8), { channels: 2, height: 2, width: 2 })).toThrow("there are 2 channels");
  expect(() => encodePng(new Uint8Array(8), { channels: 1, height: 3, width: 3 })).toThrow("there are 8 pixels");
});
