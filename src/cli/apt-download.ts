/**
 * Downloads packages from the archive that this machine's own apt sources name, as any user and without touching the
 * system: apt resolves and verifies as ever, but all of its state is in a folder of ours and it only downloads.
 */

import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { TilegradError } from "../gpu/errors.ts";
import { readOsRelease } from "../gpu/vulkan-driver-node.ts";

const run = promisify(execFile);

/** No driver could be set up; the message is one line that says why. */
export class SetupError extends TilegradError {}

/** An entry of apt's sources, whichever of the two formats it came in: fields by lower-case name. */
export type AptSource = ReadonlyMap<string, string>;

/** apt's settings for a private run: no hooks (they act on the system), no locks, no translations, no long waits. */
const CONFIG = `
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Debug::NoLocking "true";
`;

/**
 * Downloads `packages` and what they need and this machine lacks.
 *
 * @param folder an empty folder for apt's state and the downloads
 * @returns the paths of the `.deb` files
 * @throws {SetupError} without apt, offline, or when the archive refuses
 */
export async function downloadPackages(folder: string, packages: readonly string[]): Promise<string[]> {
  const architecture = (await command("dpkg", ["--print-architecture"])).trim();
  const os = readOsRelease();
  const codename = os.get("UBUNTU_CODENAME") ?? os.get("VERSION_CODENAME") ?? "";
  const machineSources = await readAptSources();
  const source = archiveOf(machineSources, codename);
  if (!source) throw new SetupError(`apt on this machine names no archive for the release "${codename}"`);
  const sources = [source];
  // Debian 12's own Mesa is too old for WebGPU; the backports in the same archive are not.
  const backports = codename === "bookworm" ? "bookworm-backports" : null;
  if (backports) {
    sources.push(withFields(sourceOf(machineSources, backports) ?? source, { suites: backports }));
  }

  for (const name of ["lists/partial", "archives/partial", "sources"]) {
    await mkdir(join(folder, name), { recursive: true });
  }
  await writeFile(join(folder, "apt.conf"), CONFIG);
  await writeFile(join(folder, "status"), await installedPackages());
  const narrowed = { types: "deb", components: "main", architectures: architecture, targets: "Packages" };
  const paragraphs = sources.map((one) => formatSource(withFields(one, narrowed)));
  await writeFile(join(folder, "sources/archive.sources"), paragraphs.join("\n"));

  const options = Object.entries({
    "Dir::State": folder,
    "Dir::State::status": join(folder, "status"),
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::Cache": folder,
    "Dir::Cache::archives": join(folder, "archives"),
    "Dir::Etc::sourcelist": "/dev/null",
    "Dir::Etc::sourceparts": join(folder, "sources"),
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    ...(backports && { "APT::Default-Release": backports }),
  }).map(([key, value]) => `-o${key}=${value}`);
  const apt = (...args: string[]) => command("apt-get", [`-c${join(folder, "apt.conf")}`, ...options, ...args]);
  await apt("update");
  await apt("install", "--yes", "--download-only", ...packages);
  const names = await readdir(join(folder, "archives"));
  const paths = names.filter((name) => name.endsWith(".deb")).map((name) => join(folder, "archives", name));
  return closureOf(packages, paths);
}

/** Leaves out what apt upgrades only for the sake of other installed packages: what `packages` do not depend on. */
async function closureOf(packages: readonly string[], paths: readonly string[]): Promise<string[]> {
  const downloads = new Map<string, { path: string; depends: string[] }>();
  for (const path of paths) {
    const field = async (name: string) => (await command("dpkg-deb", ["--field", path, name])).trim();
    const depends = (await field("Depends")).split(/[,|]/).map((item) => /[\w.+-]+/.exec(item)?.[0] ?? "");
    downloads.set(await field("Package"), { path, depends });
  }
  const reached = new Set(packages); // grows as it is walked
  for (const name of reached) for (const next of downloads.get(name)?.depends ?? []) reached.add(next);
  return [...reached].flatMap((name) => downloads.get(name)?.path ?? []);
}

/** Runs apt or dpkg with messages in English, and turns a failure into one line. */
async function command(name: string, args: readonly string[]): Promise<string> {
  try {
    const env = { ...process.env, LC_ALL: "C.UTF-8" };
    return (await run(name, args, { env, maxBuffer: 64 << 20 })).stdout;
  } catch (error) {
    const { code, stderr = "" } = error as { code?: unknown; stderr?: string };
    if (code === "ENOENT") {
      throw new SetupError("this system has no apt: install a Vulkan driver with its own package manager");
    }
    const reason = /^E: *(.*)/m.exec(stderr)?.[1] ?? stderr.trim().split("\n")[0];
    const offline = /resolv|connect|timed out|unreachable/i.test(stderr);
    throw new SetupError(`${offline ? "the package archive cannot be reached" : `${name} failed`}: ${reason}`);
  }
}

