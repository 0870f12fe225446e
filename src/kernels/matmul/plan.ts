/** The choice of kernels for a matrix product: a pure function of the device, with what was measured on it, and the shape. */
import type { Precision } from "../../autograd/autocast.ts";
import type { Device } from "../../gpu/device.ts";
import { LANES, usesLanes } from "../../gpu/kernel.ts";
import { bucketSizes, type Choice, measuredFor, withDifferentPlans } from "../../gpu/tuning.ts";

/** What kernels are chosen by: the family, the lanes of the subgroups (0: unknown), and what was measured. */
export type Chooser = Pick<Device, "family" | "subgroupSize" | "tuning">;

/** op(A) is [m, k] and op(B) [k, n], where op transposes if asked to. */
export interface ProductShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Whether a row must come out the same to the bit however many there are. Then k is not cut. */
  readonly rowsApart?: boolean;
  /** What the operands are rounded to, in packing them; f32 by default. */
  readonly precision?: Precision;
}

export interface ProductPlan {
  /** `lanes.wgsl` for software adapters, `tiles.wgsl` for GPUs. */
  readonly kernel: "lanes" | "tiles";
  /** Override constants of the kernel: its tile. */
  readonly constants: Readonly<Record<string, number>>;
  /** Rows and columns of a tile. */
  readonly tile: readonly [number, number];
  /** Compute the transpose of the result, op(B)^T op(A)^T, and turn it when it is stored. A and B are then these two. */
  readonly isTurned: boolean;
  /** Whether operands are read and the result is written four elements at a time. */
  readonly read: "vec4" | "scalar";
  readonly write: "vec4" | "scalar";
  /** How packed operands are stored; both are packed where it is f16. */
  readonly precision: Precision;
  /** Which operands are copied into scratch first, where their lines are a multiple of four long. */
  readonly packA: boolean;
  readonly packB: boolean;
  /** Parts that k is cut into, and k of each part but the last. */
  readonly splits: number;
  readonly chunk: number;
}

/** What a plan follows from: of `lanes.wgsl` or of `tiles.wgsl`. */
export type ProductChoice = LanesChoice | TilesChoice;

type LanesChoice = {
  readonly kernel: "lanes";
  /** Rows per lane. */
  readonly rows: number;
  readonly isTurned: boolean;
  /** Parts that k is cut into, or a few less. */
  readonly splits: number;
};

type TilesChoice = {
  readonly kernel: "tiles";
  readonly tile: number;
  /** Blocks per thread each way. */
  readonly blocks: number;
  /** Whether operands whose lines are no multiple of four long are copied, or read one by one. */
  readonly packs: boolean;
  readonly splits: number;
};

/** The steps along k of the kernels. */
export const DEPTHS = { lanes: 4, tiles: 16 } as const;
/** Rows per lane that lanes.wgsl knows. */
const ROWS = [1, 2, 4] as const;
/** What tiles.wgsl can be compiled for: the rows and columns of a tile, and its blocks per thread each way. */
export const TILES = [
  [32, 1],
  [64, 1],
  [64, 2],
  [96, 2],
  [128, 2],
] as const;
const SPLITS = [1, 2, 4, 8, 16, 32, 64] as const;
// A part shorter than this is not worth its addition, and with more workgroups than this there is nothing left to fill.
const SHORTEST_PART = 64;
const MOST_WORKGROUPS = { lanes: 64, tiles: 1024 } as const;

/** Chooses the kernels for a product: what was measured best for such shapes, else by a heuristic. */
export function planProduct(device: Chooser, shape: ProductShape): ProductPlan {
  const measured = measuredFor(device.tuning, () => productBucket(shape));
  return planOf(measured && fits(device, shape, measured) ? measured : heuristic(device, shape), shape);
}

/**
 * The name that a product shares with those that one measurement speaks for.
 *
 * @example
 * "matmul NT 1024x128x512" // m, n, k up to there, B transposed
 * "matmul NN 64x16x16 b256 odd 010 apart" // 256 of them; lines of B are no multiple of four long; rows are kept apart
 */
