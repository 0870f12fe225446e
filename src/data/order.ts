/**
 * Compares two strings by code points, which is the order of their UTF-8 bytes and of Python's strings. JavaScript's own
 * order is that of UTF-16 units, where U+1F600 comes before U+FF5E.
 */
export function compareCodePoints(a: string, b: string): number {
  let i = 0;
  while (i < a.length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return (a.codePointAt(i) ?? -1) - (b.codePointAt(i) ?? -1);
}
