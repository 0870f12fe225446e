/**
 * Ways to break WGSL. Regular expressions over code whose comments are blanked out, so that positions stay the file's;
 * they rely on how this repository writes WGSL: spaces around binary operators, short names, braces always.
 * A mutation that is not WGSL any more does no harm: it is compiled first, and left out.
 */

export interface Mutation {
  /** What is broken, in a word or two. */
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

export interface WgslFunction {
  readonly name: string;
  readonly isEntry: boolean;
  /** Between its braces. */
  readonly start: number;
  readonly end: number;
  readonly words: ReadonlySet<string>;
}

/** The code with comments turned into blanks. */
export function blankComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, " "));
}

export function functionsOf(code: string): WgslFunction[] {
  return [...code.matchAll(/((?:@\w+(?:\s*\([^)]*\))?\s*)*)\bfn\s+(\w+)\s*\(/g)].map((match) => {
    const start = code.indexOf("{", match.index + match[0].length) + 1;
    const end = closing(code, start - 1);
    const words = new Set(code.slice(start, end).match(/[A-Za-z_]\w*/g));
    return { name: match[2]!, isEntry: /@compute\b/.test(match[1]!), start, end, words };
  });
}

/** The functions that `names` reach through calls, themselves included; several may have one name. */
export function reachedFrom(names: Iterable<string>, functions: readonly WgslFunction[]): Set<string> {
  const reached = new Set<string>();
  const pending = [...names];
  while (pending.length > 0) {
    const name = pending.pop()!;
    const called = functions.filter((fn) => fn.name === name);
    if (reached.has(name) || called.length === 0) continue;
    reached.add(name);
    for (const { words } of called) pending.push(...words);
  }
  return reached;
}

