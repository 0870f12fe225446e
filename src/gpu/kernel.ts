/**
 * A kernel: the entries of one `.wgsl` file and, under the same names, the plain loops that define them. An entry is a
 * pure function from bindings and params to output bindings; `dispatch` has the device of the bound storages execute it.
 */
import type { Device, Storage } from "./device.ts";
import { checkOptions, TilegradError } from "./errors.ts";
import { platform } from "./platform.ts";
import { parseWgsl, type WgslEntry, type WgslModule } from "./wgsl.ts";

/** How kernels are written for an adapter: `gpu` with workgroup memory and barriers, `software` without either. */
export type Family = "gpu" | "software";

/**
 * Neighbouring elements that a thread takes at a time where it reads them one by one. On a software adapter eight take
 * about the time of two vec4s; one at a time, four times that. A GPU reads at once what neighbouring threads need.
 */
export const STEP: Readonly<Record<Family, number>> = { software: 8, gpu: 1 };

/** The kernels whose lanes hand values round are written for subgroups of this many. */
export const LANES = 8;

/** Whether a device gets these kernels. */
export function usesLanes({ family, subgroupSize }: Pick<Device, "family" | "subgroupSize">): boolean {
  return family === "software" && subgroupSize === LANES;
}

/** WGSL shared between kernels: one text, or one per family that defines the same functions. */
export type Library = URL | { readonly [F in Family]: URL };

export type ReferenceArray = Float32Array | Float64Array | Int32Array | Uint32Array;

/**
 * An entry as plain loops: the bindings by name as typed arrays, the params and constants by name as numbers.
 * Both are open records, since the names are declared in the WGSL.
 */
// biome-ignore lint/suspicious/noExplicitAny: the names and their presence are checked at dispatch, against the WGSL.
export type ReferenceEntry = (bind: Record<string, any>, params: Record<string, any>) => void;
export type Reference = Readonly<Record<string, ReferenceEntry>>;

export interface KernelOptions {
  /** The definition of each entry; the `cpu` device runs it. */
  readonly reference: Reference;
  /** Libraries appended to the source. */
  readonly lib?: readonly Library[];
  /** WGSL appended to the source: the bodies of functions that it calls but does not define. */
  readonly append?: string;
  /** Names the kernel in errors and profiles; the file's name by default. */
  readonly name?: string;
}

export class Kernel {
  readonly name: string;
  readonly reference: Reference;
  #source: URL | string;
  #lib: readonly Library[];
  #append: string;
  #variants = new Map<Family, { source: string; module: WgslModule }>();

  constructor(source: URL | string, { reference, lib = [], append = "", name }: KernelOptions) {
    this.#source = source;
    this.#lib = lib;
    this.#append = append;
    this.reference = reference;
    this.name = name ?? (source instanceof URL ? /([^/]+)\.wgsl$/.exec(source.pathname)?.[1] : undefined) ?? "kernel";
  }

  /** The full text for a family, and the interface that was read from it. */
  variant(family: Family): { source: string; module: WgslModule } {
    let variant = this.#variants.get(family);
    if (!variant) {
      const lib = this.#lib.map((library) =>
        library instanceof URL || typeof library === "string" ? library : library[family],
      );
      const source = [this.#source, ...lib].map(readSource).concat(this.#append).join("\n");
      variant = { source, module: parseWgsl(source, this.name) };
      this.#variants.set(family, variant);
    }
    return variant;
  }

  entry(name: string, family: Family): WgslEntry {
    const entry = this.variant(family).module.entries.get(name);
    if (!entry) throw new TilegradError(`kernel ${this.name} has no entry "${name}"`);
    return entry;
  }
}

// A built package carries the text itself where the source has a URL.
function readSource(source: URL | string): string {
  return typeof source === "string" ? source : platform().readText(source);
}

/**
 * Declares a kernel. Its file is read at the first dispatch, not at import.
 *
 * @param source the `.wgsl` file, as `new URL("./name.wgsl", import.meta.url)`, or the text itself
 */
export function loadKernel(source: URL | string, options: KernelOptions): Kernel {
  return new Kernel(source, options);
}

/**
 * Declares a kernel of one's own.
 *
 * @param source the WGSL: bindings in group 0, and `struct Params` with `var<immediate> params: Params;` where it has
 *   scalars; docs/kernels.md has the conventions
 * @param options reference: the same entries as plain loops, for the cpu device; name, for errors
 * @example
 * const double = kernel(`
 *   struct Params { size: u32 }
 *   var<immediate> params: Params;
 *   @group(0) @binding(0) var<storage, read> x: array<f32>;
 *   @group(0) @binding(1) var<storage, read_write> y: array<f32>;
 *   @compute @workgroup_size(64)
 *   fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
 *     for (var i = gid.x; i < params.size; i += groups.x * 64u) { y[i] = 2.0 * x[i]; }
 *   }`);
 * dispatch(double, "forward", { bind: { x, y }, params: { size: x.size }, groups: Math.ceil(x.size / 64) });
 */
export function kernel(source: string, options: Partial<KernelOptions> = {}): Kernel {
  checkOptions("kernel", options, ["reference", "lib", "append", "name"]);
  return new Kernel(source, { reference: {}, ...options });
}

/** A thing with storage: a tensor, or a storage that belongs to none. */
export interface Bindable {
  readonly storage: Storage;
}

export type Params = Readonly<Record<string, number | readonly number[]>>;

/**
 * What an entry computes at each element, where that is all it does: with it, neighbours can be fused. Everything is f32;
 * what is read has the result's size, or one element.
 */
export interface Pointwise {
  /** Bindings that are read. */
  readonly reads: readonly string[];
  /** The binding that is written. */
  readonly writes: string;
  /** A WGSL expression of the elements, by the bindings' names, and of `params`. */
  readonly expression: string;
  /** What the expression calls. */
  readonly lib: readonly Library[];
}

export interface Dispatch {
  /** What each binding that the entry reaches is bound to, by the WGSL's names. */
  readonly bind: Readonly<Record<string, Bindable>>;
  /** Shapes and scalars of this call. What changes from step to step is data in a storage, never a param. */
  readonly params?: Params;
  /** `override` constants: sizes and flags that are compiled in. */
  readonly constants?: Readonly<Record<string, number>>;
  /** What it computes, for kernels that work element by element. */
  readonly pointwise?: Pointwise | undefined;
  /** How many workgroups the work asks for. A device may run fewer: every kernel strides over them. 0 runs nothing. */
  readonly groups: number;
}

/** Executes an entry on the device that the bound storages live on; results are ready for whatever is dispatched next. */
export function dispatch(kernel: Kernel, entry: string, call: Dispatch): void {
  if (call.groups === 0) return;
  for (const name in call.bind) {
    call.bind[name]!.storage.device.run(kernel, entry, call);
    return;
  }
  throw new TilegradError(`kernel ${kernel.name}.${entry}: nothing is bound`);
}

export function ceilDiv(a: number, b: number): number {
  return Math.ceil(a / b);
}
