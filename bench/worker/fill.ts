/** Fills a queue from inside its object, by the shipped `submit`: a million tasks without a million requests. */

import type { Answer } from "../../core/schema/answer.ts";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import type { FillRequest } from "./requests.ts";

const TASKS_A_CALL = 1_000;

/** The object must have its settings (a submission over HTTP brings them). */
export async function fill(
  shard: Pick<ShardRpc, "submit">,
  { count, type, priority, payload }: FillRequest,
): Promise<Answer<{ readonly accepted: number }>> {
  const task = { type, version: 1, priority, runAt: null, options: null };
  let accepted = 0;
  while (accepted < count) {
    const payloads = Array.from({ length: Math.min(TASKS_A_CALL, count - accepted) }, () => payload);
    const answer = await shard.submit({ v: 1, settingsVersion: 0, atomic: true, tasks: [{ ...task, payloads }] });
    if (!answer.ok) return answer;
    accepted += payloads.length;
  }
  return { v: 1, ok: true, accepted };
}
