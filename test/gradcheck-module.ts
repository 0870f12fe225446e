/** Compares a module's gradients, by its inputs and by its parameters, with central differences in float64. */
import { gradcheck } from "../src/autograd/gradcheck.ts";
import { tensor } from "../src/kernels/creation/creation.ts";
import type { Module } from "../src/nn/module.ts";
import { withDevice } from "../src/tensor/device.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { randomNumbers } from "./check.ts";

/**
 * Checks the gradient by every element of every float input and, for each parameter, the derivative along a random direction.
 *
 * @param module on `cpu:f64`
 * @param inputs what `forward` is called with
 * @param forward computes with the module; its own by default
 * @throws GradientError
 */
export async function gradcheckModule(
  module: Module,
  inputs: readonly Tensor[],
  forward: (...inputs: Tensor[]) => Tensor | readonly Tensor[] = module.forward as () => Tensor,
): Promise<void> {
  const random = randomNumbers(5);
  const parameters = module.parameters();
  const before = parameters.map(({ storage, graph }) => ({ storage: storage.retain(), graph }));
  const make = (values: number[], shape: readonly number[]) => tensor(values, { shape, device: "cpu:f64" });
  const values = await Promise.all(parameters.map((parameter) => parameter.data()));
  const lines = parameters.map(({ shape, size }, i) => ({
    start: make(Array.from(values[i]!), shape),
    direction: make(
      Array.from({ length: size }, () => 2 * random() - 1),
      shape,
    ),
  }));
  // Each parameter is its start and a step, an input of the checked function, along its direction.
  const moved = (steps: Tensor, ...inputs: Tensor[]) => {
    for (const [i, parameter] of parameters.entries()) {
      const { start, direction } = lines[i]!;
      const value = start.add(direction.mul(steps.at(i)));
      parameter.rebind(value.storage.retain());
      parameter.graph = value.graph;
    }
    return forward(...inputs);
  };
  const steps = withDevice("cpu:f64", () => tensor(new Float64Array(parameters.length)));
  await gradcheck(moved, [steps, ...inputs]);
  for (const [i, parameter] of parameters.entries()) {
    parameter.rebind(before[i]!.storage);
    parameter.graph = before[i]!.graph;
  }
}
