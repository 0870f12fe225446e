/**
 * Tensors that one algorithm changes together, packed so that a step is few dispatches: four tensors lie in
 * one storage, what the algorithm remembers of them in others that are laid out alike. Their handles are moved there, so that
 * modules compute with what is changed.
 *
 * Invariant: everything that changes from step to step is on the device, the options included.
 */
import { ALIGNMENT, type Device, type Storage } from "../gpu/device.ts";
import { DeviceError } from "../gpu/errors.ts";
import { full, tensor, zeros } from "../kernels/creation/creation.ts";
import {
  type Algorithm,
  advance,
  type Flags,
  HYPER_WORDS,
  PACK,
  PROGRESS_WORDS,
  update,
} from "../kernels/optimizer/optimizer.ts";
import { copyInto, copyView, wholeView } from "../kernels/strided-copy/strided-copy.ts";
import { keep } from "../tensor/scope.ts";
import { empty, Tensor } from "../tensor/tensor.ts";

/** What s0, s1 and s2 of an algorithm are called, null for one that is not needed. */
export type Slots = readonly (string | null)[];

/** How an algorithm is to run. */
export interface Settings {
  /** The numbers of its struct Hyper, by name. */
  readonly hyper: Readonly<Record<string, number>>;
  readonly flags: Flags;
  readonly slots: Slots;
  /** What its state begins as. */
  readonly initialState: number;
}

interface Pack {
  /** Indices of its tensors. */
  readonly members: readonly number[];
  /** Where each starts, in elements. */
  readonly offsets: readonly number[];
  readonly length: number;
  p: Tensor; // [length]
  /** Each [length], or a stub. */
  readonly slots: Tensor[];
  /** [PACK, PROGRESS_WORDS], a range of the counts of all. */
  readonly progress: Tensor;
}

const SLOTS = 3;
const STUB_LENGTH = 4;
const MAX_ENABLED_SETS = 16;

export class PackedTensors {
  readonly tensors: readonly Tensor[];
  readonly #owner: string;
  readonly #algorithm: Algorithm;
  readonly #device: Device;
  readonly #packs: readonly Pack[];
  /** For each tensor its pack and its place there. */
  readonly #places: { pack: Pack; place: number }[] = [];
  readonly #counts: Tensor; // [packs, PACK, PROGRESS_WORDS]
  /** [packs, PACK] each: which tensors have a gradient, for each set that there was. A recorded step goes on with its own. */
  readonly #enabled = new Map<string, Tensor<"u32">>();
  readonly #hyper: Tensor; // [HYPER_WORDS]
  readonly #nothingFound: Tensor<"u32">; // [4], zeros
  #writtenHyper: Float64Array | null = null;

