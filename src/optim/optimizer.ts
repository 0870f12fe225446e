/**
 * What all optimizers share: groups of parameters with their own options, packed into flat buffers, so that a step is
 * a few dispatches for the whole model. Learning rates are data on the device.
 */
import { ALIGNMENT, type Device, Storage } from "../gpu/device.ts";
import { DeviceError, ValueError } from "../gpu/errors.ts";
import { copyInto } from "../kernels/strided-copy/strided-copy.ts";
import { Parameter } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Parameters that share options; what is left out is the optimizer's. */
export type ParameterGroup<Options> = { readonly parameters: readonly Parameter[] } & Partial<Options>;

/**
 * The parameters of one group, as ranges of one flat storage. Their tensors are moved there, so that modules compute
 * with what the optimizer changes.
 */
export class PackedParameters {
  readonly parameters: readonly Parameter[];
  readonly device: Device;
  /** Where each parameter starts, in elements. */
  readonly offsets: readonly number[];
  /** Elements of the flat storage. */
  readonly length: number;
  #flat: Storage;

  /** @throws ValueError for no or repeated parameters; DeviceError for several devices */
  constructor(optimizer: string, parameters: readonly Parameter[]) {
    if (parameters.length === 0) throw new ValueError(`${optimizer}: there are no parameters`);
    if (new Set(parameters).size < parameters.length) throw new ValueError(`${optimizer}: a parameter is listed twice`);
    const wrong = parameters.findIndex((parameter) => !(parameter instanceof Parameter));
    if (wrong >= 0)
      throw new ValueError(`${optimizer}: parameter ${wrong} is ${String(parameters[wrong])}, expected a Parameter`);
    this.parameters = parameters;
    this.device = parameters[0]!.device;
    const offsets: number[] = [];
    let length = 0;
    for (const { size } of parameters) {
      offsets.push(length);
      length += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    }
    this.offsets = offsets;
    this.length = Math.max(length, 1);
    this.#flat = this.#pack(optimizer);
  }

  /** The flat storage. Packs again if a parameter was moved since, as by another optimizer or `module.to`. */
  flat(optimizer: string): Storage {
    const packed = this.parameters.every(
      ({ storage }, i) => storage.memory === this.#flat.memory && storage.offset === this.offsets[i],
    );
    if (!packed) {
      const old = this.#flat;
      this.#flat = this.#pack(optimizer);
      old.release();
    }
    return this.#flat;
  }

  /** A flat storage of zeros with the same places. */
  zeros(): Storage {
    return Storage.from(this.device, "f32", new Float32Array(this.length));
  }

  #pack(optimizer: string): Storage {
    const moved = this.parameters.find(({ device }) => device !== this.device);
    if (moved) {
      throw new DeviceError(
        `${optimizer}: a parameter is on ${moved.device.name}, expected ${this.device.name}; make the optimizer after moving the module`,
      );
    }
    const flat = this.zeros();
    for (const [i, parameter] of this.parameters.entries()) {
      const place = flat.view(this.offsets[i]!, parameter.size);
      copyInto(parameter, place);
      parameter.rebind(place);
    }
    return flat;
  }
}

/** A gradient and the place of its parameter. */
export interface PackedGradient {
  readonly gradient: Tensor;
  readonly offset: number;
  readonly index: number;
}

/** One group as an optimizer keeps it: its options, its packed parameters, and what it knows on the device. */
export class Group<Options extends { lr: number }> {
  readonly options: Options;
  readonly packed: PackedParameters;
  readonly hyper: Storage; // [4], the learning rate first
  readonly enabled: Storage; // [tensors] u32: which have a gradient
  #writtenRate: number | null = null;
  #writtenEnabled = "";

  constructor(optimizer: string, parameters: readonly Parameter[], options: Options) {
    this.options = options;
    this.packed = new PackedParameters(optimizer, parameters);
    this.hyper = Storage.from(this.packed.device, "f32", new Float32Array(4));
    this.enabled = Storage.from(this.packed.device, "u32", new Uint32Array(parameters.length));
  }

  get parameters(): readonly Parameter[] {
    return this.packed.parameters;
  }

  /** The gradients there are; brings the learning rate and the marks of enabled parameters to the device if they changed. */
  prepareStep(): PackedGradient[] {
    const { device, offsets } = this.packed;
    if (this.options.lr !== this.#writtenRate) {
      device.write(this.hyper, Float64Array.of(this.options.lr, 0, 0, 0));
      this.#writtenRate = this.options.lr;
    }
    const gradients: PackedGradient[] = [];
    for (const [index, { grad }] of this.parameters.entries()) {
      if (grad) gradients.push({ gradient: grad, offset: offsets[index]!, index });
    }
    const enabled = gradients.map(({ index }) => index).join();
    if (enabled !== this.#writtenEnabled) {
      const marks = new Uint32Array(this.parameters.length);
      for (const { index } of gradients) marks[index] = 1;
      device.write(this.enabled, marks);
      this.#writtenEnabled = enabled;
    }
    return gradients;
  }
}

export abstract class Optimizer<Options extends { lr: number }> {
  /** The groups, in the order given. `groups[i].options` may be changed between steps. */
  readonly groups: readonly Group<Options>[];

  constructor(name: string, parameters: readonly Parameter[] | readonly ParameterGroup<Options>[], defaults: Options) {
    const isGrouped = parameters.length > 0 && !(parameters[0] instanceof Parameter);
    const groups = (isGrouped ? parameters : [{ parameters }]) as readonly ParameterGroup<Options>[];
    const all = groups.flatMap((group) => group.parameters);
    if (new Set(all).size < all.length) throw new ValueError(`${name}: a parameter is listed twice`);
    this.groups = groups.map(({ parameters, ...options }) => {
      const merged = { ...defaults, ...options } as Options;
      this.checkOptions(name, merged);
      return new Group(name, parameters, merged);
    });
  }

  /** @throws ValueError for an option that is unknown or out of range */
  protected abstract checkOptions(name: string, options: Options): void;

  /** Changes every parameter that has a gradient. */
  abstract step(): void;

  /** The learning rate of the first group; setting it sets all groups'. */
  get lr(): number {
    return this.groups[0]!.options.lr;
  }

  set lr(value: number) {
    for (const group of this.groups) group.options.lr = value;
  }

  /** Sets the gradients of all parameters to null. */
  zeroGrad(): void {
    for (const group of this.groups) for (const parameter of group.parameters) parameter.grad = null;
  }
}
