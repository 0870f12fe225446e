/** rows.wgsl, columns.wgsl and channels.wgsl entry by entry, as the formulas say, with all sums in one part. */
import type { Reference } from "../../gpu/kernel.ts";

interface View {
  readonly runs: number;
  readonly sets: number;
  readonly perSet: number;
  readonly inner: number;
  readonly channels: number;
}

/** Calls `visit` with the place, the set, the line among the sets' and the channel of every element. */
function forEach(
  { runs, sets, perSet, inner, channels }: View,
  visit: (at: number, set: number, line: number, channel: number) => void,
): void {
  const lines = sets * perSet;
  for (let at = 0; at < runs * lines * inner; at++) {
    const line = Math.floor(at / inner) % lines;
    visit(at, Math.floor(line / perSet), line, line % channels);
  }
}

/** The definition of the entries that columns.wgsl has, and rows.wgsl too. */
export const columnsReference = {
  moments({ x, parts }, params) {
    const { sets, perSet, inner } = params as unknown as View;
    const count = new Array(sets).fill(0);
    const offset = new Array(sets).fill(0);
    const squares = new Array(sets).fill(0);
    const fromPivot = (at: number, set: number) => x[at] - x[set * perSet * inner];
    forEach(params as unknown as View, (at, set) => {
      count[set]++;
      offset[set] += fromPivot(at, set);
    });
    for (let set = 0; set < sets; set++) offset[set] /= count[set];
    forEach(params as unknown as View, (at, set) => {
      squares[set] += (fromPivot(at, set) - offset[set]) ** 2;
    });
    parts.set([...count, ...offset, ...squares]);
  },

  normalize({ x, weight, bias, stats, y }, { HAS_WEIGHT, HAS_BIAS, ...view }) {
    forEach(view as unknown as View, (at, set, _line, channel) => {
      const [pivot, offset, rstd] = [stats[set], stats[view.sets + set], stats[2 * view.sets + set]];
      y[at] = (x[at] - pivot - offset) * rstd * (HAS_WEIGHT ? weight[channel] : 1) + (HAS_BIAS ? bias[channel] : 0);
    });
  },

  sums({ x, dy, stats, parts }, params) {
    const { sets, perSet } = params as unknown as View;
    parts.fill(0);
    forEach(params as unknown as View, (at, set, line) => {
      parts[line] += dy[at];
      parts[sets * perSet + line] += dy[at] * (x[at] - stats[set] - stats[sets + set]);
    });
  },

  // dx = rstd weight dy, and of x's own statistics + q (x - mean) + r
  backwardInput({ x, weight, dy, stats, coefficients, dx }, { HAS_WEIGHT, BATCH, ...view }) {
    forEach(view as unknown as View, (at, set, _line, channel) => {
      const [pivot, offset, rstd] = [stats[set], stats[view.sets + set], stats[2 * view.sets + set]];
      dx[at] = dy[at] * rstd * (HAS_WEIGHT ? weight[channel] : 1);
      if (BATCH) dx[at] += (x[at] - pivot - offset) * coefficients[set] + coefficients[view.sets + set];
    });
  },
} satisfies Reference;

export const rowsReference = {
  ...columnsReference,
  shortMoments: columnsReference.moments,
  shortSums: columnsReference.sums,
} satisfies Reference;

export const channelsReference = {
  statsOfMoments({ x, parts, stats, batches }, { sets, length, eps }) {
    batches[0]++;
    for (let set = 0; set < sets; set++) {
      const variance = parts[2 * sets + set] / parts[set];
      stats[set] = x[set * length];
      stats[sets + set] = parts[sets + set];
      stats[2 * sets + set] = 1 / Math.sqrt(variance + eps);
      stats[3 * sets + set] = variance;
    }
  },

  statsOfRunning({ savedMean, savedVar, stats }, { sets, eps }) {
    for (let set = 0; set < sets; set++) {
      stats[set] = savedMean[set];
      stats[sets + set] = 0;
      stats[2 * sets + set] = 1 / Math.sqrt(savedVar[set] + eps);
      stats[3 * sets + set] = savedVar[set];
    }
  },

  // running = (1 - momentum) running + momentum new, where new is the average over a channel's sets
  updateRunning({ saved, runningMean, runningVar, batches }, { sets, channels, count, CUMULATIVE, ...params }) {
    const momentum = CUMULATIVE ? 1 / batches[0] : params.momentum;
    for (let channel = 0; channel < channels; channel++) {
      let mean = 0;
      let variance = 0;
      for (let set = channel; set < sets; set += channels) {
        mean += (saved[set] + saved[sets + set]) * (channels / sets);
        variance += saved[3 * sets + set] * (count / (count - 1)) * (channels / sets);
      }
      runningMean[channel] = (1 - momentum) * runningMean[channel] + momentum * mean;
      runningVar[channel] = (1 - momentum) * runningVar[channel] + momentum * variance;
    }
  },

  // q = -rstd³ avg(weight dy (x - mean)), r = -rstd avg(weight dy)
  backwardStats({ parts, saved, weight, coefficients }, { sets, perSet, channels, count, HAS_WEIGHT }) {
    const lines = sets * perSet;
    for (let set = 0; set < sets; set++) {
      let sum = 0;
      let product = 0;
      for (let line = set * perSet; line < (set + 1) * perSet; line++) {
        const w = HAS_WEIGHT ? weight[line % channels] : 1;
        sum += w * parts[line];
        product += w * parts[lines + line];
      }
      const rstd = saved[2 * sets + set];
      coefficients[set] = (-(rstd ** 3) * product) / count;
      coefficients[sets + set] = (-rstd * sum) / count;
    }
  },

  // dweight = Σ dy (x - mean) rstd, dbias = Σ dy, over a channel's lines
  backwardAffine({ parts, saved, dweight, dbias }, { sets, perSet, channels }) {
    const lines = sets * perSet;
    for (let channel = 0; channel < channels; channel++) {
      dweight[channel] = 0;
      dbias[channel] = 0;
      for (let line = channel; line < lines; line += channels) {
        dweight[channel] += parts[lines + line] * saved[2 * sets + Math.floor(line / perSet)];
        dbias[channel] += parts[line];
      }
    }
  },
} satisfies Reference;