  /**
   * @param owner for messages
   * @throws DeviceError unless all tensors are on `device`
   */
  constructor(owner: string, algorithm: Algorithm, tensors: readonly Tensor[], device: Device) {
    this.#owner = owner;
    this.#algorithm = algorithm;
    this.tensors = tensors;
    this.#device = device;
    this.#expectOnDevice(tensors);
    const layouts = layOut(tensors, Math.floor(device.maxStorageBytes / device.wordBytes));
    this.#counts = keep(zeros([layouts.length, PACK, PROGRESS_WORDS], { device }));
    this.#hyper = keep(zeros([HYPER_WORDS], { device }));
    this.#nothingFound = keep(zeros([4], { dtype: "u32", device }));
    this.#packs = layouts.map(({ members, offsets, length }, i) => {
      const words = PACK * PROGRESS_WORDS;
      const progress = this.#counts.storage.view(i * words, words);
      const pack: Pack = {
        members,
        offsets,
        length,
        p: this.#gather(members, offsets, length),
        slots: Array.from({ length: SLOTS }, () => keep(empty([STUB_LENGTH], { device }))),
        progress: keep(new Tensor(progress, [PACK, PROGRESS_WORDS], "f32")),
      };
      for (const [place, member] of members.entries()) this.#places[member] = { pack, place };
      return pack;
    });
  }

  /** Makes room for the state that an algorithm needs by its settings and has none for yet. */
  prepareState({ slots, initialState }: Settings): void {
    for (const pack of this.#packs) {
      for (const [k, name] of slots.entries()) {
        const slot = pack.slots[k]!;
        if (name === null || slot.size === pack.length) continue;
        slot.dispose();
        pack.slots[k] = keep(full([pack.length], initialState, { device: this.#device }));
      }
    }
  }

  /**
   * Counts a step of every tensor that has a gradient, and changes it.
   *
   * @param gradients one per tensor, null for those that stay as they are
   * @param settingsNow asked again in each step, replayed ones included
   * @param found [4], of which the first is not 0 where the device is to leave the step out
   */
  step(
    gradients: readonly (Tensor | null)[],
    settingsNow: () => Settings,
    found: Tensor<"u32"> = this.#nothingFound,
  ): void {
    const settings = settingsNow();
    this.prepareState(settings);
    this.#device.eachStep(() => this.#writeHyper(settingsNow()));
    if (gradients.every((gradient) => gradient === null)) return;
    const { flags } = settings;
    const hyper = this.#hyper;
    advance(this.#algorithm, { counts: this.#counts, enabled: this.#enabledBy(gradients), hyper, found }, flags);
    for (const pack of this.#packs) {
      const parameters = pack.members.map((member, place) => ({
        offset: pack.offsets[place]!,
        gradient: gradients[member]!,
      }));
      if (parameters.every(({ gradient }) => gradient === null)) continue;
      const [s0, s1, s2] = pack.slots as [Tensor, Tensor, Tensor];
      const p = this.#gathered(pack);
      update(this.#algorithm, { p, s0, s1, s2, progress: pack.progress, hyper, found }, parameters, flags);
    }
    for (const [i, gradient] of gradients.entries()) if (gradient) this.tensors[i]!.storage.markWritten();
  }

  /** The state number `slot` of a tensor, where it lies. */
  state(slot: number, index: number): Storage {
    const { pack, place } = this.#places[index]!;
    return pack.slots[slot]!.storage.view(pack.offsets[place]!, this.tensors[index]!.size);
  }

  /** Overwrites the state number `slot` of a tensor. */
  writeState(slot: number, index: number, value: Tensor): void {
    const storage = this.state(slot, index);
    copyInto(value, storage);
    storage.release();
  }

  /** A copy of a field of a tensor's Progress. @returns [] */
  progress(field: string, index: number): Tensor {
    const value = empty([], { device: this.#device });
    copyView(this.#counts, this.#viewOfProgress(field, index), value, wholeView([]));
    return value;
  }

  /** Sets a field of a tensor's Progress. @param value [] */
  setProgress(field: string, index: number, value: Tensor): void {
    copyView(value, wholeView([]), this.#counts, this.#viewOfProgress(field, index));
  }

  #viewOfProgress(field: string, index: number) {
    const { pack, place } = this.#places[index]!;
    const row = this.#packs.indexOf(pack) * PACK + place;
    const word = this.#algorithm.fields("Progress").indexOf(field);
    return { shape: [], strides: [], offset: row * PROGRESS_WORDS + word };
  }

  #writeHyper({ hyper }: Settings): void {
    const words = this.#algorithm.hyper(hyper);
    if (this.#writtenHyper?.every((word, k) => word === words[k])) return;
    this.#device.write(this.#hyper.storage, words);
    this.#writtenHyper = words;
  }

  #enabledBy(gradients: readonly (Tensor | null)[]): Tensor<"u32"> {
    const marks = new Uint32Array(this.#packs.length * PACK);
    for (const [i, { members }] of this.#packs.entries()) {
      for (const [place, member] of members.entries()) marks[i * PACK + place] = Number(gradients[member] !== null);
    }
    const key = marks.join();
    let enabled = this.#enabled.get(key);
    if (!enabled) {
      const [oldest] = this.#enabled;
      if (oldest && this.#enabled.size === MAX_ENABLED_SETS) {
        this.#enabled.delete(oldest[0]);
        oldest[1].dispose();
      }
      enabled = keep(tensor(marks, { dtype: "u32", shape: [this.#packs.length, PACK], device: this.#device }));
      this.#enabled.set(key, enabled);
    }
    return enabled;
  }

  // Gathers the pack again if a tensor was moved since, as by another optimizer or `module.to`.
  #gathered(pack: Pack): Tensor {
    const { memory } = pack.p.storage;
    const isThere = pack.members.every((member, place) => {
      const { storage } = this.tensors[member]!;
      return storage.memory === memory && storage.offset === pack.offsets[place];
    });
    if (!isThere) {
      const old = pack.p;
      pack.p = this.#gather(pack.members, pack.offsets, pack.length);
      old.dispose();
    }
    return pack.p;
  }

  #gather(members: readonly number[], offsets: readonly number[], length: number): Tensor {
    const tensors = members.map((member) => this.tensors[member]!);
    this.#expectOnDevice(tensors);
    const p = keep(zeros([length], { device: this.#device }));
    for (const [place, tensor] of tensors.entries()) {
      const range = p.storage.view(offsets[place]!, tensor.size);
      copyInto(tensor, range);
      tensor.rebind(range);
    }
    return p;
  }

  #expectOnDevice(tensors: readonly Tensor[]): void {
    const moved = tensors.find(({ device }) => device !== this.#device);
    if (!moved) return;
    throw new DeviceError(
      `${this.#owner}: a parameter is on ${moved.device.name}, expected ${this.#device.name}; make a new ${this.#owner} after moving the module`,
    );
  }
}

interface Layout {
  readonly members: number[];
  readonly offsets: number[];
  length: number;
}

// In the order of the tensors, but those that can be changed in vectors of four apart from the others.
function layOut(tensors: readonly Tensor[], maxLength: number): Layout[] {
  const packs: Layout[] = [];
  const open: (Layout | null)[] = [null, null];
  for (const [i, { size }] of tensors.entries()) {
    const kind = Number(size % 4 === 0);
    const room = Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    let pack = open[kind] ?? null;
    if (!pack || pack.members.length === PACK || pack.length + room > maxLength) {
      pack = { members: [], offsets: [], length: 0 };
      open[kind] = pack;
      packs.push(pack);
    }
    pack.members.push(i);
    pack.offsets.push(pack.length);
    pack.length += room;
  }
  for (const pack of packs) pack.length = Math.max(pack.length, ALIGNMENT); // of nothing but empty tensors
  return packs;
}