/**
 * Lists the installed packages as a dpkg status file without their dependencies, so that a machine with half-installed
 * packages, which apt would refuse to work on, is as good as any.
 */
async function installedPackages(): Promise<string> {
  const fields = ["Package", "Architecture", "Version", "Multi-Arch", "Provides", "Status"];
  const format = `${fields.map((field) => `${field}: \${${field}}\n`).join("")}\n`;
  const paragraphs = (await command("dpkg-query", ["--show", `--showformat=${format}`])).split("\n\n");
  return paragraphs
    .filter((paragraph) => /^Status: \w+ ok installed$/m.test(paragraph))
    .map((paragraph) => `${paragraph.replace(/^.*: \n/gm, "")}\n\n`)
    .join("");
}

async function readAptSources(): Promise<AptSource[]> {
  const folder = "/etc/apt/sources.list.d";
  const parts = await readdir(folder).catch(() => []);
  const sources: AptSource[] = [];
  for (const path of ["/etc/apt/sources.list", ...parts.sort().map((name) => join(folder, name))]) {
    if (!/\.(list|sources)$/.test(path)) continue;
    const text = await readFile(path, "utf8").catch(() => "");
    sources.push(...(path.endsWith(".list") ? parseSourceLines(text) : parseSourceParagraphs(text)));
  }
  return sources;
}

/** Parses the one-line format: `deb [option=value ...] URI SUITE COMPONENT ...`. */
export function parseSourceLines(text: string): AptSource[] {
  const lines = text.matchAll(/^[ \t]*deb[ \t]+(?:\[(.*?)\][ \t]*)?(?!cdrom:)(\S+)[ \t]+(\S+)[ \t]*([^#\n]*)/gm);
  return [...lines].map(([, options = "", uris, suites, components]) => {
    const pairs = [...options.matchAll(/([\w-]+)=(\S+)/g)].map(([, name, value]) => [name!, value!] as const);
    return new Map([...pairs, ["uris", uris!], ["suites", suites!], ["components", components!.trim()]]);
  });
}

/** Parses the paragraph format (deb822): `URIs:`, `Suites:`, `Components:`, `Signed-By:` and others. */
export function parseSourceParagraphs(text: string): AptSource[] {
  return text
    .replace(/^#.*\n?/gm, "")
    .split(/\n\s*\n/)
    .map((paragraph) => {
      const fields = paragraph.matchAll(/^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)/gm);
      return new Map([...fields].map(([, name, value]) => [name!.toLowerCase(), value!.trimEnd()]));
    })
    .filter((source) => words(source, "types").includes("deb") && source.get("enabled")?.toLowerCase() !== "no");
}

/** Picks the distribution's own archive among the machine's sources, for a release, with its updates if they come from it. */
export function archiveOf(sources: readonly AptSource[], codename: string): AptSource | null {
  for (const suite of [codename, "stable", "testing", "unstable", "sid"]) {
    const source = sourceOf(sources, suite);
    if (!source) continue;
    const suites = words(source, "suites").filter((name) => name === suite || name === `${suite}-updates`);
    return withFields(source, { suites: suites.join(" ") });
  }
  return null;
}

/** Finds the source that offers `suite`. Vendors borrow the names of suites, but not the last word of the address. */
function sourceOf(sources: readonly AptSource[], suite: string): AptSource | undefined {
  const offers = sources.filter(
    (source) => words(source, "suites").includes(suite) && words(source, "components").includes("main"),
  );
  const isDistribution = (source: AptSource) =>
    /(debian|ubuntu|ubuntu-ports)(\.list)?\/*$/.test(source.get("uris") ?? "");
  return offers.find(isDistribution) ?? offers[0];
}

const words = (source: AptSource, field: string) => source.get(field)?.split(/\s+/).filter(Boolean) ?? [];

const withFields = (source: AptSource, fields: Record<string, string>): AptSource =>
  new Map([...source, ...Object.entries(fields)]);

/** Formats a source as a paragraph of apt's. */
const formatSource = (source: AptSource) => [...source].map(([name, value]) => `${name}: ${value}\n`).join("");
