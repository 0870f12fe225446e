/** cross-entropy.wgsl entry by entry, as the formulas say. */
import { reportIndexError } from "../../gpu/index-error.ts";
import type { Reference, ReferenceEntry } from "../../gpu/kernel.ts";

type Bind = Parameters<ReferenceEntry>[0];
type Params = Parameters<ReferenceEntry>[1];

const start = (i: number, { classes, inner }: Params) => Math.floor(i / inner) * classes * inner + (i % inner);

function share({ labels, weight }: Bind, params: Params, i: number, c: number): number {
  const { inner, keep, spread, PROBABILITIES, HAS_WEIGHT } = params;
  const target = PROBABILITIES ? labels[start(i, params) + c * inner] : Number(labels[i] === c);
  return (keep * target + spread) * (HAS_WEIGHT ? weight[c] : 1);
}

function upstream({ dy, savedScale }: Bind, { reduction }: Params, i: number): number {
  return reduction === 0 ? dy[i] : dy[0] * savedScale[0];
}

const forward: ReferenceEntry = (bind, params) => {
  const { logits, labels, weight, losses, stats, partials, indexErrors } = bind;
  const { rows, classes, inner, parts, ignoreIndex, site, PROBABILITIES, LOG_PROBS, HAS_WEIGHT } = params;
  partials.fill(0);
  for (let i = 0; i < rows; i++) {
    const x = (c: number) => logits[start(i, params) + c * inner];
    let [loss, max, logSum, mass, count] = [0, 0, 0, 0, 0];
    const label = labels[i] | 0; // with PROBABILITIES there is none
    const ignored = !PROBABILITIES && label === ignoreIndex;
    const valid = PROBABILITIES || (!ignored && label >= 0 && label < classes);
    if (!valid && !ignored) reportIndexError(indexErrors, site, i, label);
    if (valid) {
      if (!LOG_PROBS) {
        max = Number.NEGATIVE_INFINITY;
        for (let c = 0; c < classes; c++) max = Math.max(max, x(c));
        let sum = 0;
        for (let c = 0; c < classes; c++) sum += Math.exp(x(c) - max);
        logSum = Math.log(sum);
      }
      for (let c = 0; c < classes; c++) {
        const part = share(bind, params, i, c);
        if (part === 0) continue;
        mass += part;
        loss += part * (max - x(c) + logSum);
      }
      count = HAS_WEIGHT && !PROBABILITIES ? weight[label] : 1;
    }
    losses[i] = loss;
    stats.set([max, logSum, mass, Number(valid)], 4 * i);
    partials[2 * (i % parts)] += loss;
    partials[2 * (i % parts) + 1] += count;
  }
};

const backward: ReferenceEntry = (bind, params) => {
  const { logits, saved, dlogits } = bind;
  const { rows, classes, inner, LOG_PROBS } = params;
  for (let i = 0; i < rows; i++) {
    const [max, logSum, mass, valid] = saved.subarray(4 * i);
    for (let c = 0; c < classes; c++) {
      const at = start(i, params) + c * inner;
      const p = LOG_PROBS ? 0 : Math.exp(logits[at] - max - logSum);
      dlogits[at] = valid ? upstream(bind, params, i) * (mass * p - share(bind, params, i, c)) : 0;
    }
  }
};

export const crossEntropyReference = {
  forwardRows: forward,
  forwardColumns: forward,

  reduce({ allPartials, y, scale }, { parts, reduction }) {
    let [loss, count] = [0, 0];
    for (let p = 0; p < parts; p++) {
      loss += allPartials[2 * p];
      count += allPartials[2 * p + 1];
    }
    scale[0] = reduction === 2 ? 1 / count : 1;
    y[0] = reduction === 2 ? loss / count : loss;
  },

  backwardRows: backward,
  backwardColumns: backward,

  backwardLabels(bind, params) {
    const { logits, weight, saved, dlabels } = bind;
    const { rows, classes, inner, keep, HAS_WEIGHT } = params;
    for (let i = 0; i < rows; i++) {
      const [max, logSum] = saved.subarray(4 * i);
      for (let c = 0; c < classes; c++) {
        const at = start(i, params) + c * inner;
        dlabels[at] = upstream(bind, params, i) * keep * (HAS_WEIGHT ? weight[c] : 1) * (max - logits[at] + logSum);
      }
    }
  },
} satisfies Reference;
