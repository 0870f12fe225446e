/** ctc-loss.wgsl entry by entry, as the formulas say. */
import { reportIndexError } from "../../gpu/index-error.ts";
import type { Reference, ReferenceEntry } from "../../gpu/kernel.ts";

type Params = Parameters<ReferenceEntry>[1];

const NEVER = Number.NEGATIVE_INFINITY;

function logSum(...terms: readonly number[]): number {
  const most = Math.max(...terms);
  if (most === NEVER) return most;
  return most + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - most), 0));
}

// A sample's target with blanks between its labels, and at both ends.
function statesOf(targets: ArrayLike<number>, sample: number, labels: number, params: Params): number[] {
  const states: number[] = [params.blank];
  for (let k = 0; k < labels; k++) states.push(targets[sample * params.labels + k]!, params.blank);
  return states;
}

function finite(x: number): number {
  return Number.isFinite(x) ? x : 0;
}

// Whether state s may come right after state s - 2.
function canSkip(states: readonly number[], s: number): boolean {
  return s % 2 === 1 && s >= 3 && s < states.length && states[s] !== states[s - 2];
}

export const ctcLossReference = {
  forward({ logProbs, targets, inputLengths, targetLengths, alpha, lengths, losses, indexErrors }, params) {
    const { steps: maxSteps, batch, classes, labels: maxLabels, MEAN, ZERO_INFINITY } = params;
    for (let i = 0; i < batch; i++) {
      const [steps, labels] = [inputLengths[i], targetLengths[i]];
      lengths.fill(0, 2 * i, 2 * i + 2);
      losses[i] = 0;
      let failed = false;
      const check = (site: number, position: number, value: number, bound: number) => {
        if (value >= 0 && value < bound) return;
        reportIndexError(indexErrors, site, position, value);
        failed = true;
      };
      check(params.inputSite, i, steps, maxSteps + 1);
      check(params.targetSite, i, labels, maxLabels + 1);
      for (let k = 0; k < labels && !(labels > maxLabels); k++) {
        check(params.labelSite, i * maxLabels + k, targets[i * maxLabels + k], classes);
      }
      if (failed) continue;

      const states = statesOf(targets, i, labels, params);
      let offset = 0;
      let row: number[] = [];
      for (let t = 0; t < steps; t++) {
        const before = row;
        row = states.map((state, s) => {
          const reached =
            t === 0
              ? s < 2
                ? 0
                : NEVER
              : logSum(before[s]!, before[s - 1] ?? NEVER, canSkip(states, s) ? before[s - 2]! : NEVER);
          return reached + logProbs[(t * batch + i) * classes + state];
        });
        const largest = finite(Math.max(...row));
        row = row.map((value) => value - largest);
        offset += largest;
        alpha.set(row, (i * maxSteps + t) * (2 * maxLabels + 1));
      }
      const logP = steps > 0 ? offset + logSum(...row.slice(-2)) : labels === 0 ? 0 : NEVER;
      const loss = -logP / (MEAN ? Math.max(labels, 1) : 1);
      losses[i] = ZERO_INFINITY && loss === Number.POSITIVE_INFINITY ? 0 : loss;
      lengths.set([steps, labels], 2 * i);
    }
  },

  link({ targets, saved, links }, { batch, labels: maxLabels }) {
    for (let i = 0; i < batch; i++) {
      const row = targets.subarray(i * maxLabels, i * maxLabels + saved[2 * i + 1]);
      for (const [k, label] of row.entries()) {
        const following = row.indexOf(label, k + 1);
        links[i * maxLabels + k] = 2 * (following < 0 ? maxLabels : following) + Number(row.indexOf(label) < k);
      }
    }
  },

  backward({ logProbs, targets, saved, reached, dy, dlogProbs }, params) {
    const { steps: maxSteps, batch, classes, labels: maxLabels, MEAN, ZERO_INFINITY } = params;
    for (let i = 0; i < batch; i++) {
      const [steps, labels] = saved.subarray(2 * i);
      const states = statesOf(targets, i, labels, params);
      const row = (t: number) => reached.subarray((i * maxSteps + t) * (2 * maxLabels + 1)).subarray(0, states.length);
      if (ZERO_INFINITY && steps > 0 && Math.max(...row(steps - 1).slice(-2)) === NEVER) continue;
      const upstream = -dy[i] / (MEAN ? Math.max(labels, 1) : 1);
      let later: number[] = []; // log of the probability of a state's class and of what follows it, a step later
      for (let t = steps - 1; t >= 0; t--) {
        const at = (state: number) => (t * batch + i) * classes + state;
        const follows = states.map((_, s) =>
          t === steps - 1
            ? s >= states.length - 2
              ? 0
              : NEVER
            : logSum(later[s]!, later[s + 1] ?? NEVER, canSkip(states, s + 2) ? later[s + 2]! : NEVER),
        );
        const logShares = follows.map((value, s) => value + row(t)[s]);
        const total = logSum(...logShares);
        for (const [s, state] of states.entries()) dlogProbs[at(state)] += upstream * Math.exp(logShares[s]! - total);
        later = states.map((state, s) => follows[s]! + logProbs[at(state)]);
      }
    }
  },
} satisfies Reference;
