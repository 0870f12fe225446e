/** The sums of slide-direct.wgsl and weight-direct.wgsl as plain loops: for each tap, over the positions that meet the source. */
import type { Reference } from "../../gpu/kernel.ts";

export const slideReference: Reference = {
  forward({ source, weight, bias, out }, params) {
    const { n, groups, channels, columns, height, width, rows, cols, tapRows, tapCols, hasBias } = params;
    const { startY, startX, strideY, strideX, dilationY, dilationX } = params;
    const { outPlane, outFirst, outRowStep, outColStep } = params;
    const sums = new Float64Array(rows * cols);
    for (let line = 0; line < n * groups * columns; line++) {
      const picture = Math.floor(line / columns);
      const column = line % columns;
      const group = picture % groups;
      sums.fill(hasBias ? bias[group * columns + column] : 0);
      for (let c = 0; c < channels; c++) {
        const plane = (picture * channels + c) * height * width;
        for (let tapRow = 0; tapRow < tapRows; tapRow++) {
          const top = startY + tapRow * dilationY;
          for (let tapCol = 0; tapCol < tapCols; tapCol++) {
            const left = startX + tapCol * dilationX;
            const tap = params.firstTap + tapRow * params.tapRow + tapCol * params.tapCol;
            const w = weight[group * params.group + c * params.channel + column * params.column + tap];
            const [begin, end] = meeting(left, strideX, width, cols);
            for (let [row, lastRow] = meeting(top, strideY, height, rows); row < lastRow; row++) {
              const q = plane + (top + row * strideY) * width + left;
              for (let col = begin; col < end; col++) sums[row * cols + col]! += w * source[q + col * strideX];
            }
          }
        }
      }
      for (const [p, sum] of sums.entries()) {
        out[line * outPlane + outFirst + Math.floor(p / cols) * outRowStep + (p % cols) * outColStep] = sum;
      }
    }
  },
};

/** With all positions in one part. */
export const weightReference: Reference = {
  forward({ source, y, parts }, params) {
    const { n, groups, ci, co, height, width, rows, cols, kernelHeight, kernelWidth } = params;
    const { strideY, strideX } = params;
    for (let i = 0; i < parts.length; i++) {
      const left = (i % kernelWidth) * params.dilationX - params.padX;
      const top = (Math.floor(i / kernelWidth) % kernelHeight) * params.dilationY - params.padY;
      const line = Math.floor(i / kernelWidth / kernelHeight);
      const channel = Math.floor(line / ci);
      const [begin, end] = meeting(left, strideX, width, cols);
      let sum = 0;
      for (let image = 0; image < n; image++) {
        const plane = ((image * groups + Math.floor(channel / co)) * ci + (line % ci)) * height * width;
        const outPlane = (image * groups * co + channel) * rows * cols;
        for (let [row, lastRow] = meeting(top, strideY, height, rows); row < lastRow; row++) {
          const q = plane + (top + row * strideY) * width + left;
          const p = outPlane + row * cols;
          for (let col = begin; col < end; col++) sum += source[q + col * strideX] * y[p + col];
        }
      }
      parts[i] = sum;
    }
  },
};

/** The positions p < count for which start + p * stride lies in the source. */
function meeting(start: number, stride: number, size: number, count: number): [begin: number, end: number] {
  return [Math.ceil(Math.max(-start, 0) / stride), Math.min(Math.ceil((size - start) / stride), count)];
}
