/** Jobs whose queue was deleted fail in the transaction that deletes it: what it is made again as is not theirs. */
import type { QueueName } from "../../../core/ids.ts";
import type { BulkRefusal } from "../../../core/schema/bulk-rpc.ts";
import { noteEvent } from "../note-event.ts";
import type { DirectoryState } from "../state.ts";
import { endJob, type OpenJob, openJob } from "./job-rows.ts";

const ACTIVE_OF = "SELECT id FROM job WHERE queue = ? AND status = 'active' ORDER BY n";

/** Inside a transaction. */
export function failJobsOf(state: DirectoryState, queue: QueueName): void {
  for (const { id } of state.sql.all<{ id: string }>(ACTIVE_OF, queue)) {
    const job = openJob(state, id);
    if (job) failJob(state, job);
  }
}

/** With it its parts: those that were read before are not asked. Inside a transaction. */
export function failJob(state: DirectoryState, { id, queue, status, work }: OpenJob): void {
  if (status !== "active") return;
  const refusal: BulkRefusal = { code: "queue-unknown", detail: `The job's queue ${queue} was deleted.` };
  endJob(state, id, "failed", refusal);
  noteEvent(state, "job-ended", `${work.action} in ${queue} (${id}) failed: its queue was deleted`, queue);
}
