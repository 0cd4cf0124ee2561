/**
 * How a task stood when somebody looked, in a few characters: who watches it is told when it has another mark. All that
 * a task's view can change by stands in it. Its form is nobody's business: marks are only compared.
 */
import { hashKey } from "./placement.ts";
import type { Status } from "./status.ts";
import type { TaskRecord } from "./task.ts";

export interface Marked {
  readonly rev: number;
  readonly status: Status;
  /** Unix ms, of the attempt that is under way; null: none is. */
  readonly startedAt: number | null;
  /** JSON text. */
  readonly progress: string | null;
  readonly cancelRequested: boolean;
}

export function markOf({ rev, status, startedAt, progress, cancelRequested }: Marked): string {
  const run = startedAt === null ? "" : startedAt.toString(36);
  const told = progress === null ? "" : hashKey(progress).toString(36);
  return `${rev}.${status}.${run}.${told}${cancelRequested ? "!" : ""}`;
}

export function markOfRecord({ rev, status, attempts, progress, cancelRequested }: TaskRecord): string {
  const last = attempts.at(-1);
  const startedAt = last?.endedAt === null ? last.startedAt : null;
  return markOf({ rev, status, startedAt, progress, cancelRequested: cancelRequested === true });
}
