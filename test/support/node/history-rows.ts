/** Finished tasks for tests of history: legal ones, by what the test says of them. */
import { DEFAULT_QUEUE, DEFAULT_TENANT, type Seq, type ShardAddress, seqAt } from "../../../core/ids.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { type HistoryRow, rowOfRecord } from "../../../history/record.ts";

export const T0 = Date.UTC(2026, 10, 24, 12);
export const DAY_MS = 86_400_000;
export const AT: ShardAddress = { tenant: DEFAULT_TENANT, queue: DEFAULT_QUEUE, shard: 0 };

export function seqOf(n: number): Seq {
  return (seqAt(T0) + n) as Seq;
}

/** A task that succeeded at once; `n` numbers it. */
export function finished(n: number, more: Partial<TaskRecord> = {}): TaskRecord {
  return {
    seq: seqOf(n),
    rev: 3,
    status: "SUCCEEDED",
    type: "echo",
    version: 1,
    priority: 5,
    payload: '{"a":1}',
    tags: [],
    createdAt: T0,
    runAt: null,
    endedAt: T0 + 3,
    attempts: [
      { attempt: 1, startedAt: T0 + 1, endedAt: T0 + 3, worker: "consumer-1", outcome: "succeeded", error: null },
    ],
    attemptsDropped: 0,
    crashes: 0,
    moves: [],
    result: '{"b":2}',
    resultExpiresAt: T0 + 7 * DAY_MS,
    error: null,
    progress: null,
    ...more,
  };
}

export function rowFor(n: number, more: Partial<TaskRecord> = {}, expiresAt = T0 + 30 * DAY_MS): HistoryRow {
  return rowOfRecord(finished(n, more), expiresAt);
}

/** A row that D1 refuses: the table takes finished tasks alone. */
export function refusedRow(n: number): HistoryRow {
  return rowFor(n, { status: "RUNNING", result: null });
}

/** One that failed, with everything that a task can carry. */
export function laden(n: number, more: Partial<TaskRecord> = {}): TaskRecord {
  const error = { code: "handler-error", message: 'line\n"\u0000\\é😀', class: "TypeError", stack: "at x" } as const;
  return finished(n, {
    status: "FAILED",
    version: 3,
    priority: 9,
    tags: ["a", "ü,;"],
    runAt: T0 - 5_000,
    attempts: [
      { attempt: 1, startedAt: T0 - 4_000, endedAt: T0 - 3_000, worker: "w", outcome: "crashed", error: null },
      { attempt: 2, startedAt: T0 + 1, endedAt: null, worker: "w", outcome: null, error: null },
      { attempt: 3, startedAt: T0 + 2, endedAt: T0 + 3, worker: "w", outcome: "failed", error },
    ],
    attemptsDropped: 2,
    crashes: 1,
    moves: [
      ["QUEUED", T0, "submit"],
      ["FAILED", T0 + 3, "attempts exhausted"],
    ],
    result: null,
    resultExpiresAt: null,
    error,
    ...more,
  });
}
