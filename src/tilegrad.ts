/** Everything that runs in Node and in a browser alike. `index.ts` and `browser.ts` are the package's entries. */
import "./autograd/tensor-methods.ts";
import "./kernels/methods.ts";
import { gradcheck, gradgradcheck } from "./autograd/gradcheck.ts";

export { autocast, isAutocastEnabled } from "./autograd/autocast.ts";
export { type BackwardOptions, backward, type GradOptions, grad } from "./autograd/backward.ts";
export { checkpoint } from "./autograd/checkpoint.ts";
export { type CustomOp, customOp } from "./autograd/custom-op.ts";
export type { DifferentiableFunction, GradcheckOptions } from "./autograd/gradcheck.ts";
export { type GradientHook, isGradEnabled, noGrad } from "./autograd/record.ts";
export * as data from "./data/index.ts";
export type { Capabilities } from "./gpu/adapter.ts";
export type { Device, MemoryUse } from "./gpu/device.ts";
export * from "./gpu/errors.ts";
export { type Bindable, type Dispatch, dispatch, type Kernel, kernel, type Reference } from "./gpu/kernel.ts";
export * as io from "./io/index.ts";
export type { CreationOptions, FromDataOptions } from "./kernels/creation/creation.ts";
export * from "./kernels/functions.ts";
export * from "./kernels/ops.ts";
export * as metrics from "./metrics/index.ts";
export * as models from "./models/index.ts";
export * as nn from "./nn/index.ts";
export * as optim from "./optim/index.ts";
export { type CapturedStep, type CaptureOptions, capture, type StepResult } from "./tensor/capture.ts";
export {
  clearError,
  type DeviceName,
  type InitOptions,
  type InitResult,
  init,
  memory,
  resetPeakMemory,
  sync,
  withDevice,
} from "./tensor/device.ts";
export type { DType, TypedArrayOf } from "./tensor/dtype.ts";
export { type KernelTime, type Profile, profile, type TraceEvent } from "./tensor/profile.ts";
export { dispose, keep, scope } from "./tensor/scope.ts";
export type { Shape } from "./tensor/shape.ts";
export { empty, type NestedArray, Tensor, type TensorOptions } from "./tensor/tensor.ts";

/** Checks of gradients, for one's own functions and modules. */
export const testing = { gradcheck, gradgradcheck };
