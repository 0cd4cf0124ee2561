/** What an operator should know of: a ring of the latest 1,000, and a line of JSON in the log. */
import type { OperatorEvent } from "../../core/schema/directory-rpc.ts";
import type { DirectoryState } from "./state.ts";

const INSERT = "INSERT INTO event (at, kind, detail) VALUES (?, ?, ?) RETURNING n";
const TRIM = "DELETE FROM event WHERE n <= ?";

/** What users do on purpose; the rest wants a look. */
const EXPECTED: ReadonlySet<OperatorEvent["kind"]> = new Set([
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

/** Inside a transaction. */
export function noteEvent(state: DirectoryState, kind: OperatorEvent["kind"], detail: string): void {
  const at = state.ports.now();
  const [row] = state.sql.all<{ n: number }>(INSERT, at, kind, detail);
  if (row) state.sql.run(TRIM, row.n - EVENTS_KEPT);
  state.ports.log(EXPECTED.has(kind) ? "info" : "warn", kind, { directory: state.name, detail });
}
