/** Fills a queue from inside its object, by the shipped `submit`: a million tasks without a million requests. */
import type { Answer, NewTask, ShardRpc } from "../../core/schema/rpc.ts";
import type { FillRequest } from "./requests.ts";

const TASKS_A_CALL = 1_000;

/** The object must have its settings (a submission over HTTP brings them). */
export async function fill(
  shard: Pick<ShardRpc, "submit">,
  { count, type, priority, payload }: FillRequest,
): Promise<Answer<{ readonly accepted: number }>> {
  const task: NewTask = { type, version: 1, priority, payload, runAt: null, options: null };
  let accepted = 0;
  while (accepted < count) {
    const tasks = Array.from({ length: Math.min(TASKS_A_CALL, count - accepted) }, () => task);
    const answer = await shard.submit({ v: 1, settingsVersion: 0, atomic: true, tasks });
    if (!answer.ok) return answer;
    accepted += tasks.length;
  }
  return { v: 1, ok: true, accepted };
}