export function productBucket(shape: ProductShape): string {
  const { m, n, k, batches, transposeA, transposeB, rowsApart, precision = "f32" } = shape;
  const odd = oddOperands(shape);
  const odds = [odd.a, odd.b, n % 4 !== 0].map(Number).join("");
  return [
    `matmul ${transposeA ? "T" : "N"}${transposeB ? "T" : "N"} ${bucketSizes(m, n, k)}`,
    batches === 1 ? "" : ` b${bucketSizes(batches)}`,
    odds === "000" ? "" : ` odd ${odds}`,
    rowsApart ? " apart" : "",
    precision === "f32" ? "" : ` ${precision}`,
  ].join("");
}

/** The choices that are worth measuring, the heuristic's first. */
export function productCandidates(device: Chooser, shape: ProductShape): ProductChoice[] {
  const whole: ProductChoice[] = usesLanes(device)
    ? ROWS.flatMap((rows) => [false, true].map((isTurned) => ({ kernel: "lanes" as const, rows, isTurned, splits: 1 })))
    : TILES.flatMap(([tile, blocks]) =>
        [false, true].map((packs) => ({ kernel: "tiles" as const, tile, blocks, packs, splits: 1 })),
      );
  const covered = (choice: ProductChoice) => coveredBy(planOf(choice, shape), shape);
  const least = Math.min(...whole.map(covered));
  const all = whole
    .filter((choice) => covered(choice) <= 2 * least)
    .flatMap((choice) => SPLITS.map((splits) => ({ ...choice, splits })))
    .filter((choice) => fits(device, shape, choice));
  return withDifferentPlans([heuristic(device, shape), ...all], (choice) => planOf(choice, shape));
}

// Elements that the tiles have, with those past the edges.
function coveredBy({ isTurned, tile }: ProductPlan, { m, n }: ProductShape): number {
  return (isTurned ? countTiles(n, m, tile) : countTiles(m, n, tile)) * tile[0] * tile[1];
}

// Whether the kernels can do that: a choice may come from a file, and from another shape of the bucket.
function fits(device: Chooser, shape: ProductShape, choice: Choice): choice is ProductChoice {
  const { kernel, splits } = choice as Partial<ProductChoice>;
  const isKnown =
    kernel === "lanes"
      ? ROWS.some((rows) => rows === choice.rows) && typeof choice.isTurned === "boolean"
      : TILES.some(([tile, blocks]) => tile === choice.tile && blocks === choice.blocks) &&
        typeof choice.packs === "boolean";
  if (!isKnown || kernel !== (usesLanes(device) ? "lanes" : "tiles")) return false;
  if (!Number.isInteger(splits) || splits! < 1) return false;
  if (splits === 1) return true;
  const { tile, isTurned } = planOf(choice as ProductChoice, shape);
  const tiles = (isTurned ? countTiles(shape.n, shape.m, tile) : countTiles(shape.m, shape.n, tile)) * shape.batches;
  return !shape.rowsApart && shape.k >= SHORTEST_PART * splits! && tiles * splits! <= MOST_WORKGROUPS[kernel];
}

function heuristic(device: Chooser, shape: ProductShape): ProductChoice {
  return usesLanes(device) ? chooseLanes(shape) : chooseTiles(shape);
}

function chooseLanes(shape: ProductShape): LanesChoice {
  // Lanes past the last column are idle; rows past the last cost less.
  const isTurned = lanesTime(shape.n, shape.m) < 0.85 * lanesTime(shape.m, shape.n);
  const computed = isTurned ? turn(shape) : shape;
  const rows = rowsPerLane(computed.m);
  const splits = partsToFill(computed, [LANES * rows, LANES * 4], { workgroups: 16, chunk: 512 });
  return { kernel: "lanes", rows, isTurned, splits };
}

function rowsPerLane(m: number): 1 | 2 | 4 {
  return m <= LANES ? 1 : m <= 2 * LANES ? 2 : 4;
}

// What a tile takes, relative to one of four rows per lane. The last takes one row per lane if that is enough.
const TILE_TIME = { 1: 0.4, 2: 0.6, 4: 1 } as const;

function lanesTime(m: number, n: number): number {
  const rows = rowsPerLane(m);
  const rest = m % (LANES * rows);
  const down = Math.floor(m / (LANES * rows)) * TILE_TIME[rows];
  return (down + (rest === 0 ? 0 : TILE_TIME[rest <= LANES ? 1 : rows])) * Math.ceil(n / (4 * LANES));
}

