/** The choice of kernels for a matrix product: a pure function of the device and the shape. */
import type { Family } from "../../gpu/kernel.ts";

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
  /** Which operands are copied into scratch first, where their lines are a multiple of four long. */
  readonly packA: boolean;
  readonly packB: boolean;
  /** Parts that k is cut into, and k of each part but the last. */
  readonly splits: number;
  readonly chunk: number;
}

// lanes.wgsl is written for this many lanes.
const LANES = 8;
/** The steps along k of the kernels. */
export const DEPTHS = { lanes: 4, tiles: 16 } as const;

/**
 * Chooses the kernels for a product.
 *
 * @param device its family and the lanes of its subgroups (0: unknown)
 */
export function planProduct(
  device: { readonly family: Family; readonly subgroupSize: number },
  shape: ProductShape,
): ProductPlan {
  return device.family === "software" && device.subgroupSize === LANES ? planLanes(shape) : planTiles(shape);
}

function planLanes(shape: ProductShape): ProductPlan {
  // Lanes past the last column are idle; rows past the last cost less.
  const isTurned = lanesTime(shape.n, shape.m) < 0.85 * lanesTime(shape.m, shape.n);
  const computed = isTurned ? turn(shape) : shape;
  const { m, n } = computed;
  const rows = rowsPerLane(m);
  const odd = oddOperands(computed);
  const tile = [LANES * rows, LANES * 4] as const;
  return {
    kernel: "lanes",
    constants: { ROWS: rows },
    tile,
    isTurned,
    read: "vec4",
    write: n % 4 === 0 && !isTurned ? "vec4" : "scalar",
    // With fewer than four rows per lane, A is read by elements where its lines run along m.
    packA: odd.a && !(rows < 4 && computed.transposeA),
    packB: odd.b,
    ...split(computed, tile, { workgroups: 16, chunk: 512 }),
  };
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

function planTiles(shape: ProductShape): ProductPlan {
  const [size, blocks] = tileSize(shape);
  const odd = oddOperands(shape);
  const read = odd.a || odd.b ? "scalar" : "vec4";
  const tile = [size, size] as const;
  return {
    kernel: "tiles",
    constants: { TILE: size, BLOCKS: blocks },
    tile,
    isTurned: false,
    read,
    write: read === "vec4" && shape.n % 4 === 0 ? "vec4" : "scalar",
    packA: false,
    packB: false,
    ...split(shape, tile, { workgroups: 256, chunk: 256 }),
  };
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

// Cuts a long k where the tiles alone are too few. How many there are depends on the number of rows.
function split(
  shape: ProductShape,
  tile: readonly [number, number],
  wanted: { readonly workgroups: number; readonly chunk: number },
): { splits: number; chunk: number } {
  const { m, n, k, batches, rowsApart = false } = shape;
  const tiles = countTiles(m, n, tile) * batches;
  const parts =
    tiles === 0 || rowsApart ? 1 : Math.min(Math.floor(wanted.workgroups / tiles), Math.floor(k / wanted.chunk));
  if (parts <= 1) return { splits: 1, chunk: k };
  const chunk = Math.ceil(k / parts / 16) * 16;
  return { splits: Math.ceil(k / chunk), chunk };
}
