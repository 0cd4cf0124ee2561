/** From a body to the tasks that shards take, one by one; the faults are collected, with their places in the body. */
import { isAcceptable } from "../../core/accept-task.ts";
import { cacheUseOf } from "../../core/cache.ts";
import type { FieldError } from "../../core/errors.ts";
import { explainIssues, MAX_ERRORS } from "../../core/explain-issues.ts";
import { uniqueOf } from "../../core/keys.ts";
import { checkPayload, type Fault, isFault, makeTask, under } from "../../core/make-task.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import { type SubmittedTask, SubmittedTaskSchema } from "../../core/schema/submission.ts";
import type { Door } from "../door.ts";
import { hashText } from "./hash.ts";
import { isResolved, type Resolved, type Resolving, resolveTask } from "./resolve-task.ts";

/** What it takes to read tasks: a door, or one that makes no queue. */
export type Reading = Resolving & Pick<Door, "ports">;

export interface ReadyTask {
  readonly task: NewTask;
  readonly entry: QueueEntry;
}

/**
 * A task as it was sent, or what is wrong with it, its payload's faults with it, with pointers from its root.
 * @param sameType a type that was found to be well named
 */
function readTask(raw: unknown, types: Door["types"], sameType?: string): SubmittedTask | Fault {
  if (isAcceptable(raw, sameType)) return raw;
  const parsed = SubmittedTaskSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  return {
    code: "invalid-request",
    detail: "The task has a field that is missing, wrong or not known.",
    errors: [...explainIssues(parsed.error.issues), ...payloadErrors(raw, types)].slice(0, MAX_ERRORS),
  };
}

/** Of a task that is refused anyway, where a handler here has its type. */
function payloadErrors(raw: unknown, types: Door["types"]): readonly FieldError[] {
  if (typeof raw !== "object" || raw === null || !("type" in raw) || !("payload" in raw)) return [];
  const type = typeof raw.type === "string" ? types.get(raw.type) : undefined;
  const payload = type ? checkPayload(raw.payload, type) : "";
  return typeof payload === "string" ? [] : (under("/payload", payload).errors ?? []);
}

export interface Manner {
  /** Unix ms. */
  readonly deadline: number;
  /** Under an Idempotency-Key, so it may have been accepted before. */
  readonly isKeyed: boolean;
}

/** One task, ready for its queue, or its fault. @throws Problem where the Directory does not answer */
export async function readOne(door: Reading, raw: unknown, { deadline, isKeyed }: Manner): Promise<ReadyTask | Fault> {
  const submitted = readTask(raw, door.types);
  if (isFaulty(submitted)) return submitted;
  const resolved = await resolveTask(door, submitted.type, submitted.queue, deadline);
  if (!isResolved(resolved)) return resolved;
  const task = makeTask(submitted, resolved.type, door.ports.now(), isKeyed);
  if (isFault(task)) return task;
  return {
    task: needsHash(submitted, resolved) ? await withKeys(task, submitted, resolved) : task,
    entry: resolved.entry,
  };
}

export interface ReadBatch {
  /** In order; null where the task has a fault. */
  readonly tasks: readonly (NewTask | null)[];
  /** The queue of each. */
  readonly entries: readonly (QueueEntry | null)[];
  /** With pointers from the body's root. */
  readonly faults: readonly { readonly index: number; readonly fault: Fault }[];
}

/**
 * Every task of a batch.
 * @throws Problem where the Directory does not answer
 */
export async function readBatch(
  door: Reading,
  raws: readonly unknown[],
  {
    deadline,
    stopEarly,
    isKeyed,
  }: Manner & { /** Enough faults for one answer are enough. */ readonly stopEarly: boolean },
): Promise<ReadBatch> {
  const now = door.ports.now();
  const tasks: (NewTask | null)[] = [];
  const entries: (QueueEntry | null)[] = [];
  const faults: { index: number; fault: Fault }[] = [];
  const seen = new Map<string, Resolved | Fault>();
  // Neighbours mostly agree in type and queue; then nothing is looked up or awaited.
  let last: { readonly type: string; readonly queue: string | undefined; readonly found: Resolved | Fault } | null =
    null;
  for (const [index, raw] of raws.entries()) {
    const submitted = readTask(raw, door.types, last?.type);
    let made: NewTask | Fault;
    let resolved: Resolved | null = null;
    if (isFaulty(submitted)) made = submitted;
    else {
      const { type, queue } = submitted;
      if (last === null || last.type !== type || last.queue !== queue) {
        const key: string = `${type} ${queue ?? ""}`;
        const found: Resolved | Fault = seen.get(key) ?? (await resolveTask(door, type, queue, deadline));
        seen.set(key, found);
        last = { type, queue, found };
      }
      const { found } = last;
      resolved = isResolved(found) ? found : null;
      made = isResolved(found) ? makeTask(submitted, found.type, now, isKeyed) : found;
    }
    entries.push(resolved?.entry ?? null);
    if (!isFault(made)) {
      if (!isFaulty(submitted) && resolved && needsHash(submitted, resolved))
        tasks.push(await withKeys(made, submitted, resolved));
      else tasks.push(made);
    } else {
      tasks.push(null);
      faults.push({ index, fault: under(`/tasks/${index}`, made) });
      if (stopEarly && faults.length >= MAX_ERRORS) break;
    }
  }
  return { tasks, entries, faults };
}

function needsHash(submitted: SubmittedTask, { cacheTtlSeconds }: Resolved): boolean {
  return cacheTtlSeconds > 0 || isUnique(submitted);
}

function isUnique(submitted: SubmittedTask): boolean {
  return "unique" in submitted || "debounceSeconds" in submitted || "throttleSeconds" in submitted;
}

async function withKeys(task: NewTask, submitted: SubmittedTask, { cacheTtlSeconds }: Resolved): Promise<NewTask> {
  const dedup = isUnique(submitted) ? await uniqueOf(submitted, hashText) : null;
  const cache = cacheTtlSeconds > 0 ? await cacheUseOf(submitted, task.version, cacheTtlSeconds, hashText) : null;
  return { ...task, ...(dedup && { dedup }), ...(cache && { cache }) };
}

function isFaulty(submitted: SubmittedTask | Fault): submitted is Fault {
  return "code" in submitted;
}
