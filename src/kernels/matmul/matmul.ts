/** Matrix products: `matmul` by PyTorch's rules, and `linear`, the product with a weight that every model is made of. */
import { productPrecision } from "../../autograd/autocast.ts";
import { expectSameDevice, isGradEnabled, record, requiresGrad } from "../../autograd/record.ts";
import { checkOptions, ShapeError } from "../../gpu/errors.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { scope } from "../../tensor/scope.ts";
import { expectShape, formatShape, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { sumTo } from "../reduce/sum-to.ts";
import { reshape, squeeze, unsqueeze } from "../view/reshape.ts";
import {
  type Activation,
  activationGradient,
  checkActivation,
  composedActivationGradient,
  savesOutput,
} from "./activation.ts";
import { multiply, type Product } from "./product.ts";

export interface MatmulOptions {
  /** Use a with its last two axes swapped; nothing is copied for it. */
  transposeA?: boolean;
  /** Use b with its last two axes swapped. */
  transposeB?: boolean;
  /** [n], added to every row */
  bias?: Tensor | null;
  /** Applied to the result, `none` by default. */
  activation?: Activation;
}

/**
 * Multiplies matrices, or batches of them whose leading axes broadcast: activation(a b + bias).
 *
 * @param a f32, [..., m, k], or a vector [k]
 * @param b f32, [..., k, n], or a vector [k]
 * @returns [..., m, n], without the axis that a vector has not got; the dot product, a scalar, of two vectors
 * @throws ShapeError if the inner sizes differ, the leading axes do not broadcast, or bias is not [n]
 * @throws DTypeError for anything but f32
 * @see https://pytorch.org/docs/stable/generated/torch.matmul.html
 * @example
 * matmul(x, w);                                                 // [b, t, d] with [d, e] is one product, [b, t, e]
 * matmul(q, k, { transposeB: true });                           // [b, h, t, d] twice: [b, h, t, t]
 * matmul(x, w, { bias, activation: "gelu" });
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  checkOptions("matmul", options, ["transposeA", "transposeB", "bias", "activation"]);
  const { transposeA = false, transposeB = false, bias = null, activation = "none" } = options;
  expectAxes("matmul", "a", a, transposeA);
  expectAxes("matmul", "b", b, transposeB);
  if (a.rank > 1 && b.rank > 1) return product("matmul", { a, b, transposeA, transposeB, bias, activation });
  return scope(() => {
    // A vector is a matrix of one row or one column.
    const left = a.rank === 1 ? unsqueeze(a, 0) : a;
    const right = b.rank === 1 ? unsqueeze(b, 1) : b;
    const y = product("matmul", { a: left, b: right, transposeA, transposeB, bias, activation });
    return squeeze(y, [...(a.rank === 1 ? [-2] : []), ...(b.rank === 1 ? [-1] : [])]);
  });
}

function expectAxes(op: string, argument: string, x: Tensor, transposed: boolean): void {
  if (x.rank >= (transposed ? 2 : 1)) return;
  const expected = transposed ? "rank 2 or more to transpose it" : "rank 1 or more";
  throw new ShapeError(`${op}: ${argument} has shape ${formatShape(x.shape)}, expected ${expected}`);
}

/**
 * Computes activation(x weight^T + bias).
 *
 * @param x f32, [..., in]
 * @param weight f32, [out, in]
 * @param bias [out]
 * @param options activation (default `none`)
 * @returns [..., out]
 * @throws ShapeError if weight is not [out, in] or bias not [out]
 * @see https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: { activation?: Activation } = {},
): Tensor {
  checkOptions("linear", options, ["activation"]);
  expectAxes("linear", "x", x, false);
  if (weight.rank !== 2 || weight.shape[1] !== x.shape.at(-1)) {
    throw new ShapeError(
      `linear: weight has shape ${formatShape(weight.shape)}, expected [out, ${x.shape.at(-1)}] for x of shape ${formatShape(x.shape)}`,
    );
  }
  const { activation = "none" } = options;
  return product("linear", { a: x, b: weight, transposeA: false, transposeB: true, bias, activation });
}

/**
 * Multiplies two batches of matrices, matrix by matrix.
 *
 * @param a f32, [b, m, k]
 * @param b f32, [b, k, n]
 * @returns [b, m, n]
 * @throws ShapeError unless both have rank 3, one batch size and one inner size
 */
export function bmm(a: Tensor, b: Tensor): Tensor {
  if (a.rank !== 3) throw new ShapeError(`bmm: a has shape ${formatShape(a.shape)}, expected [b, m, k]`);
  expectShape("bmm", "b", b.shape, [a.shape[0]!, a.shape[2]!, b.shape.at(-1) ?? 0]);
  return product("bmm", { a, b, transposeA: false, transposeB: false, bias: null, activation: "none" });
}

/**
 * Sums the products of the elements of two vectors.
 *
 * @param a f32, [n]
 * @param b f32, [n]
 * @returns a scalar
 * @throws ShapeError unless both are vectors of one length
 */
export function dot(a: Tensor, b: Tensor): Tensor {
  if (a.rank !== 1) throw new ShapeError(`dot: a has shape ${formatShape(a.shape)}, expected a vector`);
  expectShape("dot", "b", b.shape, a.shape);
  return matmul(a, b);
}

/**
 * Multiplies every element of a vector with every element of another.
 *
 * @param a f32, [m]
 * @param b f32, [n]
 * @returns [m, n]
 * @throws ShapeError unless both are vectors
 */
export function outer(a: Tensor, b: Tensor): Tensor {
  for (const [name, x] of Object.entries({ a, b })) {
    if (x.rank !== 1) throw new ShapeError(`outer: ${name} has shape ${formatShape(x.shape)}, expected a vector`);
  }
  return scope(() => matmul(unsqueeze(a, 1), unsqueeze(b, 0)));
}

// op(a) op(b) with its gradient, in the graph as `op`; b has rank 2 or more.
function product(op: string, given: Omit<Product, "precision">): Tensor {
  const { a, b, bias, transposeA, transposeB, activation } = given;
  const inputs = bias ? [a, b, bias] : [a, b];
  checkActivation(op, activation);
  for (const [i, input] of inputs.entries()) expectDType(op, ["a", "b", "bias"][i]!, input.dtype, ["f32"]);
  expectSameDevice(op, inputs);
  const inner = [a.shape.at(transposeA ? -2 : -1)!, b.shape.at(transposeB ? -1 : -2)!] as const;
  if (inner[0] !== inner[1]) {
    const written = (x: Tensor, transposed: boolean) => formatShape(x.shape) + (transposed ? " transposed" : "");
    throw new ShapeError(
      `${op}: a has shape ${written(a, transposeA)} and b ${written(b, transposeB)}, ` +
        `expected one inner size but they have ${inner[0]} and ${inner[1]}`,
    );
  }
  if (bias) expectShape(op, "bias", bias.shape, [b.shape.at(transposeB ? -2 : -1)!]);

  const needsInput = activation !== "none" && !savesOutput(activation) && isGradEnabled() && inputs.some(requiresGrad);
  const { y, z } = multiply(op, { ...given, precision: productPrecision() }, needsInput);
  record(y, {
    op,
    inputs,
    saved: { a, b, bias, s: activation === "none" ? null : (z ?? y), transposeA, transposeB, activation },
    backward: (dy, saved: Saved, needs) => {
      const dz = saved.s ? activationGradient(activation, dy, saved.s) : dy;
      return productBackward(dz, saved, needs);
    },
    composed:
      activation === "none" ||
      ((dy, saved, needs) => {
        // What was kept as z has no gradient of its own.
        const s = savesOutput(activation) ? saved.s! : product(op, { ...saved, activation: "none" });
        return productBackward(composedActivationGradient(activation, dy, s), saved, needs);
      }),
  });
  z?.dispose();
  return y;
}

interface Saved {
  a: Tensor; // [..., m, k] or transposed
  b: Tensor; // [..., k, n] or transposed
  bias: Tensor | null; // [n]
  s: Tensor | null; // [..., m, n], the activation's output, or its input where the derivative is of that
  transposeA: boolean;
  transposeB: boolean;
  activation: Activation;
}

// With Z = op(A) op(B): d op(A) = dZ op(B)^T and d op(B) = op(A)^T dZ, or their transposes.
function productBackward(dz: Tensor, { a, b, bias, transposeA, transposeB }: Saved, needs: readonly boolean[]) {
  const da = () => (transposeA ? plainProduct(b, dz, transposeB, true) : plainProduct(dz, b, false, !transposeB));
  // The batches of one b are one long sum over all rows.
  const isOne = !transposeA && sizeOf(b.shape.slice(0, -2)) === 1;
  const rows = (x: Tensor) => (isOne ? reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]) : x);
  const db = () => {
    const product = transposeB
      ? plainProduct(rows(dz), rows(a), true, transposeA)
      : plainProduct(rows(a), rows(dz), !transposeA, false);
    return isOne ? reshape(product, b.shape) : product;
  };
  const dbias = () => sumTo(dz, dz.shape.slice(-1));
  const precision = productPrecision();
  if (isOne && transposeB && needs[1] && needs[2] && precision === "f32" && !isGradEnabled()) {
    // The gradient of the bias is the sum of what the product for b's reads, unless that is rounded.
    const operands = { a: rows(dz), b: rows(a), transposeA: true, transposeB: false, bias: null };
    const { y, rowSums } = multiply("matmul", { ...operands, activation: "none", precision, sumRows: true });
    return [needs[0] ? sumTo(da(), a.shape) : null, reshape(y, b.shape), rowSums ?? dbias()];
  }
  return [
    needs[0] ? sumTo(da(), a.shape) : null,
    needs[1] ? sumTo(db(), b.shape) : null,
    ...(bias ? [needs[2] ? dbias() : null] : []),
  ];
}

function plainProduct(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor {
  return product("matmul", { a, b, transposeA, transposeB, bias: null, activation: "none" });
}
