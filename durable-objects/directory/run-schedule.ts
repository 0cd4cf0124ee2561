/** One task more of a schedule, at once: paused or not, and its next fire stays. */
import { noSuchQueue } from "../../core/errors.ts";
import { DEFAULT_QUEUE, type QueueName, type TaskId, taskId } from "../../core/ids.ts";
import type { Answer } from "../../core/schema/answer.ts";
import type { NewTask, SubmitAnswer } from "../../core/schema/rpc.ts";
import { read, write } from "./perform.ts";
import { unknownSchedule } from "./save-schedule.ts";
import { findSchedule, payloadOf } from "./schedule-row.ts";
import { type DirectoryState, done, refuse } from "./state.ts";
import { submitTo } from "./submit-fires.ts";
import { targetOf, taskOf } from "./take-due.ts";

/** Two tries fit into the 3 s that a caller waits. */
const ANSWER_WITHIN_MS = 1_000;

/** Refused as the shard refuses it; `outcome-unknown` where its answers were lost. */
export async function runSchedule(
  state: DirectoryState,
  request: { readonly id: string },
): Promise<Answer<{ readonly taskId: TaskId }>> {
  const { id } = request;
  const known = read(state, unknownSchedule(id), () => (findSchedule(state, id) ? done({}) : unknownSchedule(id)));
  if (!known.ok) return known;
  const planned = write(state, () => {
    const row = findSchedule(state, id);
    if (!row) return unknownSchedule(id);
    const target = targetOf(state, row);
    if (!target) return refuse("queue-unknown", noSuchQueue(row.queue ?? DEFAULT_QUEUE));
    return done({ ...target, task: taskOf(row, payloadOf(state, id), `sched:${id}:run:${state.ports.uuid()}`) });
  });
  if (!planned.ok) return planned;
  const { queue, shard } = planned;
  const answer = await submitTwice(state, planned);
  if (!answer.ok) return answer;
  const [seq] = answer.seqs;
  const [refused] = answer.refused;
  if (typeof seq === "number") return done({ taskId: taskId({ queue, shard }, seq) });
  return refuse(refused?.code ?? "internal", refused?.detail ?? "the shard gave no reason");
}

/** Its dedup key makes the second try safe. */
async function submitTwice(
  state: DirectoryState,
  { queue, shard, task }: { readonly queue: QueueName; readonly shard: number; readonly task: NewTask },
): Promise<SubmitAnswer> {
  const first = await submitTo(state, queue, shard, [task], ANSWER_WITHIN_MS);
  if (first.ok || first.code !== "unavailable") return first;
  const second = await submitTo(state, queue, shard, [task], ANSWER_WITHIN_MS);
  if (second.ok || second.code !== "unavailable") return second;
  return refuse("outcome-unknown", `the task may have been accepted: ${second.detail}`);
}
