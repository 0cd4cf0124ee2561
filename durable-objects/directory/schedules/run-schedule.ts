/**
 * One task (or run) more of a schedule, at once: paused or not, and its next fire stays. Under a caller's key it is one,
 * however often it is asked for.
 */
import { noSuchQueue } from "../../../core/errors.ts";
import { DEFAULT_QUEUE, type RunId, type TaskId, taskId } from "../../../core/ids.ts";
import { IDEMPOTENCY_TTL_MS } from "../../../core/keys.ts";
import type { Answer, Refusal } from "../../../core/schema/answer.ts";
import { startRun } from "../fires/fire-runs.ts";
import { DEDUP_TTL_MS } from "../fires/pending-fire.ts";
import { submitTo } from "../fires/submit-fires.ts";
import { targetOf, taskOf } from "../fires/take-due.ts";
import { read, write } from "../perform.ts";
import { type DirectoryState, done, refuse } from "../state.ts";
import { unknownSchedule } from "./save-schedule.ts";
import { findSchedule, payloadOf } from "./schedule-row.ts";

/** Two tries fit into the 3 s that a caller waits. */
const ANSWER_WITHIN_MS = 1_000;

/** Refused as the shard refuses it; where its answers were lost `outcome-unknown`, under a key `unavailable`. */
export async function runSchedule(
  state: DirectoryState,
  request: { readonly id: string; readonly key?: string },
): Promise<Answer<{ readonly taskId: TaskId | RunId; readonly replayed?: true }>> {
  const { id, key } = request;
  const known = read(state, unknownSchedule(id), () => {
    const row = findSchedule(state, id);
    if (!row) return unknownSchedule(id);
    return done({ workflow: row.is_workflow === 1 ? payloadOf(state, id) : null, made: row.created_at });
  });
  if (!known.ok) return known;
  if (known.workflow !== null) return await runWorkflow(state, known.workflow, known.made, request);
  const planned = write(state, () => {
    const row = findSchedule(state, id);
    if (!row) return unknownSchedule(id);
    const target = targetOf(state, row);
    if (!target) return refuse("queue-unknown", noSuchQueue(row.queue ?? DEFAULT_QUEUE));
    const dedup =
      key === undefined
        ? { key: `sched:${id}:run:${state.ports.uuid()}`, ttlMs: DEDUP_TTL_MS }
        : // With when it was made: one that is made anew under the id is another schedule.
          { key: `sched:${id}:${row.created_at}:key:${key}`, ttlMs: IDEMPOTENCY_TTL_MS };
    const task = taskOf(row, payloadOf(state, id), { dedup, fireAt: null }, state.ports.now());
    return done({ ...target, task });
  });
  if (!planned.ok) return planned;
  const { queue, shard } = planned;
  const first = await submitTo(state, queue, shard, [planned.task], ANSWER_WITHIN_MS);
  const isLost = !first.ok && first.code === "unavailable";
  // Its dedup key makes the second try safe.
  const answer = isLost ? await submitTo(state, queue, shard, [planned.task], ANSWER_WITHIN_MS) : first;
  if (!answer.ok) return answer.code === "unavailable" && key === undefined ? unknownOutcome(answer) : answer;
  const [seq] = answer.seqs;
  const [refused] = answer.refused;
  // Where the first answer was lost, its task may be the one that is there.
  const replayed = first.ok && key !== undefined && answer.duplicates.includes(0) ? { replayed: true as const } : {};
  if (typeof seq === "number") return done({ taskId: taskId({ queue, shard }, seq), ...replayed });
  return refuse(refused?.code ?? "internal", refused?.detail ?? "the shard gave no reason");
}

async function runWorkflow(
  state: DirectoryState,
  workflow: string,
  made: number,
  { id, key }: { readonly id: string; readonly key?: string },
): Promise<Answer<{ readonly taskId: RunId; readonly replayed?: true }>> {
  const name = key === undefined ? `run ${state.ports.uuid()}` : `run ${id} ${made} ${key}`;
  const first = await startRun(state, workflow, name);
  const answer = !first.ok && first.code === "unavailable" ? await startRun(state, workflow, name) : first;
  if (answer.ok) return done({ taskId: answer.run, ...(first.ok && answer.replayed && { replayed: true as const }) });
  return answer.code === "unavailable" && key === undefined ? unknownOutcome(answer) : answer;
}

function unknownOutcome({ detail }: Refusal): Refusal {
  return refuse("outcome-unknown", `it may have been accepted: ${detail}`);
}
