/** The parts that messages about data files share, so that they all read alike. */

import { didYouMean } from "../gpu/errors.ts";

const LONGEST_VALUE = 40;
const MOST_CHOICES = 20;

/** A value from a file as a message shows it: quoted, on one line, cut to 40 characters. */
export function quoted(value: string): string {
  const characters = Array.from(value.slice(0, 2 * LONGEST_VALUE + 2));
  return JSON.stringify(
    characters.length > LONGEST_VALUE ? `${characters.slice(0, LONGEST_VALUE).join("")}...` : value,
  );
}

/**
 * `train.csv, line 12 (record 11)`: lines as an editor counts them. The record's number, from 1 and with the header, is
 * shown where blank lines or line breaks in fields make it another.
 */
export function place(file: string, line: number, record = line): string {
  return `${file}, line ${line}${record === line ? "" : ` (record ${record})`}`;
}

/** `; did you mean "x"?; there are "x", "y"`, the suggestion only where one is near. */
export function choices(word: string, known: readonly string[]): string {
  const suggestion = didYouMean(word, known);
  const shown = known.slice(0, MOST_CHOICES).map(quoted).join(", ");
  const more = known.length > MOST_CHOICES ? ` and ${known.length - MOST_CHOICES} more` : "";
  return `${suggestion.startsWith("; did you mean") ? suggestion : ""}; there are ${shown}${more}`;
}
