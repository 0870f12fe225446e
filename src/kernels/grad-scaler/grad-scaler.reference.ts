/** PyTorch's `_amp_update_scale_`. */
import type { Reference } from "../../gpu/kernel.ts";

export const gradScalerReference = {
  update({ scaler, found }, { growthFactor, backoffFactor, growthInterval, isLast }) {
    const isFound = found[0] !== 0 || scaler[2] !== 0;
    found[0] = 0;
    scaler[2] = isLast ? 0 : Number(isFound);
    if (!isLast) return;
    if (isFound) {
      scaler[0] *= backoffFactor;
      scaler[1] = 0;
      return;
    }
    scaler[1]++;
    if (scaler[1] < growthInterval) return;
    const grown = Math.fround(scaler[0] * growthFactor);
    if (Number.isFinite(grown)) scaler[0] = grown;
    scaler[1] = 0;
  },
} satisfies Reference;
