/** Training, evaluation and the folders of runs, in Node. */

export {
  type HuggingFaceJSON,
  type HuggingFaceOptions,
  HuggingFaceTokenizer,
  readTokenizer,
} from "../data/hugging-face-node.ts";
export { type ImageFolder, type ImageOptions, readImageFolder, readImages } from "../data/image-files-node.ts";
export { readTable, streamTable } from "../data/table-files-node.ts";
export { readVectors } from "../data/vector-files-node.ts";
export type { AugmentOptions } from "./augment.ts";
export type { Batch, BatchLike, BatchSource } from "./batches.ts";
export type { EpochReport, StepReport, TrainerCallback, TrainingEnd, TrainingStart } from "./callbacks.ts";
export { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
export type { ClassReport, Evaluation, Prediction, RunOutput, RunResult, TrainingOptions } from "./classifier-run.ts";
export { type Classifier, type EvaluateOptions, evaluate, type Loss } from "./evaluate.ts";
export { ImageClassifier, type ImageModelOptions, type ImageRun, type ImageSource, trainImage } from "./image-run.ts";
export { type Progress, showProgress, silentProgress, terminalProgress } from "./progress.ts";
export { type EpochLine, type LogLine, RunFolder, type StepLine } from "./run-folder.ts";
export type { HyperParameter } from "./tensorboard/messages.ts";
export { SummaryWriter } from "./tensorboard/summary-writer.ts";
export { type TensorBoardOptions, tensorBoard } from "./tensorboard/tensorboard.ts";
export {
  type TableOptions,
  TextClassifier,
  type TextFiles,
  type TextModelOptions,
  type TextRun,
  trainText,
} from "./text-run.ts";
export { DivergedError, type Metrics, type NamedMetrics } from "./totals.ts";
export { type FitOptions, InterruptedError, type Monitor, Trainer, type TrainerOptions } from "./trainer.ts";
export type { HostTensor, TrainedBy, TrainerProgress, TrainerState } from "./trainer-state.ts";
export { writeReport } from "./view/report.ts";
export { startWatchServer, type WatchOptions, type WatchServer } from "./view/watch-server.ts";
