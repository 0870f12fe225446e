/**
 * Python's pickles, read without running anything: a pickle is a program for a stack machine, which may call any function of
 * Python's. Here it may call those of a table, which are ours, and every other is refused by its name.
 *
 * Its values are plain: None is null, dicts are Maps, lists, tuples and sets are arrays, bytes are Uint8Arrays. No key and no
 * attribute becomes a property of an object.
 *
 * @see https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */
import { DataError } from "../gpu/errors.ts";

/** A function or class that a pickle may name. */
export interface PickleGlobal {
  /** What a call of it gives. */
  readonly call?: (args: readonly unknown[]) => unknown;
  /** What it is itself, where it is a constant. */
  readonly value?: unknown;
}

export interface PickleOptions {
  /** The name that messages use. */
  readonly file: string;
  /** What a pickle may name, such as "collections.OrderedDict"; undefined for what it may not. */
  readonly global: (name: string) => PickleGlobal | undefined;
  /** What an id stands for that is kept outside of the pickle. */
  readonly persistent: (id: unknown) => unknown;
}

/** A global on the stack, to be called. */
class Callable {
  readonly name: string;
  readonly call: NonNullable<PickleGlobal["call"]>;

  constructor(name: string, call: NonNullable<PickleGlobal["call"]>) {
    this.name = name;
    this.call = call;
  }
}

const LONGEST_INTEGER = 64; // bytes; Python's have any length

/**
 * Reads a pickle of protocol 2 to 5.
 *
 * @throws DataError for one that is cut or damaged, or names what it may not
 */
