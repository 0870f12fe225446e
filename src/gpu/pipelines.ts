/** Compiles kernel entries, once per family and set of constants, and packs their params. */
import { type Capabilities, directives } from "./adapter.ts";
import { TilegradError } from "./errors.ts";
import type { Family, Kernel, Params } from "./kernel.ts";
import { type ParamsLayout, paramsAsUniform, type WgslBinding } from "./wgsl.ts";

export interface Pipeline {
  readonly id: number;
  /** `kernel.entry`, for errors and profiles. */
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly bindings: readonly WgslBinding[];
  readonly params: ParamsLayout | null;
  /** The binding of the params where they are a uniform, else null: they are immediates, or there are none. */
  readonly paramsBinding: number | null;
}

// Above every binding of a kernel: one number for all entries, since a module is validated as a whole.
const PARAMS_BINDING = 15;

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #capabilities: Capabilities;
  readonly #cache = new Map<Kernel, Map<string, Pipeline>>();
  #next = 0;

  constructor(device: GPUDevice, capabilities: Capabilities) {
    this.#device = device;
    this.#capabilities = capabilities;
  }

  get(
    kernel: Kernel,
    entry: string,
    family: Family,
    constants: Readonly<Record<string, number>> | undefined,
  ): Pipeline {
    let key = `${entry}|${family}`;
    for (const name in constants) key += `|${name}=${constants[name]}`;
    let variants = this.#cache.get(kernel);
    if (!variants) this.#cache.set(kernel, (variants = new Map()));
    let pipeline = variants.get(key);
    if (!pipeline) variants.set(key, (pipeline = this.#compile(kernel, entry, family, constants ?? {})));
    return pipeline;
  }

  #compile(kernel: Kernel, entryName: string, family: Family, given: Readonly<Record<string, number>>): Pipeline {
    const device = this.#device;
    const { immediateBytes, subgroupSize } = this.#capabilities;
    const { source, module } = kernel.variant(family);
    const entry = kernel.entry(entryName, family);
    const label = `${kernel.name}.${entryName}`;
    const { params } = module;
    const immediates = entry.usesParams && !params.hasArray && params.words * 4 <= immediateBytes;
    const paramsBinding = entry.usesParams && !immediates ? PARAMS_BINDING : null;

    const constants: Record<string, number> = {};
    for (const name of Object.keys(given)) {
      if (entry.overrides.includes(name)) constants[name] = given[name]!;
    }
    // The software libraries run a workgroup of exactly one subgroup.
    if (family === "software" && entry.overrides.includes("WG") && !("WG" in given)) constants.WG = subgroupSize;

    const text = immediates ? source : paramsAsUniform(source, PARAMS_BINDING);
    const code = directives({ subgroups: entry.usesSubgroups || /\bsubgroup\w+\(/.test(source), immediates }) + text;
    const layout = device.createBindGroupLayout({
      label,
      entries: [
        ...entry.bindings.map(({ binding, access }) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: ({ read: "read-only-storage", read_write: "storage", uniform: "uniform" } as const)[access] },
        })),
        ...(paramsBinding === null
          ? []
          : [{ binding: paramsBinding, visibility: GPUShaderStage.COMPUTE, buffer: { type: "uniform" } as const }]),
      ],
    });
    const pipeline = device.createComputePipeline({
      label,
      layout: device.createPipelineLayout({
        label,
        bindGroupLayouts: [layout],
        ...(immediates ? { immediateSize: params.words * 4 } : {}),
      }),
      compute: { module: device.createShaderModule({ label, code }), entryPoint: entryName, constants },
    });
    return {
      id: this.#next++,
      label,
      pipeline,
      layout,
      bindings: entry.bindings,
      params: entry.usesParams ? params : null,
      paramsBinding,
    };
  }
}

const scratch = new ArrayBuffer(1024);
const words = { u32: new Uint32Array(scratch), i32: new Int32Array(scratch), f32: new Float32Array(scratch) };

/** Lays `params` out as the WGSL struct; the returned words are valid until the next call. */
export function packParams(label: string, layout: ParamsLayout, params: Params | undefined): Uint32Array<ArrayBuffer> {
  words.u32.fill(0, 0, layout.words); // padding too, since uniforms are cached by content
  for (const { name, scalar, length, wordOffset } of layout.fields) {
    const value = params?.[name];
    if (typeof value === "number") words[scalar][wordOffset] = value;
    else if (value === undefined) throw new TilegradError(`kernel ${label}: the param "${name}" is missing`);
    else for (let i = 0; i < length; i++) words[scalar][wordOffset + i] = value[i] ?? 0;
  }
  return words.u32.subarray(0, layout.words);
}
