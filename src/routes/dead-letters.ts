/**
 * Tasks that ended FAILED, of one queue: listed, grouped by cause, looked at, discarded. All of it is asked of the
 * queue's shards, never of D1. A list that lacked a shard's would be taken for the whole, so each of them must answer.
 */
import { z } from "zod";
import { filterAt } from "../../core/bulk-work.ts";
import { Problem } from "../../core/errors.ts";
import { parseTaskId, type QueueName, type ShardAddress, taskId } from "../../core/ids.ts";
import { editMark, type Redriven, redrivenAs, timeOfEdit } from "../../core/redrive-task.ts";
import { DeadFilterSchema, DiscardSchema, RedriveOneSchema } from "../../core/schema/bulk.ts";
import type { DeadFilter, DeadGroup, DeadPlace, GroupPlace } from "../../core/schema/dead-letters-rpc.ts";
import { QueueNameSchema } from "../../core/schema/submission.ts";
import { bornAs } from "../../core/submit-answer.ts";
import { iso, publicError, type TaskRecord, toTask } from "../../core/task.ts";
import { deadlineOf, giveWay } from "../../reads/ask.ts";
import { findTask, knownPlace } from "../../reads/find-tasks.ts";
import { askEach, shardsOf } from "../bulk/ask-shards.ts";
import { asOfOf, deadFilterOf, idsOf, readEdit } from "../bulk/read-work.ts";
import { tryRedriveOne } from "../bulk/try-redrive.ts";
import { changeTask } from "../change/change-task.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { queryProblem } from "../middleware/problems.ts";
import { checkBody, readJson, readOptionalBody, refuseFields } from "../middleware/read-body.ts";
import { readCursor, writeCursor } from "../read/cursor.ts";
import { listOver } from "../read/list-over.ts";
import { readWhole } from "../read/read-query.ts";
import { unknownQueue } from "./queue-name.ts";

const MAX_LISTED = 100;

/** `?queue=` and what narrows it, `?limit=` (50), `?cursor=` of the answer before; the newest first. */
export async function listDeadLetters(door: Door, c: Ctx): Promise<Response> {
  const filter = filterOf(c);
  const limit = readWhole(c, "limit", 1, MAX_LISTED) ?? 50;
  const cursor = readCursor(c, CursorSchema);
  const shards = await shardsOf(door, c, queueOf(c), "?queue");
  const { page, cursor: next } = await listOver(door, shards, limit, {
    ask: (shard, at) => shard.listDead({ v: 1, filter, after: placeIn(at.shard, cursor), limit }),
    listOf: ({ tasks }) => tasks,
    placeOf: ({ at, one }): ListPlace => ({ endedAt: one.endedAt ?? 0, shard: at.shard, seq: one.seq }),
    compare: byNewest,
  });
  return json({ deadLetters: page.map(({ at, one }) => deadLetterView(at, one)), cursor: next });
}

/**
 * By type and cause, the largest group first; `?limit=` (100), `?cursor=` of the answer before. One shard goes on where
 * the page before ended. Of several each tells its largest thousand, which are joined before they are cut into pages:
 * `more` says that one of them had others.
 */
export async function groupDeadLetters(door: Door, c: Ctx): Promise<Response> {
  const filter = filterOf(c);
  const limit = readWhole(c, "limit", 1, MAX_LISTED) ?? MAX_LISTED;
  const cursor = readCursor(c, GroupCursorSchema);
  const shards = await shardsOf(door, c, queueOf(c), "?queue");
  const after = shards.length === 1 ? cursor : null;
  const answers = await askEach(door, shards, (shard) => shard.groupDead({ v: 1, filter, after }));
  const groups = new Map<string, { at: ShardAddress; group: DeadGroup }>();
  for (const { at, answer } of answers)
    for (const group of answer.groups) {
      const key = JSON.stringify([group.type, group.fingerprint]);
      const known = groups.get(key);
      groups.set(key, known ? join(known, { at, group }) : { at, group });
    }
  const sorted = [...groups.values()].sort((a, b) => byLargest(a.group, b.group));
  const rest = cursor === null ? sorted : sorted.filter(({ group }) => byLargest(cursor, group) < 0);
  const page = rest.slice(0, limit);
  const told = answers.some(({ answer }) => answer.more);
  const last = page.at(-1)?.group;
  const goesOn = last !== undefined && (rest.length > limit || (told && shards.length === 1));
  const { count, type, fingerprint } = last ?? { count: 0, type: "", fingerprint: "" };
  const next = writeCursor(goesOn ? { count, type, fingerprint } : null);
  return json({ groups: page.map(groupView), cursor: next, more: told && shards.length > 1 });
}

