/**
 * Ids of tasks that ended FAILED, as a Cloudflare queue: a place where a user's own Worker may listen. Until one does,
 * this consumer takes them, so that the queue does not drop them unseen; the dead letter itself stays in its shard.
 */
import type { TaskId } from "../core/ids.ts";
import type { LogSink } from "./handlers/define.ts";

/** Ids that a line names: enough to look one up by. */
const NAMED = 5;

/** One line a batch: when everything fails, it is failed tasks that there are many of. */
export function takeDeadLetters(
  batch: { readonly messages: readonly { readonly body: { readonly id: TaskId } }[]; ackAll(): void },
  log: LogSink,
): void {
  const taskIds = batch.messages.slice(0, NAMED).map(({ body }) => body.id);
  log("warn", "dead-letters", { count: batch.messages.length, taskIds });
  batch.ackAll();
}
