/** Learning rates, and momentums, under every schedule, against those of schedules.py. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Parameter } from "../../src/nn/module.ts";
import { optim, zeros } from "../../src/tilegrad.ts";

interface Spec {
  readonly schedule: string;
  readonly args: readonly unknown[];
  readonly options: object;
}

interface Case extends Spec {
  readonly optimizer: "SGD" | "Adam";
  /** For each step the rates of the groups, then their momentums where the schedule changes them. */
  readonly path: readonly number[][];
}

const fixture: Record<"epochs" | "measured" | "fractions", Case[]> & { measures: number[] } = JSON.parse(
  readFileSync(new URL("./schedules.json", import.meta.url), "utf8"),
);

const RATES = [0.1, 0.03];
const TOLERANCE = 1e-12; // relative

const functions: Record<string, (epoch: number) => number> = {
  inverse: (epoch) => 1 / (1 + epoch),
  almost: (epoch) => 0.95 + 0.001 * epoch,
};

type AnySchedule = optim.Schedule & { step(value?: number): void };

const classes = optim as unknown as Record<string, new (...inputs: unknown[]) => AnySchedule>;

function makeOptimizer({ optimizer }: Case): optim.SGD | optim.Adam {
  const groups = RATES.map((lr) => ({ parameters: [new Parameter(zeros([1]))], lr }));
  return optimizer === "SGD" ? new optim.SGD(groups, { momentum: 0.9 }) : new optim.Adam(groups);
}

function construct(optimizer: optim.Scheduled, { schedule, args, options }: Spec): AnySchedule {
  const convert = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(convert);
    if (typeof value === "string") return functions[value];
    return typeof value === "object" ? construct(optimizer, value as Spec) : value;
  };
  const inputs = args.map(convert);
  const given = Object.keys(options).length > 0 ? [options] : [];
  const Schedule = classes[schedule]!;
  return schedule === "ChainedScheduler" ? new Schedule(...inputs) : new Schedule(optimizer, ...inputs, ...given);
}

function rowOf(optimizer: optim.Scheduled): number[] {
  const options = optimizer.groups.map(({ options }) => options);
  return [...options.map(({ lr }) => lr), ...options.map(({ betas, momentum }) => betas?.[0] ?? momentum!)];
}

function expectRow(one: Case, t: number, optimizer: optim.Scheduled): void {
  const actual = rowOf(optimizer);
  for (const [i, value] of one.path[t]!.entries()) {
    if (Math.abs(actual[i]! - value) <= TOLERANCE * Math.abs(value)) continue;
    const { schedule, args, options } = one;
    throw new Error(`${schedule} ${JSON.stringify({ args, options })}: ${actual[i]} at ${t}, expected ${value}`);
  }
}

const inputs = {
  epochs: () => [],
  measured: (t: number) => [fixture.measures[t]!],
  fractions: (t: number) => [(t + 1) / 4],
};

const kinds = ["epochs", "measured", "fractions"] as const;

for (const kind of kinds) {
  test.each([...new Set(fixture[kind].map(({ schedule }) => schedule))])(`%s is PyTorch's (${kind})`, (name) => {
    for (const one of fixture[kind].filter(({ schedule }) => schedule === name)) {
      let optimizer = makeOptimizer(one);
      let schedule = construct(optimizer, one);
      for (const t of one.path.keys()) {
        expectRow(one, t, optimizer);
        expect(schedule.lastLr).toEqual(rowOf(optimizer).slice(0, RATES.length));
        schedule.step(...inputs[kind](t));
        // Now and then a new one goes on from the state of the old, which has passed through JSON.
        if (t % 6 !== 4) continue;
        const saved = JSON.stringify([optimizer.stateDict().groups, schedule.stateDict()]);
        const [groups, state] = JSON.parse(saved);
        const { tensors } = optimizer.stateDict();
        optimizer = makeOptimizer(one);
        schedule = construct(optimizer, one);
        optimizer.loadStateDict({ tensors, groups });
        schedule.loadStateDict(state);
      }
    }
  });
}

test("every schedule is here", () => {
  const tested = new Set(kinds.flatMap((kind) => fixture[kind].map(({ schedule }) => schedule)));
  const exported = Object.keys(optim).filter((name) => /LR$|Scheduler$|Restarts$|Plateau$/.test(name));
  expect([...tested, "LRScheduler"].sort()).toEqual(exported.sort());
});
