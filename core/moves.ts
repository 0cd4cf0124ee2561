/**
 * The one table of moves. SQL guards, the diagram in docs/states.md and the simulation are checked against it.
 * A finished status is never a `from`: redrive and replay make a new task.
 */
import { FINISHED, type Status } from "./status.ts";

export interface Move {
  readonly from: Status | "NEW";
  readonly event: string;
  readonly to: Status;
}

export const MOVES = [
  { from: "NEW", event: "submit", to: "QUEUED" },
  { from: "NEW", event: "submit-later", to: "SCHEDULED" },
  { from: "NEW", event: "submit-blocked", to: "BLOCKED" },
  { from: "NEW", event: "submit-cached", to: "SUCCEEDED" },

  { from: "SCHEDULED", event: "due", to: "QUEUED" },
  { from: "RETRYING", event: "due", to: "QUEUED" },
  { from: "SCHEDULED", event: "run-now", to: "QUEUED" },
  { from: "RETRYING", event: "run-now", to: "QUEUED" },
  { from: "QUEUED", event: "reschedule", to: "SCHEDULED" },
  { from: "BLOCKED", event: "release", to: "QUEUED" },
  { from: "BLOCKED", event: "release-later", to: "SCHEDULED" },

  { from: "QUEUED", event: "claim", to: "RUNNING" },
  { from: "RUNNING", event: "unclaim", to: "QUEUED" },
  { from: "RUNNING", event: "succeed", to: "SUCCEEDED" },
  { from: "RUNNING", event: "retry", to: "RETRYING" },
  { from: "RUNNING", event: "crash", to: "RETRYING" },
  { from: "RUNNING", event: "snooze", to: "SCHEDULED" },
  { from: "RUNNING", event: "fail", to: "FAILED" },
  { from: "RUNNING", event: "cancel", to: "CANCELLED" },
  { from: "RUNNING", event: "expire", to: "EXPIRED" },

  { from: "QUEUED", event: "cancel", to: "CANCELLED" },
  { from: "SCHEDULED", event: "cancel", to: "CANCELLED" },
  { from: "RETRYING", event: "cancel", to: "CANCELLED" },
  { from: "BLOCKED", event: "cancel", to: "CANCELLED" },
  { from: "BLOCKED", event: "parent-failed", to: "FAILED" },
  { from: "BLOCKED", event: "parent-cancelled", to: "CANCELLED" },

  { from: "QUEUED", event: "expire", to: "EXPIRED" },
  { from: "SCHEDULED", event: "expire", to: "EXPIRED" },
  { from: "RETRYING", event: "expire", to: "EXPIRED" },
  { from: "BLOCKED", event: "expire", to: "EXPIRED" },
] as const satisfies readonly Move[];

export type MoveEvent = (typeof MOVES)[number]["event"];

const allowed: ReadonlySet<string> = new Set(MOVES.map((move) => `${move.from} ${move.to}`));

/** Whether the table has any event from one status to another. */
export function canMove(from: Move["from"], to: Status): boolean {
  return allowed.has(`${from} ${to}`);
}

/** Whether any move leaves a status; false for each finished one. */
export function isFinal(status: Status): boolean {
  return (FINISHED as readonly string[]).includes(status);
}
