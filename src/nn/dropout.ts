/** Layers that drop a part of their input in training. */
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { dropout } from "../kernels/ops.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/** In training, sets each element to 0 with probability p and divides the others by 1 - p; else passes x on. */
export class Dropout extends Module {
  readonly p: number;

  constructor(p = 0.5) {
    super();
    checkProbability("Dropout", p);
    this.p = p;
  }

  override forward(x: Tensor): Tensor {
    return dropout(x, { p: this.p, training: this.training });
  }
}