function chooseTiles(shape: ProductShape): TilesChoice {
  const [tile, blocks] = tileSize(shape);
  const splits = partsToFill(shape, [tile, tile], { workgroups: 256, chunk: 256 });
  return { kernel: "tiles", tile, blocks, packs: false, splits };
}

/**
 * The tile of `tiles.wgsl` for a product, and its blocks per thread each way. Large tiles load less per product, but need
 * enough of them to fill a GPU and waste more at the edges.
 */
export function tileSize(shape: Pick<ProductShape, "m" | "n" | "batches">): readonly [size: number, blocks: number] {
  const { m, n, batches } = shape;
  const large = countTiles(m, n, [128, 128]);
  if (large * batches >= 96 && 4 * large < 1.3 * countTiles(m, n, [64, 64])) return [128, 2];
  return Math.min(m, n) > 32 ? [64, 2] : [32, 1];
}

// Enough parts of a long k to fill the device where the tiles alone are too few. How many there are depends on the number of rows.
function partsToFill(
  { m, n, k, batches, rowsApart = false }: ProductShape,
  tile: readonly [number, number],
  wanted: { readonly workgroups: number; readonly chunk: number },
): number {
  const tiles = countTiles(m, n, tile) * batches;
  if (tiles === 0 || rowsApart) return 1;
  return Math.max(Math.min(Math.floor(wanted.workgroups / tiles), Math.floor(k / wanted.chunk)), 1);
}

function planOf(choice: ProductChoice, shape: ProductShape): ProductPlan {
  return choice.kernel === "lanes" ? planLanes(choice, shape) : planTiles(choice, shape);
}

function planLanes({ kernel, rows, isTurned, splits }: LanesChoice, shape: ProductShape): ProductPlan {
  const computed = isTurned ? turn(shape) : shape;
  const { precision = "f32" } = shape;
  const packsAll = precision === "f16";
  const odd = oddOperands(computed);
  return {
    kernel,
    constants: { ROWS: rows },
    tile: [LANES * rows, LANES * 4],
    isTurned,
    read: "vec4",
    write: computed.n % 4 === 0 && !isTurned ? "vec4" : "scalar",
    // With fewer than four rows per lane, A is read by elements where its lines run along m.
    packA: packsAll || (odd.a && !(rows < 4 && computed.transposeA)),
    packB: packsAll || odd.b,
    precision,
    ...cut(shape.k, splits),
  };
}

function planTiles({ kernel, tile, blocks, packs, splits }: TilesChoice, shape: ProductShape): ProductPlan {
  const { precision = "f32" } = shape;
  const packsAll = precision === "f16";
  const odd = oddOperands(shape);
  const read = !packs && !packsAll && (odd.a || odd.b) ? "scalar" : "vec4";
  return {
    kernel,
    constants: { TILE: tile, BLOCKS: blocks },
    tile: [tile, tile],
    isTurned: false,
    read,
    write: read === "vec4" && shape.n % 4 === 0 ? "vec4" : "scalar",
    packA: packsAll || (packs && odd.a),
    packB: packsAll || (packs && odd.b),
    precision,
    ...cut(shape.k, splits),
  };
}

function turn({ m, n, transposeA, transposeB, ...rest }: ProductShape): ProductShape {
  return { ...rest, m: n, n: m, transposeA: !transposeB, transposeB: !transposeA };
}

// Operands whose lines are no multiple of four long.
function oddOperands({ m, n, k, transposeA, transposeB }: ProductShape): { a: boolean; b: boolean } {
  return { a: (transposeA ? m : k) % 4 !== 0, b: (transposeB ? k : n) % 4 !== 0 };
}

/** How many tiles of rows x cols cover [m, n]. */
export function countTiles(m: number, n: number, [rows, cols]: readonly [number, number]): number {
  return Math.ceil(m / rows) * Math.ceil(n / cols);
}

function cut(k: number, parts: number): { splits: number; chunk: number } {
  if (parts <= 1) return { splits: 1, chunk: k };
  const chunk = Math.ceil(k / parts / 16) * 16;
  return { splits: Math.ceil(k / chunk), chunk };
}
