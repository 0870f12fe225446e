import type { ImageShape } from "../../data/images.ts";
import { encodePng } from "../png.ts";
import { EventFile } from "./event-file.ts";
import { histogramOf } from "./histogram.ts";
import {
  encodeExperiment,
  encodeSessionEndInfo,
  encodeSessionStartInfo,
  type HyperParameter,
  type SummaryValue,
} from "./messages.ts";

const now = () => Date.now() / 1000;

/** What a file holds until it is written. */
const FLUSH_SECONDS = 10;

/**
 * Writes what TensorBoard shows (`tensorboard --logdir FOLDER`), into a file of its own in a folder. Names with a slash are
 * grouped by what is before it. What is added is written every few seconds, and by `flush` and `close`.
 *
 * @example
 * const writer = await train.SummaryWriter.open("runs/first");
 * writer.addScalar("train/loss", 0.7, step);
 * writer.addHistogram("weights/head", await model.head.weight.data(), step);
 * await writer.close();
 */
export class SummaryWriter {
  readonly #file: EventFile;
  #flushed = now();
  #hasSession = false;

  private constructor(file: EventFile) {
    this.#file = file;
  }

  /**
   * @param folder is made where it is not there
   * @param options purgeStep: what other files of the folder say of this step and later ones no longer counts, as for a run
   *   that goes on from a checkpoint
   * @throws DataError if the folder cannot be written to
   */
  static async open(folder: string, { purgeStep }: { purgeStep?: number | undefined } = {}): Promise<SummaryWriter> {
    const file = await EventFile.create(folder);
    if (purgeStep !== undefined) file.add({ wallTime: now(), step: purgeStep, isStart: true });
    return new SummaryWriter(file);
  }

  /** The file that is written. */
  get path(): string {
    return this.#file.path;
  }

  /** Adds a point of a curve. */
  addScalar(tag: string, value: number, step: number): void {
    this.#add(step, { tag, scalar: value });
  }

  /** Adds the distribution of values, such as `await weight.data()`; what is not finite is left out. */
  addHistogram(tag: string, values: ArrayLike<number>, step: number): void {
    const histogram = histogramOf(values);
    if (histogram) this.#add(step, { tag, histogram });
  }

  /** Adds a text, which may be Markdown. */
  addText(tag: string, text: string, step: number): void {
    const plugin = { name: "text", content: new Uint8Array(0) };
    this.#add(step, { tag: `${tag}/text_summary`, texts: [text], plugin });
  }

  /**
   * Adds an image.
   *
   * @param pixels [channels, height, width] row-major, from 0 to 255
   * @throws ShapeError unless there are 1 or 3 channels and as many pixels as the shape has
   */
  addImage(tag: string, pixels: Uint8Array, shape: ImageShape, step: number): void {
    this.#add(step, { tag, image: { ...shape, png: encodePng(pixels, shape) } });
  }

  /**
   * Says what this run was given, for the table in which runs are compared. `close` then says how it ended.
   *
   * @param values by name
   * @param metrics names of scalars by which runs are compared
   */
  addHyperParameters(values: Readonly<Record<string, HyperParameter>>, metrics: readonly string[]): void {
    this.#hasSession = true;
    this.#addHparams("experiment", encodeExperiment(values, metrics));
    this.#addHparams("session_start_info", encodeSessionStartInfo(values, now()));
  }

  /** Writes what was added. @throws DataError if the file cannot be written */
  async flush(): Promise<void> {
    this.#flushed = now();
    await this.#file.flush();
  }

  /**
   * Writes what was added and ends the run.
   *
   * @param isSuccess whether it came to its end
   * @throws DataError if the file cannot be written
   */
  async close(isSuccess = true): Promise<void> {
    if (this.#hasSession) this.#addHparams("session_end_info", encodeSessionEndInfo(isSuccess, now()));
    this.#hasSession = false;
    await this.flush();
  }

  #add(step: number, value: SummaryValue): void {
    this.#file.add({ wallTime: now(), step, values: [value] });
    if (now() - this.#flushed > FLUSH_SECONDS) this.flush().catch(() => {}); // the next flush throws it
  }

  #addHparams(name: string, content: Uint8Array): void {
    this.#add(0, { tag: `_hparams_/${name}`, isNull: true, plugin: { name: "hparams", content } });
  }
}
