/**
 * A tensor: a shape and a dtype over a storage. Contiguous and row-major, always; several handles may share a storage.
 *
 * It knows no operations and no gradients: those are functions in `kernels/` and `autograd/`, which also put themselves
 * here as methods.
 */
import { type Device, Storage } from "../gpu/device.ts";
import { DisposedError, ShapeError } from "../gpu/errors.ts";
import { collectBeforeAwait } from "./collector.ts";
import { type DeviceName, defaultDevice, deviceNamed } from "./device.ts";
import { type DType, elementType, type TypedArrayOf } from "./dtype.ts";
import { born, died } from "./scope.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "./shape.ts";

/** Nested arrays of a tensor's elements; a scalar's is the element. */
export type NestedArray = number | boolean | NestedArray[];

export class Tensor<D extends DType = DType> {
  readonly shape: Shape;
  readonly dtype: D;
  /** Whether scopes leave it alone: parameters, buffers, gradients, and what was given to `keep`. */
  kept = false;
  /** Autograd's record of this tensor; nobody else looks inside. */
  graph: object | null = null;
  #storage: Storage;
  #disposed = false;

  /** Takes over one reference to `storage`. Tensors are made by `tensor`, `zeros` and the like; this is for ops. */
  constructor(storage: Storage, shape: Shape, dtype: D) {
    this.shape = shape;
    this.dtype = dtype;
    this.#storage = storage;
    born(this);
  }

  /** The memory behind it. @throws DisposedError after `dispose` or the end of its scope */
  get storage(): Storage {
    if (this.#disposed) {
      throw new DisposedError(
        `a tensor of shape ${formatShape(this.shape)} was used after it was freed; return it from scope(), or keep() it`,
      );
    }
    return this.#storage;
  }

  /**
   * Moves this handle to another storage of the same size, whose reference it takes over: for packing parameters, and
   * for moving modules between devices. What the graph has saved stays on the old one.
   */
  rebind(storage: Storage): void {
    if (storage.length !== this.size) throw new ShapeError(`rebind: ${storage.length} elements do not fit ${this}`);
    const old = this.storage;
    died(this as unknown as Tensor);
    this.#storage = storage;
    born(this as unknown as Tensor);
    old.release();
  }

  get device(): Device {
    return this.#storage.device;
  }

  /** The number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  get rank(): number {
    return this.shape.length;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Frees this handle; the memory goes when the last handle and the last graph that needs it are gone. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.graph = null;
    died(this as unknown as Tensor);
    this.#storage.release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Reads the elements back, row-major.
   *
   * @returns a typed array of the dtype (bool: Uint8Array; f32 on `cpu:f64`: Float64Array)
   * @throws the first error that the device has met
   */
  async data(): Promise<TypedArrayOf<D>> {
    collectBeforeAwait(this.device);
    const elements = await this.storage.device.read(this.storage);
    return (this.dtype === "bool" ? Uint8Array.from(elements) : elements) as TypedArrayOf<D>;
  }

  /** Reads the one element back (0 or 1 for bool). @throws ShapeError unless there is exactly one */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new ShapeError(`item: the tensor has shape ${formatShape(this.shape)}, expected one element`);
    return (await this.data())[0]!;
  }

  /** Reads the elements back as nested arrays; bool as true and false. */
  async toArray(): Promise<NestedArray> {
    const elements = await this.data();
    const isBool = this.dtype === "bool";
    let offset = 0;
    const build = (axis: number): NestedArray => {
      if (axis === this.rank) {
        const element = elements[offset++]!;
        return isBool ? element !== 0 : element;
      }
      return Array.from({ length: this.shape[axis]! }, () => build(axis + 1));
    };
    return build(0);
  }

  toString(): string {
    return `Tensor(${this.dtype} ${formatShape(this.shape)} on ${this.device.name}${this.#disposed ? ", freed" : ""})`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

export interface TensorOptions<D extends DType = DType> {
  dtype?: D | undefined;
  /** The default device where it is left out. */
  device?: Device | DeviceName | undefined;
}

/**
 * A tensor whose elements are whatever was in its memory: for ops, which write all of it. Another tensor may stand for
 * the options: then dtype and device are its.
 *
 * @throws ShapeError, OutOfMemoryError
 */
export function empty<D extends DType = "f32">(shape: Shape, options: TensorOptions<D> = {}): Tensor<D> {
  checkShape("empty", shape);
  const dtype = options.dtype ?? ("f32" as D);
  const storage = Storage.allocate(resolveDevice(options.device), elementType(dtype), sizeOf(shape));
  return new Tensor(storage, shape, dtype);
}

/** Another handle on the same storage, with a shape of the same size. It has no gradient. */
export function alias<D extends DType>(x: Tensor<D>, shape: Shape = x.shape): Tensor<D> {
  return new Tensor(x.storage.retain(), shape, x.dtype);
}

export function resolveDevice(device: Device | DeviceName | undefined): Device {
  return device === undefined ? defaultDevice() : typeof device === "string" ? deviceNamed(device) : device;
}

export function isTensor(value: unknown): value is Tensor {
  return value instanceof Tensor;
}
