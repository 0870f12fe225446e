/** Cleaning of texts before training: one spelling for what is the same, and each text once. */

import { checkOptions, ValueError } from "../gpu/errors.ts";
import { threefry } from "../kernels/random/threefry.ts";

export interface NormalizeOptions {
  /** Unicode's form: composed ("NFC", the default), or with ligatures, full-width letters and the like made plain ("NFKC"). */
  form?: "NFC" | "NFKC" | "NFD" | "NFKD";
  /** Fold case (default false). */
  lowercase?: boolean;
  /** Leave out tags and comments, and turn character references (`&amp;`, `&#39;`) into characters (default false). */
  html?: boolean;
  /** In place of web addresses (default: they stay). */
  urls?: string;
  /** In place of addresses of mail (default: they stay). */
  emails?: string;
  /** Leave out accents (default false). */
  stripAccents?: boolean;
  /** Turn typographic quotes, dashes and ellipses into ASCII's (default false). */
  plainPunctuation?: boolean;
  /** Make runs of spaces and line breaks one space, and trim (default true). */
  whitespace?: boolean;
}

const OPTIONS = ["form", "lowercase", "html", "urls", "emails", "stripAccents", "plainPunctuation", "whitespace"];

/**
 * Normalises a text: HTML, addresses, accents, Unicode's form, punctuation, case, spaces, in this order. Control and zero-width
 * characters are left out, but for joiners, which shape words and emoji.
 *
 * @throws ValueError for an option that does not exist or cannot be
 *
 * @example
 * normalizeText("<p>Caf&eacute;\u00a0 &#8212; see https://a.b/c</p>", { html: true, urls: "<url>", plainPunctuation: true });
 * // "Café - see <url>"
 */
export function normalizeText(text: string, options: NormalizeOptions = {}): string {
  checkOptions("normalizeText", options, OPTIONS);
  const { form = "NFC", lowercase, html, urls, emails, stripAccents, plainPunctuation, whitespace = true } = options;
  if (!["NFC", "NFKC", "NFD", "NFKD"].includes(form)) {
    throw new ValueError(`normalizeText: form is "${form}", expected NFC, NFKC, NFD or NFKD`);
  }
  let result = html ? withoutHtml(text) : text;
  if (urls !== undefined) result = result.replace(URL, () => urls);
  if (emails !== undefined) result = result.replace(EMAIL, () => emails);
  result = result.replace(INVISIBLE, "");
  if (stripAccents) result = result.normalize(form.startsWith("NFK") ? "NFKD" : "NFD").replace(/\p{Mn}/gu, "");
  result = result.normalize(form);
  if (plainPunctuation) result = result.replace(TYPOGRAPHIC, (mark) => PLAIN[mark]!);
  if (lowercase) result = result.toLowerCase().normalize(form); // some letters in lower case are two
  return whitespace ? result.replace(/\s+/gu, " ").trim() : result;
}

const URL = /\b(?:https?:\/\/|www\.)[^\s<>"']*[^\s<>"'.,;:!?)\]}]/giu;
// Bounded as RFC 5321 bounds them, so that a long text without an address takes no longer.
const EMAIL = /\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}\b/gu;
// Controls but for tab and line breaks, and those that shape nothing: zero-width space, word joiner, byte order mark, soft
// hyphen, directions.
const INVISIBLE = /(?![\t-\r\u0085])\p{Cc}|[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/gu;

const PLAIN: Record<string, string> = {
  "\u2018": "'",
  "\u2019": "'",
  "\u201a": "'",
  "\u201b": "'",
  "\u2032": "'",
  "\u201c": '"',
  "\u201d": '"',
  "\u201e": '"',
  "\u201f": '"',
  "\u2033": '"',
  "\u00ab": '"',
  "\u00bb": '"',
  "\u2010": "-",
  "\u2011": "-",
  "\u2012": "-",
  "\u2013": "-",
  "\u2014": "-",
  "\u2015": "-",
  "\u2212": "-",
  "\u2026": "...",
};
const TYPOGRAPHIC = new RegExp(`[${Object.keys(PLAIN).join("")}]`, "gu");

// Tags become a space where they part words (<br>, </p>), and nothing where they stand in one (<b>).
function withoutHtml(text: string): string {
  return withoutElements(text)
    .replace(/<\/?([a-z][a-z0-9]*)\b[^<>]*>/giu, (_, name: string) => (INLINE.has(name.toLowerCase()) ? "" : " "))
    .replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]+\d{0,2}));/giu, (reference, decimal, hex, name) => {
      if (name) return ENTITIES[name] ?? reference;
      const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
      return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000)
        ? String.fromCodePoint(code)
        : reference;
    });
}

