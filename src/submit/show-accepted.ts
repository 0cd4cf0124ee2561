/** What a submission is answered of each task that was accepted. */
import { taskId } from "../../core/ids.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import { isFinished, type Status } from "../../core/status.ts";
import type { AcceptedTask } from "../../core/submit-answer.ts";
import { iso } from "../../core/task.ts";

/** A task as its submission answers it. */
export function acceptedView(entry: QueueEntry, shard: number, task: AcceptedTask | null | undefined) {
  const { seq, status, createdAt, duplicate, replaced, source } = present(task);
  const id = taskId({ queue: entry.queue, shard }, seq);
  const view = { id, queue: entry.queue, status, createdAt: iso(createdAt) };
  if (source !== undefined) return { ...view, cached: true, source };
  return duplicate ? { ...view, duplicate, ...(replaced && { replaced }) } : view;
}

/** 200 where all of them have ended by that, be it that they have left their shard since; else 202. */
export function statusOf(tasks: readonly { readonly status: Status | null }[]): 200 | 202 {
  return tasks.every(({ status }) => status === null || isFinished(status)) ? 200 : 202;
}

/** A shard that accepted a task gave it a seq; one that did not is out of order. */
export function present<T>(accepted: T | null | undefined): T {
  if (accepted === null || accepted === undefined) throw new Error("a shard accepted a task and gave it no seq");
  return accepted;
}

/** What a request was answered before, it is answered again. */
export function replayed(isReplay: boolean | undefined): Readonly<Record<string, string>> {
  return isReplay === true ? REPLAYED : NO_HEADERS;
}

const REPLAYED = { "idempotency-replayed": "true" };
const NO_HEADERS = {};
