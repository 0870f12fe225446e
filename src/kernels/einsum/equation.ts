/** Reads einsum's equations: which label each axis of the operands has, and which the result has. */
import { ShapeError, ValueError } from "../../gpu/errors.ts";
import { formatShape, type Shape } from "../../tensor/shape.ts";

/** A letter; or, for an axis under an ellipsis, its number counted from the last one. */
export type Label = string;

export interface Equation {
  /** Of each operand, a label per axis. */
  readonly inputs: readonly (readonly Label[])[];
  readonly output: readonly Label[];
}

/**
 * Parses an equation for operands of given shapes.
 *
 * @throws ValueError for an equation that is none or has another number of operands
 * @throws ShapeError if labels and axes differ in number, or a label's sizes differ and neither is 1
 */
export function parseEquation(equation: string, shapes: readonly Shape[]): Equation {
  const fail = (problem: string) => new ValueError(`einsum: the equation "${equation}" ${problem}`);
  const [left, right, ...more] = equation.replaceAll(" ", "").split("->");
  const terms = left!.split(",");
  if (more.length > 0) throw fail('has more than one "->"');
  if (terms.length !== shapes.length) throw fail(`has ${terms.length} operands, but ${shapes.length} were given`);
  for (const term of right === undefined ? terms : [...terms, right]) {
    if (/^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(term)) continue;
    throw fail(`has the term "${term}", expected letters and at most one "..."`);
  }

  const inputs = terms.map((term, i) => labelAxes(term, shapes[i]!, i));
  checkSizes(inputs, shapes);
  const underEllipsis = inputs.map((labels) => labels.filter(isNumber)).reduce((a, b) => (b.length > a.length ? b : a));
  if (right === undefined) {
    const letters = [...left!.replaceAll(/[.,]/g, "")];
    const single = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter));
    return { inputs, output: [...underEllipsis, ...single.sort()] };
  }
  const output = expandEllipsis(right, underEllipsis);
  for (const [i, label] of output.entries()) {
    if (output.indexOf(label) < i) throw fail(`has "${label}" twice in its output`);
    if (!inputs.some((labels) => labels.includes(label))) throw fail(`has "${label}" in its output only`);
  }
  return { inputs, output };
}

function isNumber(label: Label): boolean {
  return /\d/.test(label);
}

function labelAxes(term: string, shape: Shape, operand: number): Label[] {
  const letters = term.replace("...", "").length;
  const covered = shape.length - letters;
  if (covered < 0 || (covered > 0 && !term.includes("..."))) {
    throw new ShapeError(
      `einsum: operand ${operand} has shape ${formatShape(shape)}, which "${term}" does not label, expected ${letters} axes` +
        (term.includes("...") ? " or more" : ""),
    );
  }
  return expandEllipsis(
    term,
    Array.from({ length: covered }, (_, i) => String(covered - 1 - i)),
  );
}

function expandEllipsis(term: string, labels: readonly Label[]): Label[] {
  const [before, after] = term.split("...");
  return after === undefined ? [...term] : [...before!, ...labels, ...after];
}

function checkSizes(inputs: Equation["inputs"], shapes: readonly Shape[]): void {
  const sizes = new Map<Label, { n: number; operand: number }>();
  for (const [operand, labels] of inputs.entries()) {
    for (const [axis, label] of labels.entries()) {
      const n = shapes[operand]![axis]!;
      const known = sizes.get(label);
      // Within one operand, a label stands for a diagonal.
      if (known && known.n !== n && (known.operand === operand || (known.n !== 1 && n !== 1))) {
        const axisName = isNumber(label) ? `axis -${Number(label) + 1} under the ellipsis` : `"${label}"`;
        throw new ShapeError(
          `einsum: ${axisName} has size ${n} in operand ${operand}, but ${known.n} in operand ${known.operand}`,
        );
      }
      if (!known || known.n === 1) sizes.set(label, { n, operand });
    }
  }
}