// Leaves out comments, scripts and styles with their content, up to the first that does not end.
function withoutElements(text: string): string {
  const opening = /<!--|<(?:script|style)\b[^<>]*>/giu;
  let kept = "";
  let from = 0;
  for (let match = opening.exec(text); match; match = opening.exec(text)) {
    const closing =
      match[0] === "<!--" ? /-->/gu : /^<script/iu.test(match[0]) ? /<\/script\s*>/giu : /<\/style\s*>/giu;
    closing.lastIndex = opening.lastIndex;
    if (!closing.exec(text)) break;
    kept += `${text.slice(from, match.index)} `;
    from = opening.lastIndex = closing.lastIndex;
  }
  return kept + text.slice(from);
}

const INLINE = new Set([
  "a",
  "abbr",
  "b",
  "code",
  "em",
  "font",
  "i",
  "mark",
  "small",
  "span",
  "strong",
  "sub",
  "sup",
  "u",
]);

// HTML 4's references for Latin-1 in the order of code points from U+00A0, and the common others.
const LATIN1 =
  "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para " +
  "middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute " +
  "Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute " +
  "THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde " +
  "ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";
const ENTITIES: Record<string, string> = {
  ...Object.fromEntries(LATIN1.split(" ").map((name, i) => [name, String.fromCharCode(0xa0 + i)])),
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  ndash: "\u2013",
  mdash: "\u2014",
  lsquo: "\u2018",
  rsquo: "\u2019",
  ldquo: "\u201c",
  rdquo: "\u201d",
  bull: "\u2022",
  hellip: "\u2026",
  trade: "\u2122",
  euro: "\u20ac",
};

export interface Duplicates {
  /** One text of each kind, the first, in their order: the indices to keep. */
  readonly kept: Int32Array;
  /** The indices of texts that are the same, two or more in each list. */
  readonly groups: readonly Int32Array[];
}

/**
 * Finds texts that are the same after normalisation.
 *
 * @param normalize default: Unicode's form NFKC, case and spaces
 *
 * @example
 * const { kept } = findDuplicates(texts);
 * const clean = new Subset(dataset, kept);
 */
export function findDuplicates(
  texts: readonly string[],
  normalize = (text: string) => normalizeText(text, { form: "NFKC", lowercase: true }),
): Duplicates {
  const members = new Map<string, number[]>();
  for (const [i, text] of texts.entries()) {
    const key = normalize(text);
    const group = members.get(key);
    if (group) group.push(i);
    else members.set(key, [i]);
  }
  return grouped([...members.values()]);
}

export interface NearDuplicateOptions {
  /** The least share of shingles that two texts have in common, of those that either has (Jaccard; default 0.8). */
  threshold?: number;
  /** Words in a shingle (default 3). */
  shingle?: number;
}

/**
 * Finds texts that are nearly the same: candidates by MinHash in bands (Broder 1997; Leskovec et al., Mining of Massive
 * Datasets, chapter 3), each pair then compared exactly. Groups are chained: a text is in one if it is close to any other of it.
 *
 * Pairs at the threshold are candidates with a probability above 0.99, those well above it surely.
 *
 * @throws ValueError for options that cannot be
 */
