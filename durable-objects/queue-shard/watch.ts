/**
 * Tells those who watch tasks when one stands otherwise than they have seen it. A long poll: who watches lives in memory,
 * and a lost object loses the question only. Nothing is done while nobody watches; with watchers, operations only ask for
 * a look, and looks keep a distance, so however much happens, they cost at most one statement each 100 ms and ten tasks
 * a millisecond.
 */
import type { Seq } from "../../core/ids.ts";
import { markOf, markOfRecord } from "../../core/mark.ts";
import { type Changed, MAX_WATCHED, type WatchAnswer, type WatchRequest } from "../../core/schema/watch-rpc.ts";
import type { Status } from "../../core/status.ts";
import { MAX_READ, read } from "./read.ts";
import { failure, refuse, type Shard, type Watcher } from "./shard.ts";

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
  const changed = changedOf(shard, seen, standingOf(shard, seen));
  if (changed.length > 0 || waitMs <= 0 || shard.draining) respond(tell(shard, changed));
  else if (shard.watchers.size >= MAX_WATCHERS) respond(refuse("overloaded", "too many watch this shard"));
  else {
    const watcher: Watcher = {
      seen,
      respond,
      stopTimer: shard.ports.later(Math.min(waitMs, MAX_WAIT_MS), () => answer(shard, watcher, tell(shard, []))),
    };
    shard.watchers.add(watcher);
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
    for (const watcher of [...shard.watchers]) {
      const changed = changedOf(shard, watcher.seen, standing);
      if (changed.length > 0) answer(shard, watcher, tell(shard, changed));
    }
  } catch (error) {
    for (const watcher of [...shard.watchers]) answer(shard, watcher, failure(error));
  }
}

function distance({ watchers }: Shard): number {
  let tasks = 0;
  for (const { seen } of watchers) tasks += seen.length;
  return LOOK_EACH_MS + Math.ceil(tasks / TASKS_A_MS);
}

function answer(shard: Shard, watcher: Watcher, told: WatchAnswer): void {
  shard.watchers.delete(watcher);
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

/** Those that differ, the first hundred: an answer of more may be larger than RPC carries. What has no row is looked for among what history has yet to take. */
function changedOf(shard: Shard, seen: WatchRequest["seen"], standing: ReadonlyMap<Seq, string>): Changed[] {
  const differing = seen.filter(([seq, mark]) => (standing.get(seq) ?? "") !== mark).slice(0, MAX_READ);
  if (differing.length === 0) return [];
  const found = read(shard, { v: 1, seqs: differing.map(([seq]) => seq), texts: false });
  if (!found.ok) throw new Error(found.detail);
  return differing.flatMap(([seq, mark], i) => {
    const task = found.tasks[i] ?? null;
    return task === null || markOfRecord(task) !== mark ? [{ seq, task }] : [];
  });
}
