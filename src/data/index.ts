/** Data for training: from files to batches of tensors. Runs in Node and in a browser. */

export {
  type AugmentedBatch,
  type AugmentedExample,
  AugmentedImages,
  type AugmentedImagesOptions,
} from "./augmented-images.ts";
export {
  BucketSampler,
  type BucketSamplerOptions,
  type PaddedBatch,
  type PadOptions,
  padSequences,
} from "./batches.ts";
export { type LabelledPixels, parseCifar10 } from "./cifar.ts";
export {
  type Duplicates,
  findDuplicates,
  findNearDuplicates,
  type NearDuplicateOptions,
  type NormalizeOptions,
  normalizeText,
} from "./clean.ts";
export { type Collated, collate } from "./collate.ts";
export { type Column, type CsvData, type CsvOptions, parseCsv } from "./csv.ts";
export {
  ArrayDataset,
  type BatchPlace,
  type Collate,
  concat,
  type Dataset,
  type IterableDataset,
  type LabelledBatch,
  mapDataset,
  Subset,
  TensorDataset,
} from "./dataset.ts";
export {
  type Field,
  LabelField,
  type Learning,
  NumberField,
  type NumberFieldOptions,
  TextField,
  type TextFieldOptions,
  ValueField,
} from "./fields.ts";
export { type IdxArray, parseIdx } from "./idx.ts";
export {
  Compose,
  Cutout,
  type CutoutOptions,
  type Fill,
  type Image,
  type ImageTransform,
  imageOf,
  Normalize,
  RandomCrop,
  type RandomCropOptions,
  RandomErasing,
  type RandomErasingOptions,
  RandomHorizontalFlip,
} from "./image-transforms.ts";
export {
  ImageDataset,
  type ImageExample,
  type ImageShape,
  type PixelStatistics,
} from "./images.ts";
export {
  auditLabels,
  type ClassCount,
  findLabelIssues,
  type LabelAudit,
  type LabelConflict,
  type LabelIssue,
} from "./label-audit.ts";
export { LabelSet, type LabelSource } from "./labels.ts";
export {
  type LanguageBatch,
  LanguageDataset,
  type LanguageDatasetOptions,
  type LanguageExample,
  type LanguageObjective,
} from "./language.ts";
export { DataLoader, type DataLoaderOptions, type DataLoaderState } from "./loader.ts";
export { MixUp, type MixUpOptions } from "./mixup.ts";
export { type PixelCsv, type PixelCsvOptions, parsePixelCsv } from "./pixel-csv.ts";
export { Random, type RandomState } from "./random.ts";
export {
  type AffineOptions,
  type AffineSampling,
  affine,
  RandomAffine,
  type RandomAffineOptions,
} from "./random-affine.ts";
export {
  type BatchSampler,
  RandomSampler,
  type Sampler,
  SequentialSampler,
  WeightedSampler,
  type WeightedSamplerOptions,
} from "./samplers.ts";
export { randomSplit, type SplitOptions, splitIndices } from "./split.ts";
export { type Fields, type TableBatch, type TableExample, TabularDataset, TabularStream } from "./table.ts";
export type { Row, TabularOptions } from "./table-rows.ts";
export { TextDataset, type TextExample } from "./text.ts";
export {
  ByteTokenizer,
  type CharacterOptions,
  CharacterTokenizer,
  type Tokenizer,
  tokenizerFromJSON,
  type WordOptions,
  WordTokenizer,
} from "./tokenizer.ts";
export {
  type PretrainedVectors,
  pretrainedVectors,
  type VectorCoverage,
  type VectorOptions,
  type VectorStatistics,
} from "./vectors.ts";
export { Vocab, VocabBuilder, type VocabJSON, type VocabOptions } from "./vocab.ts";
