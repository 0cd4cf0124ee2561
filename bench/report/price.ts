/**
 * Dollars a million tasks at the margin, on Workers Paid, from what was counted (prices: Cloudflare's pages as of
 * November 2026; README.md has the formula). Left out: storage, logs, status reads.
 */
import type { Counts } from "../worker/counts.ts";

/** Dollars each. */
const WORKER_REQUEST = 0.3e-6;
const CPU_MS = 0.02e-6;
const OBJECT_REQUEST = 0.15e-6;
const OBJECT_GB_SECOND = 12.5e-6;
const OBJECT_ROW_WRITTEN = 1e-6;
const OBJECT_ROW_READ = 0.001e-6;
const QUEUE_OPERATION = 0.4e-6;
const D1_ROW_WRITTEN = 1e-6;

/** A message is written, read and deleted. */
const OPERATIONS_A_MESSAGE = 3;
const OBJECT_GB = 0.128;

export interface Spent {
  /** How many tasks a request brought. */
  readonly tasksARequest: number;
  /** How long the object was awake. */
  readonly seconds: number;
  /** CPU of the whole service, ms: an upper bound for what would be billed; 4 ms a task where it cannot be told. */
  readonly cpuMs: number | null;
  readonly counts: Counts;
}

/** Each line of the bill for a million such tasks, dollars. */
export function priceOfMillion({ tasksARequest, seconds, cpuMs, counts }: Spent): Readonly<Record<string, number>> {
  const { tasks } = counts;
  const each = 1e6 / tasks;
  const messages = counts.tickets + counts.deadLetters;
  return {
    // A ticket is an invocation of its own (max_batch_size 1).
    workerRequests: (tasks / tasksARequest + messages) * each * WORKER_REQUEST,
    cpu: (cpuMs ?? 4 * tasks) * each * CPU_MS,
    objectRequests: counts.requests * each * OBJECT_REQUEST,
    objectDuration: seconds * OBJECT_GB * each * OBJECT_GB_SECOND,
    objectRowsWritten: (counts.rowsWritten + counts.alarms) * each * OBJECT_ROW_WRITTEN,
    objectRowsRead: counts.rowsRead * each * OBJECT_ROW_READ,
    queueOperations: messages * OPERATIONS_A_MESSAGE * each * QUEUE_OPERATION,
    d1RowsWritten: counts.d1RowsWritten * each * D1_ROW_WRITTEN,
  };
}

export function sumOf(lines: Readonly<Record<string, number>>): number {
  return Object.values(lines).reduce((sum, line) => sum + line, 0);
}
