/** The optimizers as their papers and PyTorch's pages have them, an element at a time; optimizer.wgsl says what is what. */
import type { Reference } from "../../gpu/kernel.ts";

/** The fields of a struct of the WGSL, or override constants, by name. */
// biome-ignore lint/suspicious/noExplicitAny: the names are declared in the WGSL, which is where they are looked up.
type Fields = Record<string, any>;

/** One optimizer: the functions of the same names in its WGSL. */
export interface Rule {
  /** Counts a step. Returns every field of Progress but `step`, which is one more unless it says otherwise. */
  readonly next?: (now: Fields, hyper: Fields, flags: Fields) => Fields;
  /** Changes the element's weight and state. */
  readonly change: (element: Element, now: Fields, hyper: Fields, flags: Fields) => void;
}

interface Element {
  /** Already shrunk by decoupled weight decay. */
  weight: number;
  /** With its sign, and with the other weight decay. */
  g: number;
  s0: number;
  s1: number;
  s2: number;
}

/** Words between the progress of one parameter and the next. */
export const PROGRESS_WORDS = 16;

/**
 * The entries of optimizer.wgsl for one optimizer.
 *
 * @param fieldsOf the names of a struct's fields, in order
 */
export function ruleReference(rule: Rule, fieldsOf: (struct: "Hyper" | "Progress") => readonly string[]): Reference {
  const fields = (struct: "Hyper" | "Progress", words: ArrayLike<number>, first: number): Fields =>
    Object.fromEntries(fieldsOf(struct).map((name, k) => [name, words[first + k]!]));
  return {
    advance({ counts, enabled, hyper, found }, { parameters, ...flags }) {
      if (found[0] !== 0) return;
      for (let i = 0; i < parameters; i++) {
        if (enabled[i] === 0) continue;
        const now = fields("Progress", counts, PROGRESS_WORDS * i);
        const counted: Fields = { ...now, step: now.step + 1 };
        const after: Fields = { ...counted, ...rule.next?.(counted, hyper ? fields("Hyper", hyper, 0) : {}, flags) };
        for (const [k, name] of fieldsOf("Progress").entries()) counts[PROGRESS_WORDS * i + k] = after[name];
      }
    },
    update(bind, { sizes, offsets, place, ...flags }) {
      const { p, s0, s1, s2, progress, found } = bind;
      if (found[0] !== 0) return;
      const hyper = fields("Hyper", bind.hyper, 0);
      const element: Element = { weight: 0, g: 0, s0: 0, s1: 0, s2: 0 };
      for (const [j, size] of sizes.entries()) {
        const g = bind[`g${j}`];
        const now = fields("Progress", progress, PROGRESS_WORDS * (place + j));
        for (let i = 0; i < size; i++) {
          const at = offsets[j] + i;
          element.weight = p[at] - hyper.shrink * p[at];
          element.g = hyper.sign * g[i] + hyper.l2 * p[at];
          if (s0) element.s0 = s0[at];
          if (s1) element.s1 = s1[at];
          if (s2) element.s2 = s2[at];
          rule.change(element, now, hyper, flags);
          p[at] = element.weight;
          if (s0) s0[at] = element.s0;
          if (s1) s1[at] = element.s1;
          if (s2) s2[at] = element.s2;
        }
      }
    },
  };
}

/** 1 - beta^step */
function correction(step: number, logBeta: number): number {
  return -Math.expm1(step * logBeta);
}

/** The running means of g and g² in s0 and s1. */
function updateMoments(e: Element, { keep1, take1, keep2, take2 }: Fields): void {
  e.s0 = keep1 * e.s0 + take1 * e.g;
  e.s1 = keep2 * e.s1 + take2 * e.g ** 2;
}

export const sgdRule: Rule = {
  next: ({ step }, _, { MOMENTUM }) => ({ step: MOMENTUM ? step : step - 1 }),
  change(e, { step }, { lr, momentum, take }, { MOMENTUM, NESTEROV }) {
    let direction = e.g;
    if (MOMENTUM) {
      e.s0 = step === 1 ? e.g : momentum * e.s0 + take * e.g;
      direction = NESTEROV ? e.g + momentum * e.s0 : e.s0;
    }
    e.weight -= lr * direction;
  },
};

