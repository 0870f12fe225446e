/** Makes every op a method: `relu(x)` is `x.relu()`, `matmul(a, b)` is `a.matmul(b)`. The functions are the definition. */
import type { DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import * as ops from "./ops.ts";

type Ops = typeof ops;

// The function without its first argument. `any` stands there because ops narrow it to the dtypes they take.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Method<F> = F extends (x: any, ...rest: infer A extends readonly unknown[]) => infer R ? (...rest: A) => R : never;

type Methods = { [K in keyof Ops]: Method<Ops[K]> };

declare module "../tensor/tensor.ts" {
  interface Tensor<D extends DType = DType> extends Methods {}
}

type AnyOp = (x: Tensor, ...rest: unknown[]) => unknown;

for (const [name, op] of Object.entries(ops)) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return (op as AnyOp)(this, ...rest);
    },
    writable: true,
    configurable: true,
  });
}
