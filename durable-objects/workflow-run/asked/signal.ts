/** Somebody's word, which nodes wait for; it may come before they do. */
import type { Versioned } from "../../../core/schema/answer.ts";
import type { RunAnswer } from "../../../core/schema/workflow-rpc.ts";
import { isEnded } from "../../../core/workflow/decide.ts";
import { arm } from "../arm.ts";
import { type Run, refuse, withRun } from "../run.ts";
import { toRunRecord } from "./read.ts";

const FIND = "SELECT payload FROM signal WHERE name = ?";
const INSERT = "INSERT INTO signal (name, payload, at) VALUES (?, ?, ?)";

export function signal(
  run: Run,
  { name, payload }: Versioned & { readonly name: string; readonly payload: string },
): RunAnswer {
  return withRun(run, (memory) => {
    const known = signalOf(run, name);
    if (known === payload) return { v: 1, ok: true, run: toRunRecord(run, memory) };
    if (known !== null) return refuse("signal-taken", `The signal ${name} came before, with another payload.`);
    if (memory.head.status !== "RUNNING") return refuse("workflow-finished", `The run is ${memory.head.status}.`);
    if (!memory.nodes.some((node) => node.signal === name && !isEnded(node.state)))
      return refuse("signal-unknown", `No node of the run waits for the signal ${name}, or none any more.`);
    const now = run.ports.now();
    run.transact(() => run.sql.run(INSERT, name, payload, now));
    arm(run, now);
    return { v: 1, ok: true, run: toRunRecord(run, memory) };
  });
}

/** JSON text of what came with it; null: it did not come. */
export function signalOf(run: Run, name: string): string | null {
  return run.sql.all<{ payload: string }>(FIND, name)[0]?.payload ?? null;
}
