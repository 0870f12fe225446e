/** The lines of a run's metrics.jsonl as points of curves, as they come: also from a file that is still being written. */

/** What is known after a step. */
export interface Point {
  /** Steps so far, over all epochs. */
  readonly step: number;
  /** Whether it tells of a whole epoch, or of the epoch so far. */
  readonly kind: "step" | "epoch";
  /** Counted from 0. */
  readonly epoch: number;
  /** Finite numbers by name; of an epoch: "train.loss", "valid.accuracy" and their like. */
  readonly values: Readonly<Record<string, number>>;
  /** Of an epoch: whether it was the best until then. */
  readonly best?: boolean;
}

// What a line says besides its metrics.
const OTHER_FIELDS = ["event", "epoch", "step", "steps", "examples", "best"];

/** Reads lines one after the other. What is no point of a curve is passed over. */
export class RunLog {
  #step = 0;

  /** @returns the line's point, or null for a line that is cut, broken or tells of something else */
  read(line: string): Point | null {
    const entry = parseObject(line);
    if (!entry) return null;
    const { event, epoch } = entry;
    if (!isCount(epoch)) return null;
    if (event === "step" && isCount(entry.step)) {
      this.#step = entry.step;
      return { step: entry.step, kind: "step", epoch, values: numbers(entry, "") };
    }
    if (event !== "epoch") return null;
    this.#step = this.#endOfEpoch(entry);
    const values = {
      ...numbers(entry, ""),
      ...numbers(asObject(entry.train), "train."),
      ...numbers(asObject(entry.valid), "valid."),
    };
    return { step: this.#step, kind: "epoch", epoch, values, best: entry.best === true };
  }

  // Older logs do not say the step with which an epoch ends, but how many steps it has.
  #endOfEpoch({ step, steps }: Readonly<Record<string, unknown>>): number {
    if (isCount(step)) return step;
    const start = this.#epochEnd;
    this.#epochEnd = Math.max(this.#step, isCount(steps) ? start + steps : 0);
    return this.#epochEnd;
  }

  #epochEnd = 0;
}

/** @returns the points of a whole log */
export function readLog(text: string): Point[] {
  const log = new RunLog();
  return text.split("\n").flatMap((line) => log.read(line) ?? []);
}

/**
 * Leaves out points where there are too many to draw: of each stretch of neighbours those stay which hold the smallest or
 * the largest value of a curve, so that no peak is lost. Epochs, and the last point, always stay.
 *
 * @param most about how many points stay
 */
export function thin(points: readonly Point[], most: number): readonly Point[] {
  if (points.length <= most) return points;
  const names = new Set(points.flatMap(({ values }) => Object.keys(values)));
  const stretch = Math.ceil((points.length * 2 * names.size) / most);
  const kept = new Set<Point>([points.at(-1)!, ...points.filter(({ kind }) => kind === "epoch")]);
  for (let start = 0; start < points.length; start += stretch) {
    const neighbours = points.slice(start, start + stretch);
    for (const name of names) {
      const having = neighbours.filter(({ values }) => name in values);
      if (having.length === 0) continue;
      kept.add(having.reduce((a, b) => (b.values[name]! < a.values[name]! ? b : a)));
      kept.add(having.reduce((a, b) => (b.values[name]! > a.values[name]! ? b : a)));
    }
  }
  return points.filter((point) => kept.has(point));
}

/** @returns the object that JSON stands for, or null for what is none */
export function parseObject(text: string): Record<string, unknown> | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}

export function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}

// NaN and the infinities are null in JSON; they are gaps in a curve.
function numbers(entry: Readonly<Record<string, unknown>> | null, prefix: string): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [name, value] of Object.entries(entry ?? {})) {
    if (typeof value === "number" && Number.isFinite(value) && !OTHER_FIELDS.includes(name))
      values[`${prefix}${name}`] = value;
  }
  return values;
}
