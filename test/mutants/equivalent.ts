/** Mutants that change nothing, each with the reason. main.ts says so when one is gone, or is caught after all. */

export interface Equivalent {
  /** Where it is, as main.ts prints it; left out for what changes nothing in any kernel. */
  readonly file?: string;
  readonly fn?: string;
  /** The part of the line that is changed, and what it becomes. */
  readonly line: string;
  readonly becomes: string;
  readonly reason: string;
}

export const equivalents: readonly Equivalent[] = [];
