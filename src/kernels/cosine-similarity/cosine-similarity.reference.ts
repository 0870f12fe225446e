/** cosine-similarity.wgsl entry by entry, as the formulas say. */
import type { Reference, ReferenceEntry } from "../../gpu/kernel.ts";

type Params = Parameters<ReferenceEntry>[1];

const place = (line: number, c: number, { n, inner }: Params) =>
  (Math.floor(line / inner) * n + c) * inner + (line % inner);

const forward: ReferenceEntry = ({ x1, x2, y, stats }, params) => {
  const { lines, n, eps, ADDED } = params;
  for (let line = 0; line < lines; line++) {
    let [both, first, second] = [0, 0, 0];
    for (let c = 0; c < n; c++) {
      const at = place(line, c, params);
      both += x1[at] * x2[at];
      first += x1[at] ** 2;
      second += x2[at] ** 2;
    }
    const lengthOf = (squared: number) => (ADDED ? Math.sqrt(squared + eps) : Math.max(Math.sqrt(squared), eps));
    const [l1, l2] = [lengthOf(first), lengthOf(second)];
    const slope = (length: number) => (!ADDED && length === eps ? 0 : both / (l1 * l2) / length ** 2);
    y[line] = both / (l1 * l2);
    stats.set([1 / (l1 * l2), slope(l1), slope(l2), 0], 4 * line);
  }
};

export const cosineSimilarityReference = {
  forwardRows: forward,
  forwardColumns: forward,

  backwardFirst({ x1, x2, saved, dy, dx1 }, params) {
    for (let line = 0; line < params.lines; line++) {
      for (let c = 0; c < params.n; c++) {
        const at = place(line, c, params);
        dx1[at] = dy[line] * (saved[4 * line] * x2[at] - saved[4 * line + 1] * x1[at]);
      }
    }
  },

  backwardSecond({ x1, x2, saved, dy, dx2 }, params) {
    for (let line = 0; line < params.lines; line++) {
      for (let c = 0; c < params.n; c++) {
        const at = place(line, c, params);
        dx2[at] = dy[line] * (saved[4 * line] * x1[at] - saved[4 * line + 2] * x2[at]);
      }
    }
  },
} satisfies Reference;
