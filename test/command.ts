/** Runs the `tilegrad` command as a user does. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

export interface Run {
  /** null after a signal. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string;
  /** Sees the process when it begins, and what it prints as it comes. */
  watch?: (child: ChildProcess, stdout: string) => void;
  /** Environment variables besides this process's. */
  env?: NodeJS.ProcessEnv;
}

export function tilegrad(args: readonly string[], { input = "", watch, env }: RunOptions = {}): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", "tsx", join(root, "src/cli/main.ts"), ...args], {
      cwd: root,
      env: { ...process.env, NO_COLOR: "1", ...env },
    });
    const run: Run = { code: null, stdout: "", stderr: "" };
    watch?.(child, "");
    child.stdout.on("data", (chunk) => {
      run.stdout += chunk;
      watch?.(child, run.stdout);
    });
    // Dawn warns about each software adapter, which means nothing.
    child.stderr.on("data", (chunk) => {
      run.stderr += String(chunk).replace(/^Warning: .*artificially reduced.*\n/gm, "");
    });
    child.on("close", (code) => resolve({ ...run, code }));
    child.stdin.end(input);
  });
}
