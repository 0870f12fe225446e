/** The product of lanes.wgsl and tiles.wgsl as plain loops: same bindings, params and constants, with k in one part. */
import type { Reference } from "../../gpu/kernel.ts";

export function productReference(activate: (z: number) => number): Reference {
  return {
    forward({ a, b, bias, y, z }, params) {
      const { m, n, k, lda, ldb, batches, batchInner, hasBias, TRANSPOSE_A, TRANSPOSE_B } = params;
      const [aRow, aStep] = TRANSPOSE_A ? [1, lda] : [lda, 1];
      const sums = new Float64Array(n);
      for (let batch = 0; batch < batches; batch++) {
        const outer = Math.floor(batch / batchInner);
        const inner = batch % batchInner;
        const aStart = outer * params.aOuter + inner * params.aInner;
        const bStart = outer * params.bOuter + inner * params.bInner;
        for (let i = 0; i < m; i++) {
          sums.fill(0);
          // In both cases the innermost loop runs along b's lines.
          if (TRANSPOSE_B) {
            for (let j = 0; j < n; j++) {
              let sum = 0;
              for (let p = 0; p < k; p++) sum += a[aStart + i * aRow + p * aStep] * b[bStart + j * ldb + p];
              sums[j] = sum;
            }
          } else {
            for (let p = 0; p < k; p++) {
              const left = a[aStart + i * aRow + p * aStep];
              for (let j = 0; j < n; j++) sums[j]! += left * b[bStart + p * ldb + j];
            }
          }
          for (let j = 0; j < n; j++) {
            const sum = sums[j]! + (hasBias ? bias[j] : 0);
            const at = (batch * m + i) * n + j;
            if (z) z[at] = sum;
            y[at] = activate(sum);
          }
        }
      }
    },
  };
}
