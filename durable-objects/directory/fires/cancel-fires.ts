/**
 * Cancels what earlier fires made, for schedules that `cancel-running`: a task at its shard, a run at its object. What did
 * not answer is asked again after 2, 4 … 60 s; what has ended already, or is nowhere, is written down as that.
 */
import { parseRunId, parseTaskId, type TenantName } from "../../../core/ids.ts";
import { callWithin, fanOut, shardOf, workflowOf } from "../../stubs.ts";
import { write } from "../perform.ts";
import { addressOf } from "../queues/queue-entry.ts";
import { type DirectoryState, done } from "../state.ts";
import type { OpenFire } from "./fire-rows.ts";
import { lookUp, noteLooks } from "./look-up-fires.ts";
import { ANSWER_WITHIN_MS, nextTry } from "./try-again.ts";

const DUE = `SELECT schedule, fire_at AS fireAt, made, cancel_tries AS tries FROM fire
  WHERE cancel_at <= ? ORDER BY cancel_at LIMIT ?`;
const TRIED = "UPDATE fire SET cancel_tries = ?3, cancel_at = ?4 WHERE schedule = ?1 AND fire_at = ?2";
const ASKED = "UPDATE fire SET cancel_at = NULL WHERE schedule = ? AND fire_at = ?";

const MAX_CANCELS = 100;

/** Inside a transaction: when they are asked again is on record before they are asked. */
export function takeDueCancels(state: DirectoryState, now: number): OpenFire[] {
  const due = state.sql.all<OpenFire & { readonly tries: number }>(DUE, now, MAX_CANCELS);
  for (const { schedule, fireAt, tries } of due)
    state.sql.run(TRIED, schedule, fireAt, tries + 1, nextTry(tries + 1, now));
  return due;
}

/** Never rejects. */
export async function cancelFires(state: DirectoryState, fires: readonly OpenFire[]): Promise<void> {
  if (fires.length === 0) return;
  const asked = await fanOut(fires, (fire) => cancel(state, fire));
  const heard = fires.filter((_, i) => asked[i] !== "unheard");
  const looks = await lookUp(
    state,
    fires.filter((_, i) => asked[i] === "over"),
  );
  write(state, () => {
    for (const { schedule, fireAt } of heard) state.sql.run(ASKED, schedule, fireAt);
    noteLooks(state, looks);
    return done({});
  });
}

/** over: it does not run, so how it ended can be looked up. */
async function cancel(state: DirectoryState, { made }: OpenFire): Promise<"told" | "over" | "unheard"> {
  const { ports } = state;
  const run = parseRunId(made);
  if (run !== null) {
    const answer = await callWithin(ports, ANSWER_WITHIN_MS, () =>
      workflowOf(ports, state.name as TenantName, run).cancel({ v: 1 }),
    );
    if (answer.ok) return answer.run.status === "RUNNING" ? "told" : "over";
    return answer.code === "workflow-unknown" || answer.code === "workflow-finished" ? "over" : "unheard";
  }
  const at = parseTaskId(made);
  if (at === null) return "over";
  const answer = await callWithin(ports, ANSWER_WITHIN_MS, () =>
    shardOf(ports, addressOf(state, at.queue, at.shard)).cancel({ v: 1, seq: at.seq }),
  );
  if (!answer.ok) return "unheard";
  return answer.task?.status === "RUNNING" ? "told" : "over";
}