/** One, with its payload and every attempt. */
export async function getDeadLetter(door: Door, c: Ctx): Promise<Response> {
  const { at, seq } = await placeOfId(door, c);
  const [{ answer } = { answer: null }] = await askEach(door, [at], (shard) =>
    shard.listDead({ v: 1, filter: { seq }, after: null, limit: 1, texts: true }),
  );
  const record = answer?.tasks[0];
  if (!record) throw notDead(c);
  noteTask(c, taskId(at, seq));
  return json({ ...toTask(at.queue, at.shard, record), payload: JSON.parse(record.payload) as unknown });
}

/** 204: it is no dead letter any more; history has it as what it was. */
export async function discardDeadLetter(door: Door, c: Ctx): Promise<Response> {
  await refuseFields(c.req.raw, door.env.bodyLimit);
  const { at, seq } = await placeOfId(door, c);
  const asOf = Number.MAX_SAFE_INTEGER;
  const [{ answer } = { answer: null }] = await askEach(door, [at], (shard) =>
    shard.discardDead({ v: 1, filter: { seq }, asOf, dryRun: false }),
  );
  if (answer?.count !== 1) throw notDead(c);
  noteTask(c, taskId(at, seq));
  return new Response(null, { status: 204 });
}

/**
 * 202 with the task that it has become; the same again tells the same, for as long as history knows it; with another edit
 * it is 409. With `dryRun` 200 and what would become of it.
 */
export async function redriveDeadLetter(door: Door, c: Ctx): Promise<Response> {
  const { value = {} } = await readOptionalBody(c.req.raw, door.env.bodyLimit);
  const told = checkBody(RedriveOneSchema, value);
  const edit = told.edit && (await readEdit(door, told.edit, undefined));
  const { dryRun = false } = told;
  if (dryRun) {
    const place = await placeOfId(door, c);
    const tried = await tryRedriveOne(door, place.at, place.seq, edit ?? {});
    if (tried) return json(tried);
  }
  const asked = dryRun
    ? findTask(door, c.env.tenant, c.req.param("id") ?? "", {})
    : changeTask(door, c.env.tenant, c.req.param("id") ?? "", {
        isRepeatable: true,
        make: (shard, seq) => shard.redriveDead({ v: 1, seq, ...(edit && { edit }) }),
      });
  const { at, record } = await asked.catch((thrown) => {
    throw thrown instanceof Problem && NOWHERE.has(thrown.code) ? notDead(c) : thrown;
  });
  const became = redrivenAs(record);
  if (became === null) throw notDead(c);
  const { id, at: createdAt } = became;
  noteTask(c, id);
  if (became.mark !== editMark(edit)) throw redrivenOtherwise(became, edit !== undefined);
  const status = bornAs({ runAt: timeOfEdit(edit ?? {}, createdAt) }, createdAt);
  const replayOf = taskId(at, record.seq);
  if (dryRun)
    return json({
      dryRun,
      accepted: true,
      replayed: true,
      queue: at.queue,
      shard: at.shard,
      replayOf,
      duplicateOf: id,
    });
  const view = { id, queue: at.queue, status, createdAt: iso(createdAt), replayOf };
  return json(view, 202, { location: `/tasks/submissions/${id}` });
}

const NOWHERE: ReadonlySet<string> = new Set(["task-unknown", "task-expired-from-history"]);

/** Those of a filter, as many as a request has time for; `more` says that the same call again goes on. */
export async function discardDeadLetters(door: Door, c: Ctx): Promise<Response> {
  const told = checkBody(DiscardSchema, await readJson(c.req.raw, door.env.bodyLimit));
  const queue = told.queue as QueueName;
  const ids = idsOf(told.filter.ids, queue);
  const filter = deadFilterOf(told.filter);
  const dryRun = told.dryRun ?? false;
  const asOf = asOfOf(door, told.asOf) ?? door.ports.now();
  const deadline = deadlineOf(door.ports);
  let shards = await shardsOf(door, c, queue, "/queue");
  const places = new Map<number, DeadPlace>();
  let discarded = 0;
  for (;;) {
    const answers = await askEach(door, shards, (shard, at) => {
      const after = places.get(at.shard);
      return shard.discardDead({ v: 1, filter: filterAt(filter, ids, at), asOf, dryRun, ...(after && { after }) });
    });
    for (const { at, answer } of answers) {
      discarded += answer.count;
      if (answer.after) places.set(at.shard, answer.after);
    }
    shards = answers.filter(({ answer }) => answer.more).map(({ at }) => at);
    if (shards.length === 0 || door.ports.now() >= deadline) break;
    await giveWay(door.ports);
  }
  const counted = dryRun ? { matched: discarded } : { discarded };
  return json({ queue, ...counted, asOf: iso(asOf), more: shards.length > 0 });
}

