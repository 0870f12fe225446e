import { expect, test } from "vitest";
import { formatOptions, type OptionTable, parseOptions } from "./options.ts";

const TABLE = {
  train: { type: "string", value: "FILE", help: "the data" },
  epochs: { type: "integer", min: 1, default: 6, help: "passes" },
  lr: { type: "number", min: 0, default: 0.1, help: "learning rate" },
  device: { type: "string", choices: ["auto", "cpu"], default: "auto", help: "where" },
  json: { type: "flag", help: "machine-readable" },
} as const satisfies OptionTable;

const parse = (...args: string[]) => parseOptions("train", TABLE, args, 1);

test("values, defaults and free arguments", () => {
  expect(parse("--epochs", "3", "text", "--lr=1e-3", "--json")).toEqual({
    values: { train: undefined, epochs: 3, lr: 0.001, device: "auto", json: true },
    positionals: ["text"],
    given: new Set(["epochs", "lr", "json"]),
  });
  expect(parse("--epochs", "3", "--epochs", "4").values.epochs).toBe(4);
  expect(parse("--", "--not-an-option").positionals).toEqual(["--not-an-option"]);
});

test.each([
  [["--epoch", "3"], 'train: there is no option --epoch; did you mean "--epochs"?'],
  [["--epochs", "0"], 'train: --epochs is "0", expected a whole number from 1 up'],
  [["--epochs", "2.5"], 'train: --epochs is "2.5", expected a whole number from 1 up'],
  [["--lr", "fast"], 'train: --lr is "fast", expected a number from 0 up'],
  [["--device", "tpu"], 'train: --device is "tpu", expected auto, cpu'],
  [["--json=yes"], "train: --json takes no value"],
  [["--train"], "train: --train needs a value"],
  [["a", "b"], 'train: unexpected argument "b"'],
])("%s is refused", (args, message) => {
  expect(() => parse(...args)).toThrow(message);
});

test("help comes from the table", () => {
  expect(formatOptions(TABLE).split("\n")).toEqual([
    "  --train FILE       the data",
    "  --epochs N         passes (default 6)",
    "  --lr N             learning rate (default 0.1)",
    "  --device auto|cpu  where (default auto)",
    "  --json             machine-readable",
  ]);
});
