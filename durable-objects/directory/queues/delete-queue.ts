/**
 * Deletes a queue. What is left is its name with `deleted`: pushed to its shards like any change, it makes them forget
 * what they hold and refuse what still comes; made again, its numbers go on. What has ended in it goes with it: results
 * and history, which are deleted in the background (forget-history.ts).
 * Must stay true: unless forced, no task is lost that has not ended, or that waits to be redriven or told of. So the queue
 * must be draining and every shard know it (then nothing can come any more), and only then is it looked whether it is empty.
 */
import { countOf } from "../../../core/count-of.ts";
import { noSuchQueue } from "../../../core/errors.ts";
import type { QueueName } from "../../../core/ids.ts";
import type { Answer, Refusal } from "../../../core/schema/answer.ts";
import type { QueueEntry } from "../../../core/schema/directory-rpc.ts";
import { failJobsOf } from "../jobs/fail-jobs.ts";
import { noteEvent } from "../note-event.ts";
import { write } from "../perform.ts";
import { type DirectoryState, done, refuse } from "../state.ts";
import { removeWebhooksOf } from "../webhooks/webhook-row.ts";
import { dropRequestKeys } from "../write-once.ts";
import { summarizeShards } from "./ask-shards.ts";
import { noteGone } from "./forget-history.ts";
import { outstanding, oweSettings, sendSettings } from "./push-settings.ts";
import { findQueue, saveQueue } from "./queue-entry.ts";

const ROUTED = "SELECT type AS name FROM route WHERE queue = ? ORDER BY type LIMIT 3";
const SCHEDULED = "SELECT id AS name FROM schedule WHERE queue = ? ORDER BY id LIMIT 3";

/** Refused: `queue-unknown`, `queue-in-use`, `queue-not-empty`; `unavailable` where a shard does not answer. */
export async function deleteQueue(
  state: DirectoryState,
  request: { readonly queue: QueueName; readonly force: boolean },
): Promise<Answer<object>> {
  const { queue, force } = request;
  const found = write(state, () => {
    const entry = findQueue(state, queue);
    if (!entry) return refuse("queue-unknown", noSuchQueue(queue));
    return inUse(state, queue) ?? done({ entry });
  });
  if (!found.ok) return found;
  const fault = force ? null : await whyNotEmpty(state, found.entry);
  if (fault) return fault;
  const owed = write(state, () => {
    const entry = findQueue(state, queue);
    if (!entry) return refuse("queue-unknown", noSuchQueue(queue));
    const used = inUse(state, queue);
    if (used) return used;
    // Resumed meanwhile, it may have got something.
    if (!force && entry.settings.version !== found.entry.settings.version) return stillTakes(queue);
    const { settings, createdAt } = entry;
    const left = saveQueue(state, queue, { ...settings, deleted: true, version: settings.version + 1 }, createdAt);
    for (const id of removeWebhooksOf(state, queue)) dropRequestKeys(state, `webhook:${id}`);
    dropRequestKeys(state, `queue:${queue}`);
    failJobsOf(state, queue);
    noteGone(state, entry);
    noteEvent(state, "queue-deleted", force ? `${queue}, with what it held` : queue, queue);
    return done({ pushes: oweSettings(state, left) });
  });
  if (!owed.ok) return owed;
  await sendSettings(state, owed.pushes);
  return done({});
}

function inUse(state: DirectoryState, queue: QueueName): Refusal | null {
  const names = (sql: string) => state.sql.all<{ name: string }>(sql, queue).map(({ name }) => name);
  const types = names(ROUTED);
  if (types.length > 0)
    return refuse(
      "queue-in-use",
      `Types are routed to ${queue}: ${types.join(", ")}. PUT /types/{type} elsewhere first.`,
    );
  const schedules = names(SCHEDULED);
  if (schedules.length === 0) return null;
  const detail = `Schedules send tasks to ${queue}: ${schedules.join(", ")}. Change or DELETE /schedules/{id} first.`;
  return refuse("queue-in-use", detail);
}

function stillTakes(queue: QueueName): Refusal {
  return refuse("queue-not-empty", `${queue} still takes tasks: POST /queues/${queue}/drain first, or ?force=true.`);
}

async function whyNotEmpty(state: DirectoryState, entry: QueueEntry): Promise<Refusal | null> {
  const { queue, settings } = entry;
  if (!settings.draining) return stillTakes(queue);
  await sendSettings(state, outstanding(state, queue));
  const untold = outstanding(state, queue).length;
  if (untold > 0)
    return refuse(
      "unavailable",
      `${countOf(untold, "shard")} of ${queue} ${untold === 1 ? "does" : "do"} not know yet that it drains.`,
    );
  const held = { unfinished: 0, dead: 0, leaving: 0, refused: 0, unsent: 0 };
  for (const answer of await summarizeShards(state, entry)) {
    if (!answer.ok) return refuse("unavailable", `A shard of ${queue} does not answer: ${answer.detail}`);
    const { depth, deadLetters, outboxRows, refusedRows, pendingDeliveries = 0 } = answer.summary;
    held.unfinished += depth;
    held.dead += deadLetters;
    held.leaving += outboxRows;
    held.refused += refusedRows;
    held.unsent += pendingDeliveries;
  }
  const left = [
    [held.unfinished, "unfinished task", "unfinished tasks"],
    [held.dead, "dead letter", "dead letters"],
    [held.leaving, "finished task on its way to history", "finished tasks on their way to history"],
    [held.refused, "finished task that history refused", "finished tasks that history refused"],
    [held.unsent, "webhook delivery to be sent", "webhook deliveries to be sent"],
  ] as const;
  const told = left.flatMap(([count, one, many]) => (count > 0 ? [countOf(count, one, many)] : []));
  if (told.length === 0) return null;
  return refuse("queue-not-empty", `${queue} still holds ${told.join(", ")}. ?force=true deletes that with it.`);
}
