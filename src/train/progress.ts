/** How a run looks while it goes: a bar and a table on a terminal, plain lines where the output is piped. */
import cliProgress from "cli-progress";
import { createColors } from "picocolors";
import { type EpochReport, STEP_FIELDS, type StepReport, type TrainerCallback } from "./callbacks.ts";

export interface Progress {
  startEpoch(epoch: number, examples: number): void;
  step(report: StepReport): void;
  epoch(report: EpochReport): void;
  /** Leaves the terminal as it was, also after an error. */
  stop(): void;
}

/** Prints nothing: for output that is JSON. */
export const silentProgress: Progress = { startEpoch() {}, step() {}, epoch() {}, stop() {} };

/** What is printed to; a terminal has a cursor to move. */
export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/**
 * Shows a training.
 *
 * @param examples how many an epoch has
 * @example
 * new train.Trainer({ model, optimizer, callbacks: train.showProgress(train.terminalProgress(5), set.length) });
 */
export function showProgress(progress: Progress, examples: number): TrainerCallback {
  return {
    onEpochStart: (epoch) => progress.startEpoch(epoch, examples),
    onStep: (report) => progress.step(report),
    onEpoch: (report) => progress.epoch(report),
    onEnd: () => progress.stop(),
  };
}

interface Bar {
  start(total: number, value: number, shown: Record<string, string>): void;
  update(value: number, shown: Record<string, string>): void;
  stop(): void;
}

/** What a terminal shows in colour; text as it is where the output is piped, or `NO_COLOR` is set. */
interface Colors {
  dim(text: string): string;
  green(text: string): string;
}

/**
 * A bar between a title and what is said beside it, with the time that is left; null where the output is piped.
 *
 * @param title in the format of cli-progress, as is `beside`
 */
export function barOn(stream: OutputStream, title: string, beside: string): { bar: Bar | null; colors: Colors } {
  const isTerminal = stream.isTTY === true;
  const colors = createColors(isTerminal && !process.env.NO_COLOR);
  const bar = isTerminal
    ? new cliProgress.SingleBar({
        stream: stream as NodeJS.WriteStream,
        format: `${colors.dim(title)} {bar} ${beside}  {eta_formatted} left`,
        barCompleteChar: "━",
        barIncompleteChar: " ",
        barsize: 24,
        clearOnComplete: true,
        hideCursor: true,
      })
    : null;
  return { bar, colors };
}

/** Shares of examples, which are shown in per cent; other metrics are shown as numbers. */
const SHARES = /accuracy|precision|recall|f1|auc/i;
/** Steps between two lines where the output is piped. */
const LINE_EVERY = 50;

/**
 * Draws a bar on a terminal, with the loss, the metrics, examples per second and the time that is left, and a row of a table
 * after each epoch; where the output is piped, a line now and then. `NO_COLOR` is respected.
 *
 * @param epochs how many there will be
 * @param stream where to print; a bar is drawn if it is a terminal
 */
export function terminalProgress(epochs: number, stream: OutputStream = process.stdout): Progress {
  const { bar, colors } = barOn(stream, "epoch {epoch}", "{value}/{total}  {metrics}{rate} examples/s");
  let header: string | null = null;

  return {
    startEpoch(epoch, examples) {
      bar?.start(examples, 0, { epoch: `${epoch + 1}/${epochs}`, metrics: "", rate: "–" });
    },
    step(report) {
      const { epoch, step, examples, examplesPerSecond } = report;
      const shown = namesOf(report).map((name) => `${name} ${format(name, report[name]!)}  `);
      const rate = examplesPerSecond.toFixed(0);
      if (bar) bar.update(examples, { metrics: shown.join(""), rate });
      else if (step % LINE_EVERY === 0) {
        stream.write(`epoch ${epoch + 1}/${epochs}  step ${step}  ${shown.join("")}${rate} examples/s\n`);
      }
    },
    epoch({ epoch, seconds, train, valid, best }) {
      bar?.stop();
      const columns = [train, ...(valid ? [valid] : [])].flatMap((metrics, i) =>
        Object.keys(metrics).map((name) => {
          const title = name === "loss" ? (i === 0 ? "train loss" : "valid loss") : name;
          return { title, cell: format(name, metrics[name]!), width: Math.max(12, title.length + 2) };
        }),
      );
      const titles = columns.map(({ title, width }) => title.padStart(width)).join("");
      if (titles !== header) stream.write(`${colors.dim(`  epoch${titles}   seconds`)}\n`);
      header = titles;
      const cells = columns.map(({ cell, width }) => cell.padStart(width)).join("");
      const row = `${`${epoch + 1}/${epochs}`.padStart(7)}${cells}${seconds.toFixed(1).padStart(10)}`;
      stream.write(`${row}${best ? colors.green("  best") : ""}\n`);
    },
    stop() {
      bar?.stop();
    },
  };
}

/** What was measured: the loss first. */
function namesOf(report: StepReport): string[] {
  return ["loss", ...Object.keys(report).filter((name) => name !== "loss" && !STEP_FIELDS.includes(name))];
}

function format(name: string, value: number): string {
  return SHARES.test(name) ? percent(value) : Math.abs(value) >= 1000 ? value.toPrecision(5) : value.toFixed(4);
}

/** 0.8125 as "81.3 %". */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
