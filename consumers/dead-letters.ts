/**
 * Ids of tasks that ended FAILED, as a Cloudflare queue: a place where a user's own Worker may listen. Until one does,
 * this consumer takes them, so that the queue does not drop them unseen; the dead letter itself stays in its shard.
 */
import type { DeadLetter } from "../ports.ts";
import type { LogSink } from "./handlers/define.ts";

export function takeDeadLetter(message: { readonly body: DeadLetter; ack(): void }, log: LogSink): void {
  log("warn", "dead-letter", { taskId: message.body.id });
  message.ack();
}
