/** How a run looks while it goes: a bar and a table on a terminal, plain lines where the output is piped. */
import cliProgress from "cli-progress";
import { createColors } from "picocolors";
import type { EpochReport, StepReport } from "./trainer.ts";

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
 * @param epochs how many there will be
 * @param stream where to print; a bar is drawn if it is a terminal
 */
export function terminalProgress(epochs: number, stream: OutputStream = process.stdout): Progress {
  const isTerminal = stream.isTTY === true;
  const colors = createColors(isTerminal && !process.env.NO_COLOR);
  const bar = isTerminal
    ? new cliProgress.SingleBar({
        stream: stream as NodeJS.WriteStream,
        format: `${colors.dim("epoch {epoch}")} {bar} {value}/{total}  loss {loss}  accuracy {accuracy}  {rate} examples/s  {eta_formatted} left`,
        barCompleteChar: "━",
        barIncompleteChar: " ",
        barsize: 24,
        clearOnComplete: true,
        hideCursor: true,
      })
    : null;
  const hasValid = (report: EpochReport) => report.valid !== null;
  let headed = false;

  return {
    startEpoch(epoch, examples) {
      bar?.start(examples, 0, { epoch: `${epoch + 1}/${epochs}`, loss: "–", accuracy: "–", rate: "–" });
    },
    step({ epoch, step, loss, accuracy, examples, examplesPerSecond }) {
      const values = { loss: loss.toFixed(4), accuracy: percent(accuracy), rate: examplesPerSecond.toFixed(0) };
      if (bar) bar.update(examples, values);
      else if (step % 50 === 0) {
        stream.write(
          `epoch ${epoch + 1}/${epochs}  step ${step}  loss ${values.loss}  accuracy ${values.accuracy}  ${values.rate} examples/s\n`,
        );
      }
    },
    epoch(report) {
      bar?.stop();
      const { epoch, seconds, train, valid, best } = report;
      if (!headed) {
        const columns = hasValid(report) ? "train loss  accuracy  valid loss  accuracy" : "train loss  accuracy";
        stream.write(`${colors.dim(`  epoch  ${columns}   seconds`)}\n`);
        headed = true;
      }
      const cells = [
        `${epoch + 1}/${epochs}`.padStart(7),
        train.loss.toFixed(4).padStart(12),
        percent(train.accuracy).padStart(10),
        ...(valid ? [valid.loss.toFixed(4).padStart(12), percent(valid.accuracy).padStart(10)] : []),
        seconds.toFixed(1).padStart(10),
      ];
      stream.write(`${cells.join("")}${best ? colors.green("  best") : ""}\n`);
    },
    stop() {
      bar?.stop();
    },
  };
}

/** 0.8125 as "81.3 %". */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
