/**
 * Tells those who watch tasks when one stands otherwise than they have seen it. A long poll: who watches lives in memory,
 * and a lost object loses the question only. Nothing is done while nobody watches; with watchers, operations only ask for
 * a look, and looks keep a distance, so however much happens, they cost at most one statement each 100 ms and ten tasks
 * a millisecond.
 */
import type { Seq } from "../../../core/ids.ts";
import { markOf, markOfRecord } from "../../../core/mark.ts";
import { type Changed, MAX_WATCHED, type WatchAnswer, type WatchRequest } from "../../../core/schema/watch-rpc.ts";
import type { Status } from "../../../core/status.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { isDeleted } from "../../../history/tombstone.ts";
import { failure, refuse, type Shard, type Watcher } from "../shard.ts";
import { MAX_READ, read } from "./read.ts";

type Standing = readonly [seq: Seq, rev: number, status: Status, session: number | null];
const STANDING = "SELECT seq, rev, status, session FROM task WHERE seq IN (SELECT value FROM json_each(?))";

const LOOK_EACH_MS = 100;
/** So many watched tasks make looks rarer by a millisecond. */
const TASKS_A_MS = 10;
const MAX_WATCHERS = 10_000;
const MAX_WAIT_MS = 60_000;

/** `respond` is called once: now where something differs, else when it does, or after `waitMs` with nothing. */
export function watch(shard: Shard, request: WatchRequest, respond: (answer: WatchAnswer) => void): void {
  const { seen, waitMs } = request;
  if (seen.length > MAX_WATCHED) {
    respond(refuse("invalid-request", `at most ${MAX_WATCHED} tasks a call`));
    return;
  }
  const differing = differingOf(seen, standingOf(shard, seen));
  const changed = changedOf(differing, tasksOf(shard, new Set(differing.map(([seq]) => seq))));
  if (changed.length > 0 || waitMs <= 0 || shard.draining) respond(tell(shard, changed));
  else if (shard.watchers.size >= MAX_WATCHERS) respond(refuse("overloaded", "too many watch this shard"));
  else {
    const watcher: Watcher = {
      seen,
      respond,
      stopTimer: shard.ports.later(Math.min(waitMs, MAX_WAIT_MS), () => answer(shard, watcher, tell(shard, []))),
    };
    shard.watchers.add(watcher);
    for (const [seq] of seen) {
      const others = shard.watchersOf.get(seq);
      if (others) others.add(watcher);
      else shard.watchersOf.set(seq, new Set([watcher]));
    }
  }
}

/**
 * Of tasks that have ended, at once: by the next look history may have taken them, and each that watches would ask there
 * (a thousand streams whose tasks ended together took 7 s, most of it D1's).
 */
export function tellWatchersOfEnd(shard: Shard, ended: readonly TaskRecord[]): void {
  for (const record of ended)
    for (const watcher of shard.watchersOf.get(record.seq) ?? []) {
      const task = { ...record, payload: "null", result: null };
      answer(shard, watcher, tell(shard, [{ seq: record.seq, task }]));
    }
}

/** Something may have changed: looks soon, unless a look is due already. Never throws. */
export function lookForWatchers(shard: Shard, now: number): void {
  if (shard.watchers.size === 0 || shard.stopWatchLook) return;
  const sinceLast = now - shard.watchedAt;
  const left = sinceLast < 0 ? 0 : Math.max(0, distance(shard) - sinceLast);
  shard.stopWatchLook = shard.ports.later(left, () => look(shard));
}

/** The service stops. */
export function sendWatchersAway(shard: Shard): void {
  for (const watcher of [...shard.watchers]) answer(shard, watcher, tell(shard, []));
}

