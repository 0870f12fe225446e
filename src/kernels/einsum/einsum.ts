/** Sums of products over labelled axes, composed of permutations, products, matrix products and sums. */
import { expectSameDevice } from "../../autograd/record.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { scope } from "../../tensor/scope.ts";
import { type Shape, shapesEqual, sizeOf, stridesOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { mul } from "../elementwise/binary-ops.ts";
import { matmul } from "../matmul/matmul.ts";
import { sum } from "../reduce/sum.ts";
import { permute } from "../view/permute.ts";
import { reshape } from "../view/reshape.ts";
import { takeView } from "../view/strided-view.ts";
import { type Label, parseEquation } from "./equation.ts";

/** A tensor whose axes have labels, none of them twice. */
interface Term {
  readonly x: Tensor;
  readonly labels: readonly Label[];
}

/**
 * Multiplies the operands' elements whose labels agree, and sums over the labels that the output lacks.
 *
 * A label that an operand has twice takes its diagonal; `...` stands for axes that broadcast. Without `->`, the output has
 * the axes under `...` and then, in alphabetical order, the labels that occur once. Sizes of 1 stretch. Several operands are
 * contracted two by two, the cheapest pair first.
 *
 * @param equation PyTorch's notation: the labels of each operand's axes, and after `->` those of the output
 * @param operands f32
 * @throws ValueError for an equation that is none
 * @throws ShapeError if the operands' axes and their labels do not fit
 * @see https://pytorch.org/docs/stable/generated/torch.einsum.html
 * @example
 * einsum("ij,jk->ik", a, b);               // matrix product
 * einsum("bhtd,bhsd->bhts", q, k);         // scores of attention
 * einsum("ii", a);                         // trace
 * einsum("...i,...i->...", x, y);          // dot products over the last axis
 */
export function einsum(equation: string, ...operands: Tensor[]): Tensor {
  const { inputs, output } = parseEquation(
    equation,
    operands.map((x) => x.shape),
  );
  for (const [i, x] of operands.entries()) expectDType("einsum", `operand ${i}`, x.dtype, ["f32"]);
  expectSameDevice("einsum", operands);
  return scope(() => {
    let terms = operands.map((x, i) => takeDiagonals(x, inputs[i]!));
    while (terms.length > 1) {
      const [first, second] = cheapestPair(terms);
      const others = terms.filter((term) => term !== first && term !== second);
      const needed = [...output, ...others.flatMap(({ labels }) => labels)];
      terms = [contract(first, second, needed), ...others];
    }
    return arrange(sumOut(terms[0]!, output), output);
  });
}

function takeDiagonals(x: Tensor, labels: readonly Label[]): Term {
  const distinct = [...new Set(labels)];
  if (distinct.length === labels.length) return { x, labels };
  const strides = stridesOf(x.shape);
  const view = {
    shape: distinct.map((label) => x.shape[labels.indexOf(label)]!),
    strides: distinct.map((label) => strides.reduce((sum, stride, i) => (labels[i] === label ? sum + stride : sum), 0)),
    offset: 0,
  };
  return { x: takeView("einsum", x, view), labels: distinct };
}

// The pair whose product has the fewest terms; the first of those.
function cheapestPair(terms: readonly Term[]): readonly [Term, Term] {
  let pair = [terms[0]!, terms[1]!] as const;
  let least = Number.POSITIVE_INFINITY;
  for (const [i, first] of terms.entries()) {
    for (const second of terms.slice(i + 1)) {
      const labels = new Set([...first.labels, ...second.labels]);
      const cost = sizeOf([...labels].map((label) => Math.max(sizeIn(first, label), sizeIn(second, label))));
      if (cost < least) [pair, least] = [[first, second], cost];
    }
  }
  return pair;
}

function sizeIn({ x, labels }: Term, label: Label): number {
  return labels.includes(label) ? x.shape[labels.indexOf(label)]! : 1;
}

// The product of two terms, with the labels of `needed`.
function contract(first: Term, second: Term, needed: readonly Label[]): Term {
  const [left, right] = [withoutStretched(first, second), withoutStretched(second, first)];
  const a = sumOut(left, [...right.labels, ...needed]);
  const b = sumOut(right, [...left.labels, ...needed]);
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter((label) => needed.includes(label));
  const inner = shared.filter((label) => !needed.includes(label));
  const rows = a.labels.filter((label) => !shared.includes(label));
  const cols = b.labels.filter((label) => !shared.includes(label));

  if (inner.length === 0 || (rows.length === 0 && cols.length === 0)) {
    const all = [...shared, ...rows, ...cols];
    const labels = [...new Set([...needed.filter((label) => all.includes(label)), ...all])];
    return sumOut({ x: mul(arrange(a, labels), arrange(b, labels)), labels }, needed);
  }
  // The product that has rows and columns in the order in which they are needed.
  const next = needed.find((label) => rows.includes(label) || cols.includes(label));
  if (next !== undefined && cols.includes(next))
    return contractMatrices(b, a, { batch, inner, rows: cols, cols: rows });
  return contractMatrices(a, b, { batch, inner, rows, cols });
}

interface Axes {
  readonly batch: readonly Label[];
  readonly inner: readonly Label[];
  readonly rows: readonly Label[];
  readonly cols: readonly Label[];
}

function contractMatrices(a: Term, b: Term, { batch, inner, rows, cols }: Axes): Term {
  const [left, transposeA] = matrices(a, batch, rows, inner);
  const [right, transposeB] = matrices(b, batch, inner, cols);
  const shape = [...batch, ...rows].map((label) => sizeIn(a, label)).concat(cols.map((label) => sizeIn(b, label)));
  return {
    x: reshapeTo(matmul(left, right, { transposeA, transposeB }), shape),
    labels: [...batch, ...rows, ...cols],
  };
}

// The term as [batch, rows, cols], or transposed where it lies so.
function matrices(term: Term, batch: readonly Label[], rows: readonly Label[], cols: readonly Label[]) {
  const lies = (...groups: (readonly Label[])[]) => groups.flat().join() === term.labels.join();
  const transposed = !lies(batch, rows, cols) && lies(batch, cols, rows);
  const [lines, line] = transposed ? [cols, rows] : [rows, cols];
  const count = (labels: readonly Label[]) => sizeOf(labels.map((label) => sizeIn(term, label)));
  const shape = [...(batch.length > 0 ? [count(batch)] : []), count(lines), count(line)];
  return [reshapeTo(arrange(term, [...batch, ...lines, ...line]), shape), transposed] as const;
}

// Axes of size 1 that meet a longer one in the other term stretch to it, which needs no axis.
function withoutStretched(term: Term, other: Term): Term {
  const stays = (label: Label) => sizeIn(term, label) !== 1 || sizeIn(other, label) === 1;
  const labels = term.labels.filter(stays);
  return {
    x: reshapeTo(
      term.x,
      labels.map((label) => sizeIn(term, label)),
    ),
    labels,
  };
}

function sumOut(term: Term, needed: readonly Label[]): Term {
  const labels = term.labels.filter((label) => needed.includes(label));
  if (labels.length === term.labels.length) return term;
  const axes = term.labels.flatMap((label, axis) => (needed.includes(label) ? [] : [axis]));
  return { x: sum(term.x, axes), labels };
}

// The term's axes in the order of `labels`, of size 1 where it has none.
function arrange(term: Term, labels: readonly Label[]): Tensor {
  const order = labels.filter((label) => term.labels.includes(label)).map((label) => term.labels.indexOf(label));
  const isOrdered = order.every((axis, i) => axis === i);
  const x = isOrdered ? term.x : permute(term.x, order);
  return reshapeTo(
    x,
    labels.map((label) => sizeIn(term, label)),
  );
}

function reshapeTo(x: Tensor, shape: Shape): Tensor {
  return shapesEqual(x.shape, shape) ? x : reshape(x, shape);
}
