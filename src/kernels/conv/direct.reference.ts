/** The three maps of a convolution as plain loops: for each tap of the kernel, over the positions that it meets. */
import type { Reference } from "../../gpu/kernel.ts";

export const directReference: Reference = {
  forward({ x, weight, bias, out }, params) {
    const { n, groups, ci, co, height, width, outHeight, outWidth, hasBias } = params;
    const taps = tapsOf(params);
    const sums = new Float64Array(outHeight * outWidth);
    for (let line = 0; line < n * groups * co; line++) {
      const channel = line % (groups * co);
      const image = Math.floor(line / (groups * co)) * groups + Math.floor(channel / co);
      sums.fill(hasBias ? bias[channel] : 0);
      for (let c = 0; c < ci; c++) {
        const plane = (image * ci + c) * height * width;
        for (const [t, tap] of taps.entries()) {
          const w = weight[(channel * ci + c) * taps.length + t];
          meet(tap, params, (p, q) => {
            sums[p]! += w * x[plane + q];
          });
        }
      }
      out.set(sums, line * sums.length);
    }
  },

  backwardInput({ weight, y, bias, out }, params) {
    const { n, groups, ci, co, height, width, outHeight, outWidth, hasBias } = params;
    const taps = tapsOf(params);
    const sums = new Float64Array(height * width);
    for (let line = 0; line < n * groups * ci; line++) {
      const channel = line % (groups * ci);
      const group = Math.floor(channel / ci);
      const image = Math.floor(line / (groups * ci)) * groups + group;
      sums.fill(hasBias ? bias[channel] : 0);
      for (let c = 0; c < co; c++) {
        const plane = (image * co + c) * outHeight * outWidth;
        for (const [t, tap] of taps.entries()) {
          const w = weight[((group * co + c) * ci + (channel % ci)) * taps.length + t];
          meet(tap, params, (p, q) => {
            sums[q]! += w * y[plane + p];
          });
        }
      }
      out.set(sums, line * sums.length);
    }
  },

  backwardWeight({ x, y, out }, params) {
    const { n, groups, ci, co, height, width, outHeight, outWidth } = params;
    const taps = tapsOf(params);
    for (let channel = 0; channel < groups * co; channel++) {
      for (let c = 0; c < ci; c++) {
        for (const [t, tap] of taps.entries()) {
          let sum = 0;
          for (let i = 0; i < n; i++) {
            const plane = ((i * groups + Math.floor(channel / co)) * ci + c) * height * width;
            const outPlane = (i * groups * co + channel) * outHeight * outWidth;
            meet(tap, params, (p, q) => {
              sum += x[plane + q] * y[outPlane + p];
            });
          }
          out[(channel * ci + c) * taps.length + t] = sum;
        }
      }
    }
  },
};

/** The positions of y that a tap of the kernel meets x at, and where the first row and column of y would meet it. */
interface Tap {
  readonly rows: readonly [begin: number, end: number];
  readonly cols: readonly [begin: number, end: number];
  readonly top: number;
  readonly start: number;
}

type Params = Parameters<Reference[string]>[1];

function tapsOf(params: Params): Tap[] {
  const { height, width, outHeight, outWidth, kernelHeight, kernelWidth } = params;
  const { strideY, strideX, padY, padX, dilationY, dilationX } = params;
  return Array.from({ length: kernelHeight * kernelWidth }, (_, t) => {
    const top = Math.floor(t / kernelWidth) * dilationY - padY;
    const start = (t % kernelWidth) * dilationX - padX;
    return {
      rows: [Math.ceil(Math.max(-top, 0) / strideY), Math.min(Math.ceil((height - top) / strideY), outHeight)],
      cols: [Math.ceil(Math.max(-start, 0) / strideX), Math.min(Math.ceil((width - start) / strideX), outWidth)],
      top,
      start,
    };
  });
}

/** Visits the elements of a plane of y that a tap meets x at: p in y, q in x. */
function meet({ rows, cols, top, start }: Tap, params: Params, visit: (p: number, q: number) => void): void {
  const { width, outWidth, strideY, strideX } = params;
  for (let oy = rows[0]; oy < rows[1]; oy++) {
    const q = (oy * strideY + top) * width + start;
    for (let ox = cols[0]; ox < cols[1]; ox++) visit(oy * outWidth + ox, q + ox * strideX);
  }
}
