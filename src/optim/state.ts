/** What state dicts of optimizers and of moving averages share: all of it fits, or nothing is changed. */
import type { Device } from "../gpu/device.ts";
import { ValueError } from "../gpu/errors.ts";
import { fromValues } from "../kernels/creation/creation.ts";
import type { StateValue } from "../nn/module.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape, type Shape, shapesEqual } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Where a tensor of a state dict belongs. */
export interface Place {
  readonly shape: Shape;
  readonly write: (value: Tensor) => void;
}

/**
 * Throws unless `state` has a tensor for every place, and no other.
 *
 * @throws ValueError that lists missing, unexpected and mis-shaped names
 */
export function expectState(
  owner: string,
  places: ReadonlyMap<string, Place>,
  state: ReadonlyMap<string, StateValue>,
  device: Device,
): void {
  const problems: string[] = [];
  for (const [name, { shape }] of places) {
    const value = state.get(name);
    if (!value) problems.push(`${name} is missing`);
    else if (!shapesEqual(value.shape, shape)) {
      problems.push(`${name} has shape ${formatShape(value.shape)}, expected ${formatShape(shape)}`);
    } else if (value instanceof Tensor && value.device !== device) {
      problems.push(`${name} is on ${value.device.name}, expected ${device.name}`);
    }
  }
  for (const name of state.keys()) if (!places.has(name)) problems.push(`${name} is unexpected`);
  if (problems.length > 0) throw new ValueError(`${owner}: ${problems.join("; ")}`);
}

/** Writes every tensor to its place. */
export function writeState(
  places: ReadonlyMap<string, Place>,
  state: ReadonlyMap<string, StateValue>,
  device: Device,
): void {
  scope(() => {
    for (const [name, { shape, write }] of places) {
      const value = state.get(name)!;
      if (value instanceof Tensor) write(value);
      else {
        const numbers = value.data instanceof BigInt64Array ? Array.from(value.data, Number) : value.data;
        write(fromValues("loadStateDict", numbers, shape, "f32", { device }));
      }
    }
  });
}
