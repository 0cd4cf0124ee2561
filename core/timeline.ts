/**
 * A task's way, told from what is kept of it. Only what a run ends by, or a user changes, is written as it happens
 * (`moves`), since that rewrites the row anyway; that a task was submitted, was due, began, succeeded, follows from its
 * times and attempts. Pure.
 */
import type { Status } from "./status.ts";
import { ASKED_TO_STOP, type Attempt, iso, type MoveRecord, SUBMITTED, type TaskRecord } from "./task.ts";

export interface Timeline {
  readonly moves: readonly MoveRecord[];
  /** false: the task went so many ways that some in the middle were not kept. */
  readonly isComplete: boolean;
}

/** A move as it is shown. */
export interface MoveView {
  readonly status: Status;
  readonly at: string;
  readonly cause: string;
  readonly until?: string;
}

export function toMoveView([status, at, cause, until]: MoveRecord): MoveView {
  return { status, at: iso(at), cause, ...(until !== undefined && until !== null && { until: iso(until) }) };
}

/** The log of moves holds its first and its latest 63. */
export const MAX_MOVES = 64;

export function timelineOf(record: TaskRecord): Timeline {
  const source = record.links?.cachedFrom;
  if (source !== undefined)
    return {
      moves: [["SUCCEEDED", record.createdAt, `submitted, and answered by the result of ${source}`]],
      isComplete: true,
    };
  const told = withRuns(fromSubmission(record), record);
  if (record.status === "SUCCEEDED")
    told.push(["SUCCEEDED", record.endedAt ?? record.createdAt, "its handler succeeded"]);
  const isComplete = record.moves.length < MAX_MOVES && record.attemptsDropped === 0;
  return { moves: repeating(withDues(told, record), record), isComplete };
}

function fromSubmission({ moves, createdAt, runAt, status }: TaskRecord): MoveRecord[] {
  if (moves[0]?.[2] === SUBMITTED) return [...moves];
  if (moves.length > 0) return [["QUEUED", createdAt, SUBMITTED], ...moves];
  if (status === "BLOCKED") return [["BLOCKED", createdAt, SUBMITTED]];
  const isLater = runAt !== null && runAt > createdAt;
  return [isLater ? ["SCHEDULED", createdAt, SUBMITTED, runAt] : ["QUEUED", createdAt, SUBMITTED]];
}

/** Its first move says so. */
function repeating(moves: readonly MoveRecord[], { links }: TaskRecord): readonly MoveRecord[] {
  const [first, ...others] = moves;
  if (first === undefined || links?.replayOf === undefined) return moves;
  const [status, at, cause, ...rest] = first;
  return [[status, at, `${cause}, to repeat ${links.replayOf}`, ...rest], ...others];
}

/** Whether a run begins by the move. */
export function isBegin([status, , cause]: MoveRecord): boolean {
  return status === "RUNNING" && cause !== ASKED_TO_STOP;
}

/**
 * While a task runs nothing else is written, so a run stands right before the first move that names it. One that no move names
 * is the last: it succeeded, or goes on.
 */
function withRuns(moves: readonly MoveRecord[], { attempts, version }: TaskRecord): MoveRecord[] {
  const runs = new Map(attempts.map((run) => [run.attempt, run]));
  const told = moves.flatMap((move) => {
    const run = move[4] === undefined ? undefined : runs.get(move[4]);
    if (!run) return [move];
    runs.delete(run.attempt);
    return [beginOf(run, version), move];
  });
  return [...told, ...Array.from(runs.values(), (run) => beginOf(run, version))];
}

function beginOf({ attempt, startedAt, worker, handlerVersion }: Attempt, version: number): MoveRecord {
  const upgraded = handlerVersion === undefined ? "" : `, whose handler takes version ${version} as ${handlerVersion}`;
  return ["RUNNING", startedAt, `attempt ${attempt}, by ${worker}${upgraded}`, null, attempt];
}

/** What waited for its time and went on by itself was due then. */
function withDues(moves: readonly MoveRecord[], { status, moves: kept }: TaskRecord): MoveRecord[] {
  // What came right after the first one may not have been kept.
  const lastBeforeGap = kept.length < MAX_MOVES ? undefined : kept[0];
  return moves.flatMap((move, i) => {
    const [waits, , , until] = move;
    if (until === undefined || until === null || move === lastBeforeGap) return [move];
    const next = moves[i + 1];
    const isDue = next ? next[1] > until || isOnlyDue(waits, next[0]) : status !== waits;
    return isDue ? [move, ["QUEUED", until, "its time had come"] as const] : [move];
  });
}

/** Whether there is no other way from one to the next, within a millisecond. */
function isOnlyDue(waits: Status, next: Status): boolean {
  return next === "RUNNING" || (waits === "RETRYING" && next === "SCHEDULED");
}
