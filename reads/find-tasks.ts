/**
 * Finds tasks by id: the shard, which has what lives and what history has not taken yet, then D1, then the reason why
 * they are nowhere. An invented id never wakes an object: its queue and shard must be known, its moment must have come.
 */
import { type ErrorCode, Problem, publicCode } from "../core/errors.ts";
import { type ParsedTaskId, parseTaskId, type Seq, type ShardAddress, seqTime, type TenantName } from "../core/ids.ts";
import type { Refusal } from "../core/schema/answer.ts";
import type { QueueEntry } from "../core/schema/directory-rpc.ts";
import type { ReadAnswer } from "../core/schema/rpc.ts";
import type { TaskRecord } from "../core/task.ts";
import { fanOut } from "../durable-objects/stubs.ts";
import { isDeleted } from "../history/tombstone.ts";
import { answered, ask, deadlineOf, timeLeft } from "./ask.ts";
import { findInHistory } from "./find-in-history.ts";
import type { TaskReader } from "./reader.ts";

/** Clocks differ and a burst runs ahead of its own; no id of tomorrow's has been given out. */
const AHEAD_MS = 86_400_000;

export interface Found {
  readonly at: ShardAddress;
  readonly record: TaskRecord;
}
export interface Missing {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** Whether what a task is missing for says that neither shard nor history has it, nor ever will; else it may be there. */
export function isNowhere(code: ErrorCode): boolean {
  return NOWHERE.has(code);
}
const NOWHERE: ReadonlySet<ErrorCode> = new Set([
  "task-unknown",
  "task-expired-from-history",
  "task-deleted",
  "queue-unknown",
]);

export function isFound(task: Found | Missing): task is Found {
  return "record" in task;
}

/**
 * One task.
 * @param waitMs how long its end is waited for
 * @param texts payload and result too, where history has it
 * @throws Problem where it is nowhere
 */
export async function findTask(
  reader: TaskReader,
  tenant: TenantName,
  id: string,
  { waitMs = 0, texts = false }: { readonly waitMs?: number; readonly texts?: boolean },
): Promise<Found> {
  const deadline = deadlineOf(reader.ports);
  const located = await locate(reader, tenant, id, deadline);
  const [found] =
    "code" in located ? [located] : await readShard(reader, located, [located.seq], { deadline, waitMs, texts });
  if (found === undefined || !isFound(found)) throw new Problem(found?.code ?? "task-unknown", found?.detail ?? id);
  return found;
}

/** Several, in order; each is found or missing for itself. */
export async function findTasks(
  reader: TaskReader,
  tenant: TenantName,
  ids: readonly string[],
): Promise<(Found | Missing)[]> {
  const deadline = deadlineOf(reader.ports);
  const located = await fanOut(ids, (id) => locate(reader, tenant, id, deadline));
  const shards = new Map<string, { readonly place: Located; readonly seqs: Seq[]; readonly indexes: number[] }>();
  const results: (Found | Missing)[] = [];
  for (const [index, place] of located.entries()) {
    if ("code" in place) {
      results[index] = place;
      continue;
    }
    const name = `${place.at.queue}:${place.at.shard}`;
    const group = shards.get(name) ?? { place, seqs: [], indexes: [] };
    shards.set(name, group);
    group.seqs.push(place.seq);
    group.indexes.push(index);
  }
  await fanOut(Array.from(shards.values()), async ({ place, seqs, indexes }) => {
    const found = await readShard(reader, place, seqs, { deadline, waitMs: 0, texts: false });
    for (const [i, index] of indexes.entries()) results[index] = found[i] ?? unknown("");
  });
  return results;
}

export interface Located {
  readonly at: ShardAddress;
  readonly entry: QueueEntry;
  readonly seq: Seq;
}

/** Where a task is, if it is: nothing is asked but which queues there are. */
export async function locate(
  reader: TaskReader,
  tenant: TenantName,
  id: string,
  deadline: number,
): Promise<Located | Missing> {
  const parsed = parseTaskId(id);
  if (parsed === null) return unknown(id);
  try {
    const entry = await knownPlace(reader, tenant, parsed, deadline);
    return entry === null
      ? unknown(id)
      : { at: { tenant, queue: parsed.queue, shard: parsed.shard }, entry, seq: parsed.seq };
  } catch (thrown) {
    if (thrown instanceof Problem) return { code: thrown.code, detail: thrown.detail };
    throw thrown;
  }
}

/**
 * The queue of an id that may be real; null for one that cannot be, or that was given before the queue was deleted.
 * @throws Problem where the Directory is silent, or the shard of a queue that was made again
 */
export async function knownPlace(
  { known, ports }: TaskReader,
  tenant: TenantName,
  { queue, shard, seq }: Pick<ParsedTaskId, "queue" | "shard" | "seq">,
  deadline: number,
): Promise<QueueEntry | null> {
  if (seqTime(seq) > ports.now() + AHEAD_MS) return null;
  const entry = await known.queueOfShard(queue, shard, deadline);
  if (entry === null) return null;
  const { first } = answered(await known.firstSeq({ tenant, queue, shard }, entry, deadline));
  return seq < first ? null : entry;
}

interface Manner {
  /** Unix ms, but for the `waitMs` that the caller asked for. */
  readonly deadline: number;
  readonly waitMs: number;
  readonly texts: boolean;
}

/** Tasks of one shard, in order. */
export async function readShard(
  reader: TaskReader,
  { at, entry }: Located,
  seqs: readonly Seq[],
  { deadline, waitMs, texts }: Manner,
): Promise<(Found | Missing)[]> {
  const answer = await readLive(reader, at, seqs, { deadline, waitMs, texts });
  if (!answer.ok) return seqs.map(() => missing(answer));
  const absent = seqs.filter((_, i) => !answer.tasks[i]);
  if (absent.length === 0) return answer.tasks.flatMap((record) => (record ? [foundAt(at, record)] : []));
  const kept = await readKept(reader, { at, entry }, absent, {
    texts,
    deadline: waitMs > 0 ? deadlineOf(reader.ports) : deadline,
  });
  const left = kept.values();
  return answer.tasks.flatMap((record) => (record ? [foundAt(at, record)] : (left.next().value ?? [])));
}

/** Tasks that their shard does not have: what D1 knows of them, or why they are nowhere. In order. */
export async function readKept(
  reader: TaskReader,
  { at, entry }: Pick<Located, "at" | "entry">,
  seqs: readonly Seq[],
  { texts, deadline }: Pick<Manner, "texts" | "deadline">,
): Promise<(Found | Missing)[]> {
  const kept = await findInHistory(reader, at, entry, seqs, { texts, deadline });
  if (!kept.ok) return seqs.map(() => missing(kept));
  return seqs.map((seq, i) => {
    const record = kept.tasks[i];
    return record ? foundAt(at, record) : nowhere(reader, entry, seq);
  });
}

/** A read harms nothing, so one that got no answer is tried once more, on a new stub, while there is time. */
async function readLive(
  { ports, log }: TaskReader,
  at: ShardAddress,
  seqs: readonly Seq[],
  { deadline, waitMs, texts }: Manner,
): Promise<ReadAnswer> {
  const whom = `Shard ${at.shard} of ${at.queue}`;
  const [seq] = seqs;
  const waits = waitMs > 0 && seq !== undefined;
  const ms = timeLeft(ports, deadline) + (waits ? waitMs : 0);
  const first = await ask(ports, log, { whom, ms, lost: "unavailable" }, () =>
    waits ? ports.shard(at).wait({ v: 1, seq, waitMs }) : ports.shard(at).read({ v: 1, seqs, texts }),
  );
  if (first.ok || first.code !== "unavailable" || ports.now() >= deadline) return first;
  return await ask(ports, log, { whom, ms: timeLeft(ports, deadline), lost: "unavailable" }, () =>
    ports.shard(at).read({ v: 1, seqs, texts }),
  );
}

/** A record, unless it is all that is left of a task whose data was deleted. */
export function foundAt(at: ShardAddress, record: TaskRecord): Found | Missing {
  return isDeleted(record) ? { code: "task-deleted", detail: "The data of the task was deleted." } : { at, record };
}

function nowhere({ ports }: TaskReader, { queue, settings }: QueueEntry, seq: Seq): Missing {
  const keptMs = settings.historyTtlSeconds * 1_000;
  return seqTime(seq) < ports.now() - keptMs
    ? {
        code: "task-expired-from-history",
        detail: `${queue} keeps finished tasks for ${settings.historyTtlSeconds} s.`,
      }
    : { code: "task-unknown", detail: settings.historyMaxBytes === null ? NEVER : NEVER_OR_GONE };
}

const NEVER = "There is no such task.";
const NEVER_OR_GONE = "There is no such task (any more): its queue keeps so many bytes (historyMaxBytes), the latest.";

function unknown(id: string): Missing {
  return { code: "task-unknown", detail: id === "" ? "There is no such task." : `There is no task ${id}.` };
}

function missing({ code, detail }: Refusal): Missing {
  return { code: publicCode(code), detail };
}
