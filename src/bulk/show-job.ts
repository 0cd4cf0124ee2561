/** A job as it is shown. What is gone when its turn comes is `skipped`: known of a shard when that is through. */
import type { BulkWork, Job, JobPart } from "../../core/schema/bulk-rpc.ts";
import type { RedriveEdit } from "../../core/schema/dead-letters-rpc.ts";
import { iso } from "../../core/task.ts";

/** With each failure that is kept, and each shard. */
export function jobView(job: Job) {
  const { failures, parts, work } = job;
  return {
    ...jobSummary(job),
    failures,
    shards: parts.map((part) => ({
      shard: part.shard,
      matched: part.matched,
      done: part.done,
      ...(work.action === "cancel" && { stopping: part.stopping }),
      skipped: skippedOf(part),
      failed: part.failed,
      ended: part.ended,
      refusal: part.refusal,
    })),
  };
}

/** As the list has it. */
export function jobSummary(job: Job) {
  const { id, queue, work, ids, asOf, rate, status, parts, refusal, createdAt, endedAt } = job;
  const isCounted = parts.every(({ matched }) => matched !== null);
  const sum = (of: (part: JobPart) => number) => parts.reduce((total, part) => total + of(part), 0);
  const last = refusal ?? parts.find((part) => part.refusal !== null)?.refusal ?? null;
  return {
    id,
    action: work.action,
    queue,
    status,
    counts: {
      matched: isCounted ? sum(({ matched }) => matched ?? 0) : null,
      done: sum(({ done }) => done),
      ...(work.action === "cancel" && { stopping: sum(({ stopping }) => stopping) }),
      skipped: sum(skippedOf),
      failed: sum(({ failed }) => failed),
    },
    filter: showFilter(work, ids),
    ...(work.action === "redrive" && work.edit && { edit: showEdit(work.edit) }),
    ...(rate && { rate }),
    ...(asOf !== null && { asOf: iso(asOf) }),
    startedAt: iso(createdAt),
    endedAt: endedAt === null ? null : iso(endedAt),
    refusal: last,
  };
}

function skippedOf({ ended, matched, done, stopping, failed }: JobPart): number {
  return ended ? Math.max(0, (matched ?? 0) - done - stopping - failed) : 0;
}

const TIMES: ReadonlySet<string> = new Set(["from", "to", "submittedAfter", "submittedBefore"]);

function showFilter({ filter }: BulkWork, ids: number | null) {
  const told = Object.entries(filter).map(([name, value]) => [name, TIMES.has(name) ? iso(Number(value)) : value]);
  return { ...Object.fromEntries(told), ...(ids !== null && { ids }) };
}

function showEdit({ payload, payloadPatch, delayMs, runAt, ...edit }: RedriveEdit) {
  return {
    ...edit,
    ...(payload !== undefined && { payload: JSON.parse(payload) as unknown }),
    ...(payloadPatch !== undefined && { payloadPatch: JSON.parse(payloadPatch) as unknown }),
    ...(delayMs !== undefined && { delaySeconds: delayMs / 1_000 }),
    ...(runAt !== undefined && { runAt: iso(runAt) }),
  };
}