/** Every mutation of code[start, end), the inside of a function. */
export function mutationsOf(code: string, start: number, end: number): Mutation[] {
  const found: Mutation[] = [];
  const heads: [number, number][] = [];
  const put = (kind: string, at: number, to: number, replacement: string) =>
    found.push({ kind, start: at, end: to, replacement });
  const each = (pattern: RegExp, visit: (match: RegExpExecArray, at: number) => void) => {
    const matcher = new RegExp(pattern.source, `${pattern.flags}g`);
    matcher.lastIndex = start;
    for (let match = matcher.exec(code); match && match.index < end; match = matcher.exec(code)) {
      visit(match, match.index);
    }
  };
  const inHead = (at: number) => heads.some(([from, to]) => at >= from && at < to);

  // The three parts of a for are broken in ways of their own: a loop that never ends proves nothing.
  each(/\bfor \(/, ({ 0: text }, at) => {
    const open = at + text.length - 1;
    const close = closing(code, open);
    heads.push([open, close]);
    const parts = split(code, open + 1, close, ";");
    if (parts.length !== 3) return;
    const [init, condition, step] = parts as [Span, Span, Span];
    if (init.end > init.start + 1) put("start of a loop", init.end, init.end, " + 1");
    const compare = /\s(<=|<|>=|>) /.exec(code.slice(condition.start, condition.end));
    // Some compilers unroll a loop to this bound unless it stands as it is, and that takes them for ever.
    const isRolled = /ROLLED/.test(code.slice(condition.start, condition.end));
    if (compare && !isRolled) {
      const operator = condition.start + compare.index + 1;
      put("bound", operator, operator + compare[1]!.length, FLIPPED_BOUND[compare[1]!]!);
      put("bound", condition.end, condition.end, compare[1]!.startsWith("<") ? " - 1" : " + 1");
    }
    const increment = code.slice(step.start, step.end);
    if (isRolled || /FOREVER/.test(code.slice(condition.start, condition.end))) return; // it is left where a count is met exactly
    if (/\+\+/.test(increment)) put("stride", step.start, step.end, increment.replace("++", " += 2"));
    else if (/\+= /.test(increment)) put("stride", step.end, step.end, " + 1");
  });

  each(/\b(if|while) \(/, ({ 0: text, 1: keyword }, at) => {
    const open = at + text.length - 1;
    const close = closing(code, open);
    const condition = code.slice(open, close + 1);
    if (keyword === "if") put("guard", open, close + 1, "(true)");
    if (keyword === "if") put("negated condition", open, close + 1, `(!${condition})`);
  });
  each(/\bselect\(/, ({ 0: text }, at) => {
    const open = at + text.length - 1;
    const [no, yes] = split(code, open + 1, closing(code, open), ",");
    if (!no || !yes) return;
    const swapped = `${code.slice(yes.start, yes.end)},${code.slice(no.start, no.end)}`;
    put("negated condition", no.start, yes.end, swapped);
  });
  each(/(?<=\s)(<=|<|>=|>|==|!=)(?= )/, ({ 0: operator }, at) => {
    if (!inHead(at)) put("bound", at, at + operator.length, FLIPPED_BOUND[operator]!);
  });

  each(/(?<=[\w\])])\[/, (_, at) => {
    const close = closing(code, at);
    const index = code.slice(at + 1, close);
    put("index", at + 1, close, /^\w+$/.test(index) ? `${index} + 1` : `(${index}) + 1`);
  });
  each(/(?<!\b(?:gid|lid|wid|groups))\.([xyzw])\b/, ({ 1: component }, at) => {
    if (/\w|\]|\)/.test(code[at - 1]!)) put("stride", at + 1, at + 2, SWAPPED_COMPONENT[component!]!);
  });
  const sameType = paramsOfOneType(code);
  each(/\bparams\.(\w+)/, ({ 0: text, 1: name }, at) => {
    const other = sameType.get(name!);
    if (other) put("stride", at, at + text.length, `params.${other}`);
  });

  each(/(?<=\S)\s+(\+|-|\*|\/|%|<<|>>|&&|\|\||&|\||\^) /, ({ 0: text, 1: operator }, at) => {
    if (inHead(at)) return;
    const position = at + text.indexOf(operator!);
    put("operator", position, position + operator!.length, CHANGED_OPERATOR[operator!]!);
    put("dropped term", at, operandEnd(code, at + text.length, operator === "+" || operator === "-"), "");
  });
  each(/ ([-+*/])= /, ({ 1: operator }, at) => {
    if (!inHead(at)) put("operator", at + 1, at + 2, CHANGED_OPERATOR[operator!]!);
  });
  each(/(?<=return |[(,=] ?)-(?=[\w(])/, (_, at) => put("sign", at, at + 1, ""));
  each(/\b(min|max|nanMin|nanMax)\(/, ({ 1: name }, at) => {
    put(
      "operator",
      at,
      at + name!.length,
      name!.replace(/min|max/i, (word) => SWAPPED_EXTREME[word]!),
    );
  });

  each(/(?<![\w.]|p-)(\d+(?:\.\d*)?e[-+]?\d+|\d+\.\d*|\d+)(?=[fiuh]?\b)/, ({ 0: number }, at) => {
    if (inHead(at) || /\bcase $/.test(code.slice(0, at))) return;
    const float = /[.e]/.test(number);
    put("constant", at, at + number.length, float ? changedFloat(number) : `${Number(number) + 1}`);
  });

  each(/\b(?:workgroup|storage)Barrier\(\);/, ({ 0: text }, at) => put("barrier", at, at + text.length, ""));
  // A statement that assigns, or calls for an effect.
  each(
    /(?<=[;{}]\s*)(?!(?:let|var|const|for|if|while|return|switch)\b)[a-z_*(][^;{}=]* (?:[-+*/%&|^]|<<|>>)?= [^;{}]*;/i,
    ({ 0: text }, at) => put("dropped store", at, at + text.length, ""),
  );
  each(/(?<=[;{}]\s*)(?!\w*Barrier)\w+\([^;{}]*\);/, ({ 0: text }, at) =>
    put("dropped call", at, at + text.length, ""),
  );

  return distinct(code, found).filter((mutation) => mutation.end <= end);
}

const FLIPPED_BOUND: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "==": "!=",
  "!=": "==",
};
const SWAPPED_COMPONENT: Readonly<Record<string, string>> = { x: "y", y: "x", z: "w", w: "z" };
const SWAPPED_EXTREME: Readonly<Record<string, string>> = { min: "max", max: "min", Min: "Max", Max: "Min" };
const CHANGED_OPERATOR: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "*": "+",
  "/": "*",
  "%": "/",
  "<<": ">>",
  ">>": "<<",
  "&&": "||",
  "||": "&&",
  "&": "|",
  "|": "&",
  "^": "|",
};

function changedFloat(number: string): string {
  const value = Number(number);
  return value === 0 ? "1.0" : String(2 * value).replace(/^(\d+)$/, "$1.0");
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where the bracket that opens at `open` closes. */
function closing(code: string, open: number): number {
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if ("([{".includes(code[at]!)) depth++;
    else if (")]}".includes(code[at]!) && --depth === 0) return at;
  }
  return code.length;
}

/** The parts of code[start, end) between separators that stand in no bracket. */
function split(code: string, start: number, end: number, separator: string): Span[] {
  const parts: Span[] = [];
  let from = start;
  for (let at = start; at < end; at++) {
    if ("([{".includes(code[at]!)) at = closing(code, at);
    else if (code[at] === separator) {
      parts.push({ start: from, end: at });
      from = at + 1;
    }
  }
  return [...parts, { start: from, end }];
}

/** The end of the operand at `at`: a name, number or bracket with what is called, indexed or taken of it. */
function operandEnd(code: string, at: number, isSum: boolean): number {
  let end = at;
  while ("-!~&*".includes(code[end]!)) end++;
  end += /^0x[\da-f.]+p[-+]?\d+|^[\d.]+e[-+]?\d+/i.exec(code.slice(end, end + 40))?.[0].length ?? 0;
  while (end < code.length) {
    if ("([".includes(code[end]!)) end = closing(code, end) + 1;
    else if (/[\w.]/.test(code[end]!)) end++;
    else break;
  }
  // The factors that follow belong to a summand.
  const factor = isSum ? /^\s+[*/%]\s+/.exec(code.slice(end, end + 40)) : null;
  return factor ? operandEnd(code, end + factor[0].length, true) : end;
}

/** For each field of struct Params the next one of its type. */
function paramsOfOneType(code: string): Map<string, string> {
  const body = /struct\s+Params\s*\{([^}]*)\}/.exec(code)?.[1] ?? "";
  const byType = new Map<string, string[]>();
  for (const [, name, type] of body.matchAll(/(\w+)\s*:\s*(\w+(?:<[^>]*>)?)/g)) {
    byType.set(type!, [...(byType.get(type!) ?? []), name!]);
  }
  const others = new Map<string, string>();
  for (const names of byType.values()) {
    if (names.length > 1) names.forEach((name, i) => void others.set(name, names[(i + 1) % names.length]!));
  }
  return others;
}

function distinct(code: string, mutations: readonly Mutation[]): Mutation[] {
  const seen = new Set<string>();
  return mutations.filter(({ start, end, replacement }) => {
    const key = `${start}:${end}:${replacement}`;
    if (seen.has(key) || code.slice(start, end) === replacement) return false;
    seen.add(key);
    return true;
  });
}

/** The text with one mutation made. */
export function mutate(text: string, { start, end, replacement }: Mutation): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

/** The lines that a mutation changes, before and after, without the blanks around them. */
export function changedLine(text: string, mutation: Mutation): { line: string; becomes: string; number: number } {
  const from = text.lastIndexOf("\n", mutation.start - 1) + 1;
  const newline = text.indexOf("\n", mutation.end);
  const to = newline < 0 ? text.length : newline;
  const squeeze = (lines: string) =>
    lines
      .replace(/\/\/[^\n]*/g, "")
      .replace(/\s+/g, " ")
      .trim();
  return {
    line: squeeze(text.slice(from, to)),
    becomes: squeeze(text.slice(from, mutation.start) + mutation.replacement + text.slice(mutation.end, to)),
    number: text.slice(0, mutation.start).split("\n").length,
  };
}
