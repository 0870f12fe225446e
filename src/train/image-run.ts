/** Image classification from a folder to a run's folder, and back from there to a model that can be used. */
import { AugmentedImages } from "../data/augmented-images.ts";
import { readImageFolder, readImages } from "../data/image-files-node.ts";
import { ImageDataset, type ImageShape, type PixelStatistics } from "../data/images.ts";
import { LabelSet } from "../data/labels.ts";
import { DataLoader } from "../data/loader.ts";
import { DataError, ValueError } from "../gpu/errors.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { CNN } from "../models/cnn.ts";
import { MLP } from "../models/mlp.ts";
import { ResNet } from "../models/resnet.ts";
import { type AugmentOptions, augmentation } from "./augment.ts";
import type { BatchSource } from "./batches.ts";
import {
  type ClassifierRun,
  describeRun,
  type Evaluation,
  type Examples,
  evaluateClassifier,
  holdOut,
  loadClassifier,
  openRun,
  type Prediction,
  predictBatch,
  type RunOutput,
  type RunResult,
  type TrainingOptions,
  trainClassifier,
} from "./classifier-run.ts";
import type { Classifier } from "./evaluate.ts";
import { encodePng } from "./png.ts";

export const IMAGE_MODELS = ["cnn", "resnet", "mlp"] as const;

export interface ImageModelOptions {
  model: (typeof IMAGE_MODELS)[number];
  /** Of the CNN and the MLP. */
  dropout: number;
  /** Of the ResNet: blocks in each stage. */
  blocks: number;
}

export interface ImageSource {
  /** A folder as `readImageFolder` reads it. */
  data: string;
  /** Pictures are scaled and cropped to so many pixels in both directions. */
  size?: number | undefined;
  channels?: 1 | 3 | undefined;
  /** The share of the training images that validates, or tests, where the folder sets none apart. */
  validFraction: number;
  testFraction: number;
}

/** What an image run is, but for where it writes. */
export interface ImageRun {
  readonly source: ImageSource;
  /** Random changes of the training images. */
  readonly augment?: AugmentOptions | undefined;
  readonly model: ImageModelOptions;
  readonly training: TrainingOptions;
}

/** The run that a folder's config.json tells of. @throws DataError for a folder that is not that of an image run */
export async function readImageRun(path: string): Promise<ImageRun> {
  const { config } = await openRun(path, "image");
  const { source, augment, model, training } = config as unknown as ImageRun;
  return { source, augment, model, training };
}

/**
 * Trains an image classifier on a folder and writes the run's folder.
 *
 * @throws DataError for a folder or files that cannot be used; nothing is written then
 */
export async function trainImage(options: ImageRun & RunOutput): Promise<RunResult> {
  const { source, augment, model: modelOptions, training } = options;
  const start = performance.now();
  const { labels, train, valid, test } = await readSplits(source, training.seed);
  if (labels.size < 2) throw new DataError(`${source.data}: has one class; a classifier needs two or more`);
  const statistics = train.statistics();
  const { batch: batchSize, seed } = training;
  const examples = (set: ImageDataset): Examples => ({
    length: set.length,
    loader: new DataLoader(set.normalize(statistics), { batchSize }),
    inspection: { names: labels.names, labels: set.labels, show: (i) => ({ image: pngOf(set, i) }) },
  });
  const shuffled = { batchSize, shuffle: true, seed };
  let loader: BatchSource = new DataLoader(train.normalize(statistics), shuffled);
  if (augment) {
    const { transform, mixUp } = augmentation(augment, train.shape, statistics, labels.size);
    loader = new DataLoader(new AugmentedImages(train, transform, { seed, mixUp }), shuffled);
  }

  manualSeed(training.seed);
  const run: ClassifierRun = {
    task: "image",
    modelName: modelOptions.model,
    model: buildModel(modelOptions, train.shape, labels.size),
    config: { model: modelOptions, source, augment, shape: train.shape, statistics, labels: labels.toJSON() },
    training,
    train: { length: train.length, loader },
    valid: examples(valid),
    test: test && examples(test),
    start,
  };
  const { channels, height, width } = train.shape;
  const kind = channels === 1 ? "grey" : "colour";
  options.log(describeRun(run, "images", `${labels.size} classes, ${width} x ${height} pixels, ${kind}`));
  return trainClassifier(run, options);
}