export function unpickle(bytes: Uint8Array, options: PickleOptions): unknown {
  return new Machine(bytes, options).run();
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: PickleOptions;
  readonly #memo = new Map<number, unknown>();
  #stack: unknown[] = [];
  /** The stacks below each mark. */
  readonly #below: unknown[][] = [];
  #at = 0;

  constructor(bytes: Uint8Array, options: PickleOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#options = options;
  }

  run(): unknown {
    for (;;) {
      const at = this.#at;
      const opcode = this.#uint(1);
      if (opcode === 0x2e /* STOP */) return this.#pop();
      const run = OPCODES[opcode];
      if (!run)
        throw this.#fault(`has the instruction 0x${opcode.toString(16)} at byte ${at}, which no checkpoint needs`);
      run(this);
    }
  }

  #fault(what: string): DataError {
    return new DataError(`${this.#options.file}: ${what}`);
  }

  #damage(): DataError {
    return this.#fault("its pickle is damaged; save or download the file again");
  }

  #take(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) throw this.#fault("its pickle is cut; save or download the file again");
    this.#at += length;
    return start;
  }

  #uint(width: 1 | 2 | 4 | 8): number {
    const at = this.#take(width);
    if (width === 1) return this.#view.getUint8(at);
    if (width === 2) return this.#view.getUint16(at, true);
    return width === 4 ? this.#view.getUint32(at, true) : Number(this.#view.getBigUint64(at, true));
  }

  #data(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #text(length: number): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.#data(length));
    } catch (error) {
      if (error instanceof DataError) throw error;
      throw this.#fault("its pickle has text that is not UTF-8; save or download the file again");
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#fault("its pickle is cut; save or download the file again");
    const text = this.#text(end - this.#at);
    this.#at++;
    return text;
  }

  #push(value: unknown): void {
    this.#stack.push(value);
  }

  #pop(): unknown {
    if (this.#stack.length === 0) throw this.#damage();
    return this.#stack.pop();
  }

  #top(): unknown {
    const value = this.#pop();
    this.#stack.push(value);
    return value;
  }

  /** The values above the last mark, which is taken away. */
  #popMark(): unknown[] {
    const values = this.#stack;
    const below = this.#below.pop();
    if (!below) throw this.#damage();
    this.#stack = below;
    return values;
  }

  #list(): unknown[] {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#fault("its pickle appends to what is no list");
    return list;
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map)) throw this.#fault("its pickle sets items of what is no dict");
    if (items.length % 2 !== 0) throw this.#damage();
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key === "object" && key !== null)
        throw this.#fault("its pickle has a dict whose keys are no plain values");
      dict.set(key, items[i + 1]);
    }
  }

  // Two's complement, little-endian; numbers where they are exact.
  #integer(length: number): number | bigint {
    if (length > LONGEST_INTEGER) throw this.#fault(`its pickle has an integer of ${length} bytes`);
    const bytes = this.#data(length);
    const magnitude = bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
    const value = BigInt.asIntN(8 * length, magnitude);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  #pushGlobal(module: unknown, member: unknown): void {
    const name = `${module}.${member}`;
    const { file, global } = this.#options;
    const found = typeof module === "string" && typeof member === "string" ? global(name) : undefined;
    if (!found) {
      throw new DataError(
        `${file}: is made of ${JSON.stringify(name)}, which is not run; in Python, save tensors and plain values alone, ` +
          "as in torch.save(model.state_dict(), path)",
      );
    }
    this.#stack.push(found.call ? new Callable(name, found.call) : found.value);
  }

  #call(): void {
    const args = this.#pop();
    const callable = this.#pop();
    if (!(callable instanceof Callable) || !Array.isArray(args)) {
      throw this.#fault("its pickle calls what is no function");
    }
    this.#stack.push(callable.call(args));
  }

  #getMemo(index: number): unknown {
    if (!this.#memo.has(index)) throw this.#damage();
    return this.#memo.get(index);
  }

  static readonly opcodes: Readonly<Record<number, (m: Machine) => unknown>> = {
    128: (m) => m.#checkProtocol(m.#uint(1)), // PROTO
    149: (m) => m.#uint(8), // FRAME, whose length says nothing new
    40: (m) => m.#below.push(m.#stack.splice(0)), // MARK
    48: (m) => m.#pop(), // POP
    49: (m) => m.#popMark(), // POP_MARK
    50: (m) => m.#push(m.#top()), // DUP
    78: (m) => m.#push(null), // NONE
    136: (m) => m.#push(true), // NEWTRUE
    137: (m) => m.#push(false), // NEWFALSE
    74: (m) => m.#push(m.#view.getInt32(m.#take(4), true)), // BININT
    75: (m) => m.#push(m.#uint(1)), // BININT1
    77: (m) => m.#push(m.#uint(2)), // BININT2
    138: (m) => m.#push(m.#integer(m.#uint(1))), // LONG1
    139: (m) => m.#push(m.#integer(m.#uint(4))), // LONG4
    71: (m) => m.#push(m.#view.getFloat64(m.#take(8), false)), // BINFLOAT
    88: (m) => m.#push(m.#text(m.#uint(4))), // BINUNICODE
    140: (m) => m.#push(m.#text(m.#uint(1))), // SHORT_BINUNICODE
    141: (m) => m.#push(m.#text(m.#uint(8))), // BINUNICODE8
    84: (m) => m.#push(m.#text(m.#uint(4))), // BINSTRING
    85: (m) => m.#push(m.#text(m.#uint(1))), // SHORT_BINSTRING
    66: (m) => m.#push(m.#data(m.#uint(4))), // BINBYTES
    67: (m) => m.#push(m.#data(m.#uint(1))), // SHORT_BINBYTES
    142: (m) => m.#push(m.#data(m.#uint(8))), // BINBYTES8
    150: (m) => m.#push(m.#data(m.#uint(8))), // BYTEARRAY8
    93: (m) => m.#push([]), // EMPTY_LIST
    143: (m) => m.#push([]), // EMPTY_SET
    41: (m) => m.#push([]), // EMPTY_TUPLE
    108: (m) => m.#push(m.#popMark()), // LIST
    116: (m) => m.#push(m.#popMark()), // TUPLE
    145: (m) => m.#push(m.#popMark()), // FROZENSET
    133: (m) => m.#tuple(1), // TUPLE1
    134: (m) => m.#tuple(2), // TUPLE2
    135: (m) => m.#tuple(3), // TUPLE3
    97: (m) => m.#append([m.#pop()]), // APPEND
    101: (m) => m.#append(m.#popMark()), // APPENDS
    144: (m) => m.#append(m.#popMark()), // ADDITEMS
    125: (m) => m.#push(new Map()), // EMPTY_DICT
    100: (m) => m.#dict(), // DICT
    115: (m) => m.#setItem(), // SETITEM
    117: (m) => m.#setItems(m.#popMark()), // SETITEMS
    113: (m) => m.#memo.set(m.#uint(1), m.#top()), // BINPUT
    114: (m) => m.#memo.set(m.#uint(4), m.#top()), // LONG_BINPUT
    148: (m) => m.#memo.set(m.#memo.size, m.#top()), // MEMOIZE
    104: (m) => m.#push(m.#getMemo(m.#uint(1))), // BINGET
    106: (m) => m.#push(m.#getMemo(m.#uint(4))), // LONG_BINGET
    99: (m) => m.#pushGlobal(m.#line(), m.#line()), // GLOBAL
    147: (m) => m.#stackGlobal(), // STACK_GLOBAL
    82: (m) => m.#call(), // REDUCE
    129: (m) => m.#call(), // NEWOBJ
    98: (m) => m.#build(), // BUILD
    81: (m) => m.#push(m.#options.persistent(m.#pop())), // BINPERSID
  };

  #checkProtocol(version: number): void {
    if (version < 2 || version > 5) throw this.#fault(`its pickle has the protocol ${version}, expected 2 to 5`);
  }

  #tuple(size: number): void {
    const values = Array.from({ length: size }, () => this.#pop());
    this.#stack.push(values.reverse());
  }

  #append(values: readonly unknown[]): void {
    const list = this.#list();
    for (const value of values) list.push(value);
  }

  #dict(): void {
    const items = this.#popMark();
    this.#stack.push(new Map());
    this.#setItems(items);
  }

  #setItem(): void {
    const value = this.#pop();
    const key = this.#pop();
    this.#setItems([key, value]);
  }

  #stackGlobal(): void {
    const member = this.#pop();
    this.#pushGlobal(this.#pop(), member);
  }

  // A state dict carries its modules' versions as an attribute, which means nothing here.
  #build(): void {
    this.#pop();
    if (!(this.#top() instanceof Map)) throw this.#fault("its pickle sets attributes of what is no dict");
  }
}

const OPCODES = Machine.opcodes;