export function findNearDuplicates(texts: readonly string[], options: NearDuplicateOptions = {}): Duplicates {
  checkOptions("findNearDuplicates", options, ["threshold", "shingle"]);
  const { threshold = 0.8, shingle = 3 } = options;
  if (!(threshold > 0 && threshold <= 1)) {
    throw new ValueError(`findNearDuplicates: threshold is ${threshold}, expected above 0 and up to 1`);
  }
  if (!Number.isInteger(shingle) || shingle < 1) {
    throw new ValueError(`findNearDuplicates: shingle is ${shingle}, expected a whole number from 1`);
  }
  const sets = texts.map((text) => shinglesOf(text, shingle));
  const rows = rowsPerBand(threshold);
  const bands = Math.floor(HASHES / rows);
  const parents = Int32Array.from(texts.keys());
  const rootOf = (i: number): number => {
    while (parents[i] !== i) i = parents[i] = parents[parents[i]!]!;
    return i;
  };
  const signatures = sets.map(minHash);
  for (let band = 0; band < bands; band++) {
    const buckets = new Map<string, number[]>();
    for (const [i, signature] of signatures.entries()) {
      const key = signature.subarray(band * rows, (band + 1) * rows).join();
      const bucket = buckets.get(key) ?? [];
      if (!buckets.has(key)) buckets.set(key, bucket);
      // One of each group that is in the bucket is not enough: closeness is not transitive.
      for (const j of bucket) {
        const [a, b] = [rootOf(i), rootOf(j)];
        if (a !== b && jaccard(sets[i]!, sets[j]!) >= threshold) parents[Math.max(a, b)] = Math.min(a, b);
      }
      bucket.push(i);
    }
  }
  const members = new Map<number, number[]>();
  for (const i of parents.keys()) {
    const root = rootOf(i);
    const group = members.get(root);
    if (group) group.push(i);
    else members.set(root, [i]);
  }
  return grouped([...members.values()]);
}

function grouped(members: readonly number[][]): Duplicates {
  return {
    kept: Int32Array.from(members, ([first]) => first!),
    groups: members.filter(({ length }) => length > 1).map((group) => Int32Array.from(group)),
  };
}

const HASHES = 128;
const SALTS = Array.from({ length: HASHES }, (_, i) => threefry(0x6d696e, 0x68617368, i, 0)[0] | 1);

// The most rows per band with which a pair at the threshold is a candidate in 99 of 100 cases: 1 - (1 - t^r)^(n/r).
function rowsPerBand(threshold: number): number {
  for (let rows = HASHES; rows > 1; rows--) {
    if (1 - (1 - threshold ** rows) ** Math.floor(HASHES / rows) > 0.99) return rows;
  }
  return 1;
}

// Hashes of runs of words; of a text with fewer words, of all it has.
function shinglesOf(text: string, size: number): Set<number> {
  const words = normalizeText(text, { form: "NFKC", lowercase: true }).match(/[\p{L}\p{M}\p{N}]+/gu) ?? [text];
  const shingles = new Set<number>();
  for (let i = 0; i <= Math.max(0, words.length - size); i++) shingles.add(fnv1a(words.slice(i, i + size).join(" ")));
  return shingles;
}

/** The hash FNV-1a of a string's UTF-16 units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

// For each of some orders of all hashes, the first that is in the set.
function minHash(shingles: ReadonlySet<number>): Uint32Array {
  const least = new Uint32Array(HASHES).fill(0xffffffff);
  for (const shingle of shingles) {
    for (let i = 0; i < HASHES; i++) {
      let mixed = Math.imul(shingle ^ SALTS[i]!, 0x85ebca6b);
      mixed = Math.imul(mixed ^ (mixed >>> 15), SALTS[i]!);
      mixed = (mixed ^ (mixed >>> 13)) >>> 0;
      if (mixed < least[i]!) least[i] = mixed;
    }
  }
  return least;
}

function jaccard(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  let common = 0;
  for (const element of a) if (b.has(element)) common++;
  return common / (a.size + b.size - common);
}
