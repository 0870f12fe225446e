/** What is measured of a model, batch by batch, on the device. Runs in Node and in a browser. */
export type { HostValue } from "./accumulators.ts";
export { Accuracy, TopKAccuracy } from "./accuracy.ts";
export { AUC, type AUCOptions } from "./auc.ts";
export { type Average, averageScore, type ClassScore, classScores, type ZeroDivision } from "./class-scores.ts";
export type { ClassOptions } from "./classes.ts";
export {
  type Averaged,
  type ClassScoreOptions,
  ConfusionMatrix,
  type ConfusionMatrixOptions,
  F1,
  Precision,
  Recall,
} from "./confusion.ts";
export { Metric } from "./metric.ts";
export { Perplexity } from "./perplexity.ts";
export { MeanAbsoluteError, MeanSquaredError, R2, type R2Average } from "./regression.ts";
