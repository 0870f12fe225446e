import { ValueError } from "../gpu/errors.ts";

/** @throws ValueError unless `value` is a whole number above 0 */
export function checkSize(layer: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value <= 0) {
    throw new ValueError(`${layer}: ${name} is ${value}, expected a whole number above 0`);
  }
}
