/**
 * A page as one file: its styles and scripts stand inside of it, and its content security policy lets it load nothing and
 * run nothing else, whatever texts and names it shows.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Html, html, jsonForScript } from "./html.ts";

export interface PageOptions {
  readonly title: string;
  readonly body: Html;
  /** Files in `page/`, besides those that all pages have. */
  readonly style: string;
  readonly script: string;
  /** What the script reads from the element "data". */
  readonly data: unknown;
  /** Where the script may connect to: nowhere, or to where the page came from. */
  readonly connect?: "'none'" | "'self'";
}

const require = createRequire(import.meta.url);

/** @returns the page's HTML */
export function renderPage({ title, body, style, script, data, connect = "'none'" }: PageOptions): string {
  const scripts = [readFileSync(require.resolve("uplot/dist/uPlot.iife.min.js"), "utf8"), moduleSource(script)];
  const styles = [readFileSync(require.resolve("uplot/dist/uPlot.min.css"), "utf8"), asset("page.css"), asset(style)];
  const hashes = scripts.map((text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`);
  const policy =
    `default-src 'none'; script-src ${hashes.join(" ")}; style-src 'unsafe-inline'; img-src data:; ` +
    `connect-src ${connect}; base-uri 'none'; form-action 'none'`;
  const [chart, own] = scripts as [string, string];
  return `<!doctype html>\n${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${ICON}">
<style>${new Html(styles.join("\n"))}</style>
</head>
<body>
${body}
<script type="application/json" id="data">${jsonForScript(data)}</script>
<script>${new Html(chart)}</script>
<script type="module">${new Html(own)}</script>
</body>
</html>
`}`;
}

// A falling curve.
const ICON = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#2563eb"/><path d="M3 4c2 7 5 8 10 8" fill="none" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>',
)}`;

function asset(name: string): string {
  return readFileSync(new URL(`./page/${name}`, import.meta.url), "utf8");
}

/**
 * A module of `page/` and those that it imports, as the text of one module. It takes no more than that: imports stand in one
 * line each and rename nothing, and no two modules have a name in common at their top. The chart library is a global.
 */
function moduleSource(entry: string, seen = new Set<string>()): string {
  if (seen.has(entry)) return "";
  seen.add(entry);
  const text = asset(entry);
  const imported = [...text.matchAll(/^import .* from "\.\/(.+)";$/gm)].map(([, name]) => moduleSource(name!, seen));
  const own = text.replace(/^import .*;\n|^\/\/# sourceMappingURL=.*$/gm, "").replace(/^export /gm, "");
  return [...imported, own].join("");
}
