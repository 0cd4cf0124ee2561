/** Runs steps one after the other, tells how long each took, and stops at the first that fails, with what it printed. */
import { spawn } from "node:child_process";
import { withOwnNode } from "../own-node.ts";

export interface Step {
  readonly name: string;
  /** Gives back what there is to say; ok: false ends the run. */
  readonly run: () => Promise<StepResult>;
}
export interface StepResult {
  readonly ok: boolean;
  readonly output: string;
  /** A word beside the step's name, where it is well. */
  readonly note?: string;
}

/** Whether every step was well. */
export async function runSteps(steps: readonly Step[]): Promise<boolean> {
  const width = Math.max(...steps.map(({ name }) => name.length));
  const since = performance.now();
  for (const { name, run } of steps) {
    const began = performance.now();
    const { ok, output, note = "" } = await run();
    const seconds = `${((performance.now() - began) / 1_000).toFixed(1)} s`.padStart(8);
    console.log(`${ok ? "ok    " : "FAILED"}  ${name.padEnd(width)} ${seconds}  ${note}`.trimEnd());
    if (!ok) {
      console.log(`\n${output.trimEnd()}\n`);
      return false;
    }
  }
  console.log(`all well after ${((performance.now() - since) / 1_000).toFixed(1)} s`);
  return true;
}

/** A step that is a command: well where it exits with 0. */
export function command(
  root: string,
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  return (): Promise<StepResult> =>
    new Promise((done) => {
      const child = spawn(file, args, {
        cwd: root,
        env: withOwnNode(root, { ...process.env, ...env }),
        stdio: ["ignore", "pipe", "pipe"],
      });
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8");
        stream.on("data", (text: string) => {
          output += text;
        });
      }
      child.on("error", (error) => done({ ok: false, output: `${file}: ${error.message}` }));
      child.on("close", (code) => done({ ok: code === 0, output }));
    });
}

/** A step that finds faults: well where it finds none. */
export function faultless(find: () => { faults: readonly string[]; notes?: readonly string[] }) {
  return async (): Promise<StepResult> => {
    const { faults, notes = [] } = find();
    const note = notes.length === 0 ? "" : `${notes.length} open: ${notes[0]}${notes.length > 1 ? ", …" : ""}`;
    return { ok: faults.length === 0, output: faults.join("\n"), note };
  };
}