export const adamRule: Rule = {
  next: ({ step }, { logBeta1, logBeta2 }) => ({
    correction1: correction(step, logBeta1),
    correction2: correction(step, logBeta2),
  }),
  change(e, { correction1, correction2 }, hyper, { AMSGRAD }) {
    updateMoments(e, hyper);
    let v = e.s1;
    if (AMSGRAD) v = e.s2 = Math.max(e.s2, v);
    e.weight -= ((hyper.lr / correction1) * e.s0) / (Math.sqrt(v / correction2) + hyper.eps);
  },
};

export const nadamRule: Rule = {
  next({ step, muProduct: before }, { keep1, logDecay, logBeta2 }) {
    const mu = (t: number) => keep1 * (1 - 0.5 * Math.exp(t * logDecay));
    const muProduct = (step === 1 ? 1 : before) * mu(step);
    return {
      muProduct,
      momentPart: mu(step + 1) / (1 - muProduct * mu(step + 1)),
      gradientPart: (1 - mu(step)) / (1 - muProduct),
      correction2: correction(step, logBeta2),
    };
  },
  change(e, { momentPart, gradientPart, correction2 }, hyper) {
    updateMoments(e, hyper);
    e.weight -= (hyper.lr * (momentPart * e.s0 + gradientPart * e.g)) / (Math.sqrt(e.s1 / correction2) + hyper.eps);
  },
};

export const radamRule: Rule = {
  next({ step }, { logBeta1, logBeta2, rhoFactor }) {
    const correction2 = correction(step, logBeta2);
    const rho = 2 / correction(1, logBeta2) - 1 - (2 * step * Math.exp(step * logBeta2)) / correction2;
    const rectified = rho > 5 ? Math.sqrt((((rho - 4) * (rho - 2)) / rho) * rhoFactor * correction2) : 0;
    return { correction1: correction(step, logBeta1), rectified };
  },
  change(e, { correction1, rectified }, hyper) {
    updateMoments(e, hyper);
    const direction = (hyper.lr / correction1) * e.s0;
    e.weight -= rectified === 0 ? direction : (direction * rectified) / (Math.sqrt(e.s1) + hyper.eps);
  },
};

export const rmspropRule: Rule = {
  change(e, _, { lr, keep, take, eps, momentum }, { CENTERED, MOMENTUM }) {
    e.s0 = keep * e.s0 + take * e.g ** 2;
    let v = e.s0;
    if (CENTERED) {
      e.s1 = keep * e.s1 + take * e.g;
      v = Math.max(v - e.s1 ** 2, 0);
    }
    const d = e.g / (Math.sqrt(v) + eps);
    if (MOMENTUM) e.s2 = momentum * e.s2 + d;
    e.weight -= lr * (MOMENTUM ? e.s2 : d);
  },
};

export const adagradRule: Rule = {
  next: ({ step }, { lrDecay }) => ({ slowing: 1 + (step - 1) * lrDecay }),
  change(e, { slowing }, { lr, eps }) {
    e.s0 += e.g ** 2;
    e.weight -= ((lr / slowing) * e.g) / (Math.sqrt(e.s0) + eps);
  },
};

export const adadeltaRule: Rule = {
  change(e, _, { lr, keep, take, eps }) {
    e.s0 = keep * e.s0 + take * e.g ** 2;
    const d = (Math.sqrt(e.s1 + eps) / Math.sqrt(e.s0 + eps)) * e.g;
    e.s1 = keep * e.s1 + take * d ** 2;
    e.weight -= lr * d;
  },
};

export const adamaxRule: Rule = {
  next: ({ step }, { logBeta1 }) => ({ correction1: correction(step, logBeta1) }),
  change(e, { correction1 }, { lr, keep1, take1, keep2, eps }) {
    e.s0 = keep1 * e.s0 + take1 * e.g;
    e.s1 = Math.max(keep2 * e.s1, Math.abs(e.g) + eps);
    e.weight -= ((lr / correction1) * e.s0) / e.s1;
  },
};

export const lionRule: Rule = {
  change(e, _, { lr, keep1, take1, keep2, take2 }) {
    e.weight -= lr * Math.sign(keep1 * e.s0 + take1 * e.g);
    e.s0 = keep2 * e.s0 + take2 * e.g;
  },
};

export const movingAverageRule: Rule = {
  next: ({ step }, { take }, { WARMUP }) => ({ take: WARMUP ? Math.max(take, 9 / (9 + step)) : take }),
  change(e, { take }) {
    e.weight += take * (e.g - e.weight);
  },
};
