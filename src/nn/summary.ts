/** What a module is made of, as text and as a table. */
import { noGrad } from "../autograd/record.ts";
import { zeros } from "../kernels/creation/creation.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape, type Shape } from "../tensor/shape.ts";
import { isTensor, type Tensor } from "../tensor/tensor.ts";
import { tensorsIn } from "./hooks.ts";
import type { Module } from "./module.ts";

export interface LayerSummary {
  /** Its dotted name; "" for the module itself. */
  readonly name: string;
  /** Its class. */
  readonly type: string;
  /** How many modules it is inside of. */
  readonly depth: number;
  /** The shapes of the tensors that it returned when it first ran; none if it did not run. */
  readonly outputs: readonly Shape[];
  /** Elements of the parameters that it holds itself; of a shared parameter at its first place only. */
  readonly parameters: number;
  /** How many of these are trained. */
  readonly trainable: number;
}

export interface ModuleSummary {
  readonly layers: readonly LayerSummary[];
  readonly parameters: number;
  readonly trainable: number;
  readonly parameterBytes: number;
  readonly bufferBytes: number;
  /** The table. */
  toString(): string;
}

/**
 * Lists a module and everything inside of it.
 *
 * @param inputs what to call it with, for the shapes of the outputs: tensors, shapes for zeros, and whatever else its
 *   `forward` takes. It runs in evaluation mode, without a gradient. Without inputs it does not run.
 */
export function summarize(module: Module, inputs: readonly unknown[]): ModuleSummary {
  const outputs = inputs.length > 0 ? outputsOf(module, inputs) : new Map<Module, readonly Shape[]>();
  const seen = new Set<Tensor>();
  const layers = [...module.namedModules()].map(([name, layer]): LayerSummary => {
    const own = ownParameters(layer).filter((parameter) => !seen.has(parameter));
    for (const parameter of own) seen.add(parameter);
    return {
      name,
      type: layer.constructor.name,
      depth: name === "" ? 0 : name.split(".").length,
      outputs: outputs.get(layer) ?? [],
      parameters: elements(own),
      trainable: elements(own.filter(({ requiresGrad }) => requiresGrad)),
    };
  });
  const parameters = module.parameters();
  const table = {
    layers,
    parameters: elements(parameters),
    trainable: elements(parameters.filter(({ requiresGrad }) => requiresGrad)),
    parameterBytes: bytes(parameters),
    bufferBytes: bytes([...module.namedBuffers().values()]),
  };
  const text = () => format(table);
  return { ...table, toString: text, ...{ [Symbol.for("nodejs.util.inspect.custom")]: text } };
}

function elements(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { size }) => sum + size, 0);
}

function bytes(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { size, device }) => sum + size * device.wordBytes, 0);
}

// Those that no module inside of it holds.
function ownParameters(module: Module): Tensor[] {
  const children = [...module.namedChildren().keys()];
  return [...module.namedParameters()]
    .filter(([name]) => !children.some((child) => name.startsWith(`${child}.`)))
    .map(([, parameter]) => parameter);
}

function outputsOf(module: Module, inputs: readonly unknown[]): Map<Module, readonly Shape[]> {
  const outputs = new Map<Module, readonly Shape[]>();
  const modules = new Set(module.namedModules().values());
  const modes = [...modules].map((inner) => [inner, inner.training] as const);
  const unhook = [...modules].map((inner) =>
    inner.registerForwardHook((_, __, output) => {
      const shapes = tensorsIn(output).map(({ shape }) => shape);
      if (!outputs.has(inner)) outputs.set(inner, shapes);
    }),
  );
  const device = module.parameters()[0]?.device;
  try {
    module.eval();
    scope(() =>
      noGrad(() => {
        const given = inputs.map((input) => (isShape(input) ? zeros(input, { device }) : input));
        module.forward(...(given as never[]));
      }),
    );
  } finally {
    for (const remove of unhook) remove();
    for (const [inner, training] of modes) inner.training = training;
  }
  return outputs;
}

function isShape(value: unknown): value is Shape {
  return Array.isArray(value) && value.every((size) => typeof size === "number");
}

function format(summary: Omit<ModuleSummary, "toString">): string {
  const { layers, parameters, trainable, parameterBytes, bufferBytes } = summary;
  const rows = layers.map((layer) => {
    const name = layer.name.split(".").at(-1)!;
    const frozen = layer.parameters - layer.trainable;
    return [
      `${"  ".repeat(layer.depth)}${name === "" ? "" : `${name}: `}${layer.type}`,
      layer.outputs.map(formatShape).join(", ") || "-",
      layer.parameters === 0 ? "-" : count(layer.parameters),
      frozen === 0 ? "" : frozen === layer.parameters ? "frozen" : `${count(frozen)} frozen`,
    ];
  });
  const lines = alignColumns([["layer", "output", "parameters", ""], ...rows]);
  const rule = "-".repeat(Math.max(...lines.map((line) => line.length)));
  const totals = [
    `${count(parameters)} parameters (${size(parameterBytes)}): ${count(trainable)} trained, ${count(parameters - trainable)} frozen`,
    ...(bufferBytes > 0 ? [`${size(bufferBytes)} of buffers`] : []),
  ];
  return [lines[0], rule, ...lines.slice(1), rule, ...totals].join("\n");
}

// Text to the left, numbers (the third column) to the right.
function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, k) => Math.max(...rows.map((row) => row[k]!.length)));
  return rows.map((row) =>
    row
      .map((cell, k) => (k === 2 ? cell.padStart(widths[k]!) : cell.padEnd(widths[k]!)))
      .join("  ")
      .trimEnd(),
  );
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function size(value: number): string {
  const power = value < 1024 ? 0 : Math.min(Math.floor(Math.log2(value) / 10), 3);
  return power === 0 ? `${value} B` : `${(value / 1024 ** power).toFixed(1)} ${["", "KiB", "MiB", "GiB"][power]}`;
}

/** The module as text: its class with its options and the shapes of its own tensors, and what is inside, a line each. */
export function describe(module: Module): string {
  const options = Object.entries(module).flatMap(([field, value]) => {
    if (field === "training") return [];
    if (isTensor(value)) return [`${field}: ${formatShape(value.shape)}`];
    if (isShape(value)) return value.length > 0 ? [`${field}=${formatShape(value)}`] : [];
    const isPlain = value === null || ["number", "boolean", "string"].includes(typeof value);
    return isPlain ? [`${field}=${typeof value === "string" ? JSON.stringify(value) : value}`] : [];
  });
  const children = [...module.namedChildren()];
  const head = `${module.constructor.name}(${children.length > 0 ? "" : options.join(", ")}`;
  if (children.length === 0) return `${head})`;
  const lines = children.map(([name, child]) => `(${name}): ${describe(child)}`);
  if (options.length > 0) lines.unshift(options.join(", "));
  return `${head}\n${lines.join("\n").replace(/^/gm, "  ")}\n)`;
}