function look(shard: Shard): void {
  shard.stopWatchLook = null;
  shard.watchedAt = shard.ports.now();
  try {
    const standing = standingOf(shard, Array.from(shard.watchers, ({ seen }) => seen).flat());
    const due = new Map<Watcher, WatchRequest["seen"]>();
    const wanted = new Set<Seq>();
    for (const watcher of shard.watchers) {
      const differing = differingOf(watcher.seen, standing);
      if (differing.length === 0) continue;
      if (wanted.size + differing.length > MAX_READ) answerDue(shard, due, wanted);
      due.set(watcher, differing);
      for (const [seq] of differing) wanted.add(seq);
    }
    answerDue(shard, due, wanted);
  } catch (error) {
    for (const watcher of [...shard.watchers]) answer(shard, watcher, failure(error));
  }
}

/** A hundred tasks at a time: what is on its way to history is unpacked whole for each question. */
function answerDue(shard: Shard, due: Map<Watcher, WatchRequest["seen"]>, wanted: Set<Seq>): void {
  const tasks = tasksOf(shard, wanted);
  for (const [watcher, differing] of due) {
    const changed = changedOf(differing, tasks);
    if (changed.length > 0) answer(shard, watcher, tell(shard, changed));
  }
  due.clear();
  wanted.clear();
}

function distance({ watchers }: Shard): number {
  let tasks = 0;
  for (const { seen } of watchers) tasks += seen.length;
  return LOOK_EACH_MS + Math.ceil(tasks / TASKS_A_MS);
}

function answer(shard: Shard, watcher: Watcher, told: WatchAnswer): void {
  if (!shard.watchers.delete(watcher)) return;
  for (const [seq] of watcher.seen) {
    const others = shard.watchersOf.get(seq);
    others?.delete(watcher);
    if (others?.size === 0) shard.watchersOf.delete(seq);
  }
  watcher.stopTimer();
  if (shard.watchers.size === 0) {
    shard.stopWatchLook?.();
    shard.stopWatchLook = null;
  }
  watcher.respond(told);
}

function tell({ draining }: Shard, changed: readonly Changed[]): WatchAnswer {
  return { v: 1, ok: true, changed, stopping: draining };
}

/** The marks of those that have a row: by the index alone but for revision, status and session, never by their payloads. */
function standingOf(shard: Shard, seen: WatchRequest["seen"]): Map<Seq, string> {
  const { memory, sql } = shard;
  const marks = new Map<Seq, string>();
  if (!memory.hasTables) return marks;
  for (const [seq, rev, status, session] of sql.rows<Standing>(STANDING, JSON.stringify(seen.map(([seq]) => seq)))) {
    const claim = session === null ? undefined : memory.sessions.get(session)?.claims.get(seq);
    const { startedAt = null, progress = null, cancelAt = null } = claim ?? {};
    marks.set(seq, markOf({ rev, status, startedAt, progress, cancelRequested: cancelAt !== null }));
  }
  return marks;
}

/** The first hundred of those that differ: an answer of more may be larger than RPC carries. */
function differingOf(seen: WatchRequest["seen"], standing: ReadonlyMap<Seq, string>): WatchRequest["seen"] {
  return seen.filter(([seq, mark]) => (standing.get(seq) ?? "") !== mark).slice(0, MAX_READ);
}

/** Also those that have no row, and wait for history to take them. @param seqs a hundred at most */
function tasksOf(shard: Shard, seqs: ReadonlySet<Seq>): Map<Seq, TaskRecord | null> {
  if (seqs.size === 0) return new Map();
  const list = [...seqs];
  const found = read(shard, { v: 1, seqs: list, texts: false });
  if (!found.ok) throw new Error(found.detail);
  return new Map(list.map((seq, i) => [seq, found.tasks[i] ?? null]));
}

function changedOf(differing: WatchRequest["seen"], tasks: ReadonlyMap<Seq, TaskRecord | null>): Changed[] {
  return differing.flatMap(([seq, mark]) => {
    const known = tasks.get(seq) ?? null;
    // Of one whose data was deleted there is nothing to tell but that, which whoever then asks history hears.
    const task = known !== null && isDeleted(known) ? null : known;
    return task === null || markOfRecord(task) !== mark ? [{ seq, task }] : [];
  });
}
