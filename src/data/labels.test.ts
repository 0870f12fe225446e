import { describe, expect, it } from "vitest";
import { LabelSet } from "./labels.ts";

describe("LabelSet", () => {
  const classes = LabelSet.build(["World", "Sports", "World", "__proto__", "Business"]);

  it("sorts the names, whatever the order of the rows", () => {
    expect(classes.names).toEqual(["Business", "Sports", "World", "__proto__"]);
    expect(LabelSet.build(["\u{1f600}", "\uff5e"]).names).toEqual(["\uff5e", "\u{1f600}"]);
    expect(classes.size).toBe(4);
    expect(classes.name(2)).toBe("World");
    expect(classes.index("Sports")).toBe(1);
    expect(classes.index("constructor")).toBeUndefined();
  });

  it("encodes names", () => {
    expect(classes.encode(["World", "Business", "__proto__"])).toEqual(Int32Array.of(2, 0, 3));
    expect(classes.encode([])).toEqual(new Int32Array(0));
  });

  it("names file, line and the known labels for one that is unknown", () => {
    expect(() => classes.encode(["World", "Sport"], { file: "test.csv", rows: [1, 7] })).toThrow(
      'test.csv, line 7: unknown label "Sport"; did you mean "Sports"?; ' +
        'there are "Business", "Sports", "World", "__proto__"; correct it, or train on a file that has it',
    );
    expect(() => classes.encode(["x"])).toThrow('labels, item 0: unknown label "x"; there are "Business"');
  });

  it("names the first twenty of many classes", () => {
    const many = LabelSet.build(Array.from({ length: 23 }, (_, i) => `class ${String(i).padStart(2, "0")}`));
    expect(() => many.encode(["?"])).toThrow(/"class 18", "class 19" and 3 more;/);
  });

  it("goes through JSON", () => {
    expect(LabelSet.fromJSON(JSON.parse(JSON.stringify(classes))).names).toEqual(classes.names);
    for (const bad of [null, {}, [], ["a", 1], ["a", "a"]]) {
      expect(() => LabelSet.fromJSON(bad, "config.json")).toThrow("config.json: the labels are not a list of distinct");
    }
  });

  it("refuses no labels and indices out of range", () => {
    expect(() => LabelSet.build([])).toThrow("LabelSet.build: labels is empty");
    expect(() => classes.name(4)).toThrow("LabelSet.name: index is 4, expected 0 to 3");
  });
});
