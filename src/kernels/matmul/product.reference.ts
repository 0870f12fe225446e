/**
 * The product of lanes.wgsl and tiles.wgsl as plain loops, with k in one part: same bindings, params and constants. Lines of b are
 * taken four at a time, which halves the time: models train on the cpu device too.
 */
import type { Reference, ReferenceArray } from "../../gpu/kernel.ts";

export function productReference(activate: (z: number) => number): Reference {
  return {
    forward({ a, b, bias, y, z, rowSums }, params) {
      const { m, n, k, lda, ldb, batches, batchInner, hasBias, TRANSPOSE_A, TRANSPOSE_B } = params;
      const [rowStep, step] = TRANSPOSE_A ? [1, lda] : [lda, 1];
      const multiply = TRANSPOSE_B ? multiplyLines : addLines;
      const row = new Float64Array(k);
      const sums = new Float64Array(n);
      for (let batch = 0; batch < batches; batch++) {
        const outer = Math.floor(batch / batchInner);
        const inner = batch % batchInner;
        const aStart = outer * params.aOuter + inner * params.aInner;
        const bStart = outer * params.bOuter + inner * params.bInner;
        for (let i = 0; i < m; i++) {
          for (let p = 0; p < k; p++) row[p] = a[aStart + i * rowStep + p * step];
          if (rowSums) rowSums[i] = row.reduce((total, value) => total + value, 0);
          multiply(row, b, bStart, ldb, sums.fill(0));
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

// sums[j] += sum over p of row[p] * b[p, j]
function addLines(row: Float64Array, b: ReferenceArray, start: number, ldb: number, sums: Float64Array): void {
  const [k, n] = [row.length, sums.length];
  let p = 0;
  for (; p + 3 < k; p += 4) {
    const [r0, r1, r2, r3] = [row[p]!, row[p + 1]!, row[p + 2]!, row[p + 3]!];
    const at = start + p * ldb;
    for (let j = 0; j < n; j++) {
      const i = at + j;
      sums[j]! += r0 * b[i]! + r1 * b[i + ldb]! + r2 * b[i + 2 * ldb]! + r3 * b[i + 3 * ldb]!;
    }
  }
  for (; p < k; p++) for (let j = 0; j < n; j++) sums[j]! += row[p]! * b[start + p * ldb + j]!;
}

// sums[j] += sum over p of row[p] * b[j, p]
function multiplyLines(row: Float64Array, b: ReferenceArray, start: number, ldb: number, sums: Float64Array): void {
  const [k, n] = [row.length, sums.length];
  let j = 0;
  for (; j + 3 < n; j += 4) {
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    for (let p = 0; p < k; p++) {
      const i = start + j * ldb + p;
      s0 += row[p]! * b[i]!;
      s1 += row[p]! * b[i + ldb]!;
      s2 += row[p]! * b[i + 2 * ldb]!;
      s3 += row[p]! * b[i + 3 * ldb]!;
    }
    sums.set([s0, s1, s2, s3], j);
  }
  for (; j < n; j++) for (let p = 0; p < k; p++) sums[j]! += row[p]! * b[start + j * ldb + p]!;
}
