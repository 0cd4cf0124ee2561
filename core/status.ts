/**
 * The states of a task. `docs/states.md` has a paragraph for each; `moves.ts` says how one leads to another.
 * The field is called `status` everywhere: SQL, RPC, HTTP, history.
 */
export const UNFINISHED = ["SCHEDULED", "BLOCKED", "QUEUED", "RUNNING", "RETRYING"] as const;
export const FINISHED = ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"] as const;
export const STATUSES = [...UNFINISHED, ...FINISHED] as const;

/** Unfinished, and in nobody's hands. */
export const WAITING = ["SCHEDULED", "BLOCKED", "QUEUED", "RETRYING"] as const satisfies readonly UnfinishedStatus[];

export type WaitingStatus = (typeof WAITING)[number];
export type UnfinishedStatus = (typeof UNFINISHED)[number];
export type FinishedStatus = (typeof FINISHED)[number];
export type Status = (typeof STATUSES)[number];

const finished: ReadonlySet<string> = new Set(FINISHED);

/** Whether a status is final: no event moves a task out of it. */
export function isFinished(status: Status): status is FinishedStatus {
  return finished.has(status);
}