/** A trained image classifier. */
export class ImageClassifier {
  readonly labels: LabelSet;
  readonly #model: Classifier;
  readonly #shape: ImageShape;
  readonly #statistics: PixelStatistics;

  private constructor(model: Classifier, labels: LabelSet, shape: ImageShape, statistics: PixelStatistics) {
    this.#model = model;
    this.labels = labels;
    this.#shape = shape;
    this.#statistics = statistics;
  }

  /**
   * Loads the model of a run's folder, in evaluation mode.
   *
   * @throws DataError for a folder that is not that of an image run, or files that are damaged
   */
  static async load(path: string): Promise<ImageClassifier> {
    const { folder, config, file } = await openRun(path, "image");
    const labels = LabelSet.fromJSON(config.labels, file);
    const shape = config.shape as ImageShape;
    const options = config.model as ImageModelOptions;
    const model = await loadClassifier(folder, () => buildModel(options, shape, labels.size));
    return new ImageClassifier(model, labels, shape, config.statistics as PixelStatistics);
  }

  /**
   * Measures it on a folder of labelled images, as a whole and class by class: on those it sets apart for tests, else on all.
   *
   * @throws DataError for a folder that cannot be used
   */
  async evaluate(folder: string, batchSize: number): Promise<Evaluation> {
    const { channels, height, width } = this.#shape;
    const { labels, train, test } = await readImageFolder(folder, {
      size: { height, width },
      channels: channels as 1 | 3,
    });
    const set = test ?? train;
    const names = Array.from(set.labels, (label) => labels.name(label));
    const encoded = this.labels.encode(names, { file: folder });
    const images = new ImageDataset(set.pixels, set.shape, encoded, this.#statistics);
    return evaluateClassifier(
      this.#model,
      { length: set.length, loader: new DataLoader(images, { batchSize }) },
      this.labels,
    );
  }

  /**
   * Labels pictures.
   *
   * @returns for each file every label with its probability, the most probable first
   * @throws DataError for a file that cannot be read
   */
  async predict(files: readonly string[], batchSize = 64): Promise<Prediction[][]> {
    const pixels = await readImages(files, this.#shape);
    const set = new ImageDataset(pixels, this.#shape, new Int32Array(files.length), this.#statistics);
    const results: Prediction[][] = [];
    for await (const { inputs, labels } of new DataLoader(set, { batchSize })) {
      labels.dispose();
      results.push(...(await predictBatch(this.#model, inputs, this.labels)));
    }
    return results;
  }
}

/** An image of a data set as a data URI. */
function pngOf({ pixels, shape }: ImageDataset, index: number): string {
  const size = shape.channels * shape.height * shape.width;
  const png = encodePng(pixels.subarray(index * size, (index + 1) * size), shape);
  return `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
}

function buildModel(options: ImageModelOptions, shape: ImageShape, classes: number): Classifier {
  const { model, dropout, blocks } = options;
  const { channels, height, width } = shape;
  switch (model) {
    case "cnn":
      return new CNN({ channels, height, width, classes, dropout });
    case "resnet":
      return new ResNet({ channels, classes, blocks });
    case "mlp":
      return new MLP({ features: channels * height * width, classes, dropout });
    default:
      throw new ValueError(`model is "${model}", expected ${IMAGE_MODELS.join(", ")}`);
  }
}

async function readSplits({ data, size, channels, validFraction, testFraction }: ImageSource, seed: number) {
  const given = { size: size === undefined ? undefined : { height: size, width: size }, channels };
  const found = await readImageFolder(data, given);
  let { train, test } = found;
  const hold = (fraction: number) => {
    const about = { seed, file: data, remedy: "add images" };
    const [stay, held] = holdOut(train.labels, fraction, about);
    const part = train.pick(held);
    train = train.pick(stay);
    return part;
  };
  if (!test && testFraction > 0) test = hold(testFraction);
  const valid = found.valid ?? hold(validFraction);
  return { labels: found.labels, train, valid, test };
}
