import { expect, test } from "vitest";
import { parsePixelCsv } from "./pixel-csv.ts";

const parse = (text: string, options = {}) =>
  parsePixelCsv(new TextEncoder().encode(text), { file: "x.csv", ...options });

test("a label and pixels in each row, with and without a header", () => {
  const expected = {
    labels: ["7", "10"],
    pixels: Uint8Array.of(0, 255, 3, 40, 5, 6, 70, 8),
    shape: { channels: 1, height: 2, width: 2 },
  };
  expect(parse("7,0,255,3,40\n10,5,6,70,8\n")).toEqual({ ...expected, rows: [1, 2] });
  expect(parse("label,pixel0,pixel1,pixel2,pixel3\r\n7,0,255,3,40\r\n\r\n10,5,6,70,8")).toEqual({
    ...expected,
    rows: [2, 4],
  });
  expect(parse("\ufeff0,0.1,0.2,0.3,0.4\n7,0,255,3,40\n10,5,6,70,8\n")).toEqual({ ...expected, rows: [2, 3] });
  expect(parse('a,b,"Label",c,d\n0,255,"7",3, 40\n"5",6,10,70,8\n')).toEqual({ ...expected, rows: [2, 3] });
});

test("the shape is what the number of pixels tells, or what is given", () => {
  const row = (n: number) => `x,${new Array(n).fill(1).join(",")}`;
  expect(parse(row(16)).shape).toEqual({ channels: 1, height: 4, width: 4 });
  expect(parse(row(12)).shape).toEqual({ channels: 3, height: 2, width: 2 });
  const shape = { channels: 1, height: 2, width: 6 };
  expect(parse(row(12), { shape }).shape).toEqual(shape);
  expect(() => parse(row(12), { shape: { ...shape, width: 5 } })).toThrow(
    "x.csv, line 1: has 13 fields, a label and 12 pixels; expected 10, grey and 5 x 2",
  );
  expect(() => parse(row(7))).toThrow("a label and 7 pixels; expected as many as a square image has");
  expect(() => parse("x")).toThrow("a label and 0 pixels");
});

test("faults are named with their line", () => {
  expect(() => parse("")).toThrow("x.csv: is empty");
  expect(() => parse("label,a,b,c,d\n")).toThrow("has a header and no rows");
  expect(() => parse("1,2,3,4,5\n1,2,3,4\n")).toThrow("x.csv, line 2: has 4 fields, expected 5 as in line 1");
  expect(() => parse("1,2,3,4,5\n1,2,3,4,5,6\n")).toThrow("x.csv, line 2: has 6 fields, expected 5 as in line 1");
  expect(() => parse("1,2,3,4,5\n\n1,2,3,4,256\n")).toThrow(
    'x.csv, line 3, field 5: the pixel is "256", expected a whole number from 0 to 255',
  );
  for (const pixel of ["", "-1", "0.5", "x", " "]) {
    expect(() => parse(`1,2,3,4,5\n1,2,${pixel},4,5\n`)).toThrow(`line 2, field 3: the pixel is "${pixel}"`);
  }
  expect(() => parse("1,2,3,4,5\n,2,3,4,5\n")).toThrow("x.csv, line 2: the label is empty");
  const bytes = Uint8Array.of(...new TextEncoder().encode("1,2\n"), 0xff, 0x2c, 0x32);
  expect(() => parsePixelCsv(bytes, { file: "x.csv" })).toThrow("x.csv, line 2: the label is not UTF-8");
});
