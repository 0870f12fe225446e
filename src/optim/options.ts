/** What the options of optimizers and schedules may be. */
import { checkOptions, ValueError } from "../gpu/errors.ts";

export interface Check {
  readonly isValid: (value: unknown) => boolean;
  /** Completes "expected ...". */
  readonly expected: string;
}

/** A check per option; an option that has none is unknown. */
export type Checks<Options> = { readonly [Name in keyof Options]-?: Check };

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

export const atLeast0: Check = { isValid: (value) => isNumber(value) && value >= 0, expected: "0 or more" };

export const above0: Check = { isValid: (value) => isNumber(value) && value > 0, expected: "a number above 0" };

export const finite: Check = { isValid: isNumber, expected: "a number" };

export const from0To1: Check = {
  isValid: (value) => isNumber(value) && value >= 0 && value <= 1,
  expected: "a number from 0 to 1",
};

export const above0To1: Check = {
  isValid: (value) => isNumber(value) && value > 0 && value <= 1,
  expected: "a number above 0, at most 1",
};

export const betas: Check = {
  isValid: (value) => Array.isArray(value) && value.length === 2 && value.every((x) => isNumber(x) && x >= 0 && x < 1),
  expected: "two numbers from 0 up to 1",
};

export const flag: Check = { isValid: (value) => typeof value === "boolean", expected: "true or false" };

export const wholeAtLeast0: Check = {
  isValid: (value) => Number.isInteger(value) && (value as number) >= 0,
  expected: "a whole number from 0 on",
};

export const wholeAbove0: Check = {
  isValid: (value) => Number.isInteger(value) && (value as number) > 0,
  expected: "a whole number above 0",
};

export function oneOf(...names: readonly string[]): Check {
  return { isValid: (value) => names.includes(value as string), expected: names.join(" or ") };
}

/** @throws ValueError for an option that is unknown or out of range */
export function checkValues<Options extends object>(owner: string, options: Options, checks: Checks<Options>): void {
  checkOptions(owner, options, Object.keys(checks));
  for (const name of Object.keys(options) as (keyof Options & string)[]) {
    expectValue(owner, name, options[name], checks[name]);
  }
}

/** @throws ValueError unless the value passes */
export function expectValue(owner: string, name: string, value: unknown, { isValid, expected }: Check): void {
  if (isValid(value)) return;
  const shown = Array.isArray(value) ? `[${value.join()}]` : String(value);
  throw new ValueError(`${owner}: ${name} is ${shown}, expected ${expected}`);
}
