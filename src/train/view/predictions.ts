/**
 * What a model makes of labelled examples, as much of it as a report shows: how often each class was taken for each other,
 * and the examples that it got most wrong. The memory it takes does not grow with the number of examples.
 */

/** A class by its number, with its probability. */
export type Guess = readonly [label: number, probability: number];

/** An example that was taken for another class. */
export interface Mistake {
  /** Which one of the examples. */
  readonly example: number;
  readonly label: number;
  /** -log of the probability of its label. */
  readonly loss: number;
  /** The most probable classes, the first one first. */
  readonly guesses: readonly Guess[];
}

/** How an example looks to people: a text, or an image as a data URI. */
export type Shown = { readonly text: string } | { readonly image: string };

/** What a run's `predictions.json` holds. */
export interface Predictions {
  /** Which part of the data was looked at. */
  readonly split: "valid" | "test";
  readonly examples: number;
  /** The names of the classes. */
  readonly labels: readonly string[];
  /** How many examples of a class were taken for a class; pairs that did not occur are left out. */
  readonly confusion: readonly (readonly [label: number, predicted: number, count: number])[];
  /** Those whose labels were held for the least likely, the worst first. */
  readonly worst: readonly (Mistake & Shown)[];
  /** Those where the model was most sure of another class, but for the worst ones. */
  readonly confident: readonly (Mistake & Shown)[];
}

const KEPT = 12;
const GUESSES = 3;

/** Collects predictions batch by batch. */
export class PredictionTally {
  readonly #classes: number;
  /** By label * classes + predicted. */
  readonly #counts = new Map<number, number>();
  readonly #worst: Ranking<Mistake>;
  readonly #confident: Ranking<Mistake>;
  #examples = 0;

  /**
   * @param classes how many there are
   * @param kept how many of the worst mistakes, and of the most confident
   */
  constructor(classes: number, kept = KEPT) {
    this.#classes = classes;
    this.#worst = new Ranking(kept, ({ loss }) => loss);
    this.#confident = new Ranking(2 * kept, ({ guesses }) => guesses[0]![1]); // among them may be all of the worst
  }

  /**
   * @param scores [batch, classes] before softmax
   * @param labels [batch]
   * @param examples [batch] the number of each example
   */
  add(scores: ArrayLike<number>, labels: ArrayLike<number>, examples: ArrayLike<number>): void {
    for (let row = 0; row < labels.length; row++) {
      const label = labels[row]!;
      const from = row * this.#classes;
      let predicted = 0;
      for (let k = 1; k < this.#classes; k++) if (scores[from + k]! > scores[from + predicted]!) predicted = k;
      const pair = label * this.#classes + predicted;
      this.#counts.set(pair, (this.#counts.get(pair) ?? 0) + 1);
      this.#examples++;
      if (predicted === label) continue;
      const logs = logSoftmax(Array.from({ length: this.#classes }, (_, k) => scores[from + k]!));
      const loss = -logs[label]!;
      if (!this.#worst.wants(loss) && !this.#confident.wants(Math.exp(logs[predicted]!))) continue;
      const guesses = logs
        .map((log, k): Guess => [k, Math.exp(log)])
        .sort((a, b) => b[1] - a[1])
        .slice(0, GUESSES);
      const mistake = { example: examples[row]!, label, loss, guesses };
      this.#worst.add(mistake);
      this.#confident.add(mistake);
    }
  }

  /** @param show looks an example up; it is called for those that are kept */
  result(split: Predictions["split"], labels: readonly string[], show: (example: number) => Shown): Predictions {
    const confusion = [...this.#counts]
      .sort(([a], [b]) => a - b)
      .map(([pair, count]) => [Math.floor(pair / this.#classes), pair % this.#classes, count] as const);
    const worst = this.#worst.items;
    const confident = this.#confident.items.filter((mistake) => !worst.includes(mistake)).slice(0, worst.length);
    const shown = (mistake: Mistake) => ({ ...mistake, ...show(mistake.example) });
    return {
      split,
      examples: this.#examples,
      labels,
      confusion,
      worst: worst.map(shown),
      confident: confident.map(shown),
    };
  }
}

/** Keeps the few highest of many; of equal ones, the first. */
class Ranking<T> {
  readonly items: T[] = [];
  readonly #size: number;
  readonly #height: (item: T) => number;

  constructor(size: number, height: (item: T) => number) {
    this.#size = size;
    this.#height = height;
  }

  wants(height: number): boolean {
    return this.items.length < this.#size || height > this.#height(this.items.at(-1)!);
  }

  add(item: T): void {
    const height = this.#height(item);
    if (!this.wants(height)) return;
    const lower = this.items.findIndex((other) => this.#height(other) < height);
    this.items.splice(lower < 0 ? this.items.length : lower, 0, item);
    this.items.length = Math.min(this.items.length, this.#size);
  }
}

function logSoftmax(scores: readonly number[]): number[] {
  const highest = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const logSum = highest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - highest), 0));
  return scores.map((score) => score - logSum);
}