function queueOf(c: Ctx): QueueName {
  const queue = c.req.query("queue");
  if (queue === undefined) throw queryProblem("queue", "is required: dead letters are a queue's");
  if (!QueueNameSchema.safeParse(queue).success) throw unknownQueue(queue, "?queue");
  return queue as QueueName;
}

/** What of a query narrows dead letters. */
export const DEAD_QUERY = ["type", "code", "fingerprint", "q", "tag", "from", "to"] as const;
const QuerySchema = DeadFilterSchema.omit({ ids: true });

/** @throws Problem invalid-request that names each parameter that is wrong */
function filterOf(c: Ctx): DeadFilter {
  const told = Object.fromEntries(DEAD_QUERY.map((name) => [name, c.req.query(name)]));
  const parsed = QuerySchema.safeParse(told);
  if (parsed.success) return deadFilterOf(parsed.data);
  const errors = parsed.error.issues.map(({ path, message }) => ({ pointer: `?${String(path[0])}`, detail: message }));
  throw new Problem("invalid-request", "A query parameter is wrong.", { errors });
}

async function placeOfId(door: Door, c: Ctx) {
  const parsed = parseTaskId(c.req.param("id") ?? "");
  const entry = parsed && (await knownPlace(door, c.env.tenant, parsed, deadlineOf(door.ports)));
  if (!parsed || !entry) throw notDead(c);
  const { queue, shard, seq } = parsed;
  return { at: { tenant: c.env.tenant, queue, shard }, seq };
}

function redrivenOtherwise({ id, mark }: Redriven, isEdited: boolean): Problem {
  const [how, wrong] =
    mark === null
      ? ["without an edit", "came too late: it was redriven without one"]
      : isEdited
        ? ["with another edit", "is another one than it was redriven with"]
        : ["with an edit", "is missing: it was redriven with one"];
  const errors = [{ pointer: "/edit", detail: wrong }];
  return new Problem("already-redriven", `It was redriven before, ${how}, as ${id}.`, { errors, taskId: id });
}

function notDead(c: Ctx): Problem {
  return new Problem("dead-letter-unknown", `${c.req.param("id")} is no dead letter, or no longer.`);
}

interface ListPlace extends DeadPlace {
  readonly shard: number;
}

/** By time, the newest first; then by shard; then the newest seq first. */
function byNewest(a: ListPlace, b: ListPlace): number {
  return b.endedAt - a.endedAt || a.shard - b.shard || b.seq - a.seq;
}

/** Where a shard goes on: of those of the cursor's moment, earlier shards have told all and later ones none. */
function placeIn(shard: number, cursor: ListPlace | null): DeadPlace | null {
  if (cursor === null || shard === cursor.shard) return cursor;
  return { endedAt: cursor.endedAt, seq: shard < cursor.shard ? 0 : Number.MAX_SAFE_INTEGER };
}

const GroupCursorSchema = z.strictObject({ count: z.int(), type: z.string(), fingerprint: z.string() });

/** As SQLite orders text: by code units of its bytes, which for ASCII (a type, a fingerprint, a code) are the same. */
function byLargest(a: GroupPlace, b: GroupPlace): number {
  return b.count - a.count || compareText(a.type, b.type) || compareText(a.fingerprint, b.fingerprint);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const CursorSchema = z.strictObject({ endedAt: z.int(), shard: z.int(), seq: z.int() });

function deadLetterView(at: ShardAddress, record: TaskRecord) {
  const { type, priority, tags, createdAt, endedAt, error, attempts, attemptsDropped, crashes, links } = record;
  return {
    id: taskId(at, record.seq),
    type,
    priority,
    tags,
    createdAt: iso(createdAt),
    endedAt: iso(endedAt ?? createdAt),
    error: error && publicError(error),
    attempts: attempts.length + attemptsDropped,
    crashes,
    // One that was redriven before, and died again.
    ...(links?.replayOf !== undefined && { replayOf: links.replayOf }),
  };
}

function join(a: { at: ShardAddress; group: DeadGroup }, b: { at: ShardAddress; group: DeadGroup }) {
  const [older, newer] = a.group.lastAt <= b.group.lastAt ? [a, b] : [b, a];
  const count = a.group.count + b.group.count;
  const firstAt = Math.min(older.group.firstAt, newer.group.firstAt);
  return { at: newer.at, group: { ...newer.group, count, firstAt } };
}

function groupView({ at, group }: { readonly at: ShardAddress; readonly group: DeadGroup }) {
  const { type, fingerprint, count, firstAt, lastAt, example, error } = group;
  const { code, message, class: name } = publicError(error);
  const times = { firstAt: iso(firstAt), lastAt: iso(lastAt) };
  return { type, fingerprint, count, ...times, code, message, class: name, example: taskId(at, example) };
}
