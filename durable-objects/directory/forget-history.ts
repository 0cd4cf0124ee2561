/**
 * What history has of a deleted queue goes: noted in the transaction that deletes the queue, worked off by the alarm in
 * the background, ten portions at a time, over restarts and while D1 is away. Which tasks are meant its shards say, once
 * they have heard: those that were given ids by then. It is done twice, an hour apart, because a flush may have been on its
 * way to D1; what comes from it meanwhile is told to nobody (reads/known-queues.ts).
 */

import type { QueueName, TenantName } from "../../core/ids.ts";
import { describeThrown } from "../../core/log.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import { forgetPortion } from "../../history/forget-queue.ts";
import type { RetentionCursor } from "../../history/retention.ts";
import { callWithin, fanOut } from "../stubs.ts";
import { write } from "./perform.ts";
import { addressOf } from "./queue-entry.ts";
import { type DirectoryState, done } from "./state.ts";

const NOTE = `INSERT OR REPLACE INTO gone (queue, generation, history, marks, try_at) VALUES (?, ?, ?, ?, ?)`;
const DUE = `SELECT queue, generation, history, marks, cursor, passes FROM gone WHERE try_at <= ?
  ORDER BY try_at LIMIT 4`;
const PUT_OFF = "UPDATE gone SET try_at = ?3 WHERE queue = ?1 AND generation = ?2";
const KEEP = "UPDATE gone SET marks = ?3, cursor = ?4, passes = ?5, try_at = ?6 WHERE queue = ?1 AND generation = ?2";
const END = "DELETE FROM gone WHERE queue = ? AND generation = ?";

const PORTIONS = 10;
/** Its shards are told just now; one that has not heard is told each 2 s (push-settings.ts). */
const TOLD_MS = 1_000;
const UNTOLD_MS = 2_000;
const ANSWER_WITHIN_MS = 1_000;
/** Between portions: other work of D1 has its turn. */
const PACE_MS = 1_000;
const AWAY_MS = 60_000;
/** More than the longest that ten portions take, so that they are not under way twice. */
const AGAIN_MS = 600_000;
/** Longer than a flush is on its way. */
const LATE_MS = 3_600_000;
const PASSES = 2;

interface GoneRow {
  readonly queue: QueueName;
  readonly generation: number;
  readonly history: number;
  readonly marks: string;
  readonly cursor: string | null;
  readonly passes: number;
}

/** Inside the transaction that deletes the queue. */
export function noteGone(state: DirectoryState, { queue, settings, shardsEver }: QueueEntry): void {
  const marks = JSON.stringify(Array.from({ length: shardsEver }, () => null));
  state.sql.run(NOTE, queue, settings.generation, settings.history, marks, state.ports.now() + TOLD_MS);
}

/** What the alarm is to work at. Inside a transaction. */
export function takeDueGone(state: DirectoryState, now: number): GoneRow[] {
  const due = state.sql.all<GoneRow>(DUE, now);
  for (const { queue, generation } of due) state.sql.run(PUT_OFF, queue, generation, now + AGAIN_MS);
  return due;
}

/** Never rejects. */
export async function forgetHistory(state: DirectoryState, due: readonly GoneRow[]): Promise<void> {
  await fanOut(due, (row) => forgetSome(state, row));
}

async function forgetSome(state: DirectoryState, row: GoneRow): Promise<void> {
  const { ports } = state;
  const { queue, generation, history } = row;
  const marks = await marksOf(state, row);
  const known = marks.filter((mark) => mark !== null);
  if (known.length < marks.length) {
    keep(state, { ...row, marks: JSON.stringify(marks) }, UNTOLD_MS);
    return;
  }
  if (known.every((mark) => mark === 0)) {
    end(state, row);
    return;
  }
  const gone = { tenant: state.name as TenantName, queue, marks: known };
  let cursor = row.cursor === null ? null : (JSON.parse(row.cursor) as RetentionCursor);
  const now = () => ({ ...row, marks: JSON.stringify(marks), cursor: cursor && JSON.stringify(cursor) });
  let deleted = 0;
  try {
    const database = ports.history(history);
    if (!database) throw new Error(`HISTORY_${history} is not bound`);
    for (let i = 0; i < PORTIONS; i++) {
      const portion = await forgetPortion(database, gone, cursor, ports);
      deleted += portion.deleted;
      cursor = portion.cursor;
      if (cursor === null) break;
    }
  } catch (error) {
    ports.log("warn", "history-not-forgotten", { queue, generation, database: history, detail: describeThrown(error) });
    keep(state, now(), AWAY_MS);
    return;
  }
  if (deleted > 0) ports.log("info", "history-forgotten", { queue, generation, database: history, deleted });
  if (cursor !== null) keep(state, now(), PACE_MS);
  else if (row.passes + 1 < PASSES) keep(state, { ...now(), passes: row.passes + 1 }, LATE_MS);
  else end(state, row);
}

/** By shard; null: it has not said yet. */
async function marksOf(state: DirectoryState, { queue, generation, marks }: GoneRow): Promise<(number | null)[]> {
  const { ports } = state;
  return await fanOut(Array.from((JSON.parse(marks) as (number | null)[]).entries()), async ([shard, mark]) => {
    if (mark !== null) return mark;
    const asked = ports.shard(addressOf(state, queue, shard));
    const answer = await callWithin(ports, ANSWER_WITHIN_MS, () =>
      asked.firstSeq({ v: 1, generation: generation + 1 }),
    );
    return answer.ok ? answer.first : null;
  });
}

function keep(state: DirectoryState, { queue, generation, marks, cursor, passes }: GoneRow, ms: number): void {
  write(state, () => {
    state.sql.run(KEEP, queue, generation, marks, cursor, passes, state.ports.now() + ms);
    return done({});
  });
}

function end(state: DirectoryState, { queue, generation }: GoneRow): void {
  write(state, () => {
    state.sql.run(END, queue, generation);
    return done({});
  });
}
