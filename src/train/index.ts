/** Training, evaluation and the folders of runs, in Node. */
export { type ImageFolder, type ImageOptions, readImageFolder, readImages } from "../data/image-files-node.ts";
export { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
export type { Prediction, RunOutput, RunResult, TrainingOptions } from "./classifier-run.ts";
export { ImageClassifier, type ImageModelOptions, type ImageRun, type ImageSource, trainImage } from "./image-run.ts";
export { type Progress, silentProgress, terminalProgress } from "./progress.ts";
export { RunFolder } from "./run-folder.ts";
export {
  type TableOptions,
  TextClassifier,
  type TextFiles,
  type TextModelOptions,
  type TextRun,
  trainText,
} from "./text-run.ts";
export {
  type Batch,
  type BatchLike,
  type BatchSource,
  type Classifier,
  DivergedError,
  type EpochReport,
  evaluate,
  type FitOptions,
  type HostTensor,
  InterruptedError,
  type Metrics,
  type StepReport,
  Trainer,
  type TrainerOptions,
  type TrainerProgress,
  type TrainerState,
} from "./trainer.ts";
