/** What an operator should know of: the latest 1,000 of each kind, and a line of JSON in the log. */
import type { QueueName } from "../../core/ids.ts";
import type { EventKind } from "../../core/schema/directory-rpc.ts";
import type { DirectoryState } from "./state.ts";

const INSERT = "INSERT INTO event (at, kind, detail, queue) VALUES (?, ?, ?, ?)";
// A kind of its own thousand: what is done each minute drives nothing out that comes once a day.
const TRIM = `DELETE FROM event WHERE kind = ?1
  AND n <= (SELECT n FROM event WHERE kind = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)`;

/** What users do on purpose; the rest wants a look. */
const EXPECTED: ReadonlySet<EventKind> = new Set([
  "tenant-created",
  "queue-created",
  "queue-changed",
  "queue-deleted",
  "queue-purged",
  "queue-scaled",
  "job-ended",
  "webhook-changed",
]);

export const EVENTS_KEPT = 1_000;

/** Inside a transaction. @param queue which it is about; null: none */
export function noteEvent(state: DirectoryState, kind: EventKind, detail: string, queue: QueueName | null): void {
  state.sql.run(INSERT, state.ports.now(), kind, detail, queue);
  state.sql.run(TRIM, kind, EVENTS_KEPT);
  state.ports.log(EXPECTED.has(kind) ? "info" : "warn", kind, { directory: state.name, detail });
}
