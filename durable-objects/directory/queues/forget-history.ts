/**
 * What history has of a deleted queue goes: noted in the transaction that deletes the queue, worked off by the alarm in
 * the background, ten portions at a time, over restarts and while D1 is away. Which tasks are meant its shards say, once
 * they have heard: those that were given ids by then. A walk reads all that the tenant has, of whichever queues: so those
 * that are deleted while one is under way share the next one. It is done twice, an hour apart, because a flush may have
 * been on its way to D1; what comes from it meanwhile is told to nobody (reads/known-queues.ts).
 */

import type { TenantName } from "../../../core/ids.ts";
import { describeThrown } from "../../../core/log.ts";
import type { QueueEntry } from "../../../core/schema/directory-rpc.ts";
import { forgetPortion } from "../../../history/forget-queue.ts";
import { callWithin, fanOut } from "../../stubs.ts";
import { write } from "../perform.ts";
import { type DirectoryState, done } from "../state.ts";
import {
  type DueWalk,
  dueToAsk,
  dueToWalk,
  dueWalks,
  endGone,
  endWalk,
  type GoneRow,
  insertGone,
  joinWalk,
  keepWalk,
  putOffGone,
} from "./gone-rows.ts";
import { addressOf } from "./queue-entry.ts";

const PORTIONS = 10;
/** Its shards are told just now; one that has not heard is told each 2 s (push-settings.ts). */
const TOLD_MS = 1_000;
const UNTOLD_MS = 2_000;
const ANSWER_WITHIN_MS = 1_000;
/** After the shards' answers, or their loss. */
const ASK_AGAIN_MS = 60_000;
/** Between portions: other work of D1 has its turn. */
const PACE_MS = 1_000;
const AWAY_MS = 60_000;
/** Longer than a flush is on its way. */
const LATE_MS = 3_600_000;
const PASSES = 2;

export interface DueForgetting {
  /** Their shards are asked for their marks. */
  readonly asks: readonly GoneRow[];
  readonly walks: readonly DueWalk[];
}

/** Inside the transaction that deletes the queue. */
export function noteGone(state: DirectoryState, entry: QueueEntry): void {
  insertGone(state, entry, state.ports.now() + TOLD_MS);
}

/** What the alarm is to work at. Inside a transaction. */
export function takeDueGone(state: DirectoryState, now: number): DueForgetting {
  for (const row of dueToWalk(state, now)) joinWalk(state, row, now);
  const asks = dueToAsk(state, now);
  for (const row of asks) putOffGone(state, row, now + ASK_AGAIN_MS);
  return { asks, walks: dueWalks(state, now) };
}

/** Never rejects. */
export async function forgetHistory(state: DirectoryState, { asks, walks }: DueForgetting): Promise<void> {
  await Promise.all([fanOut(asks, (row) => askMarks(state, row)), fanOut(walks, (walk) => walkOn(state, walk))]);
}

async function askMarks(state: DirectoryState, row: GoneRow): Promise<void> {
  const marks = await marksOf(state, row);
  const now = state.ports.now();
  const known = { ...row, marks: JSON.stringify(marks) };
  write(state, () => {
    if (marks.includes(null)) putOffGone(state, known, now + UNTOLD_MS);
    // None of its shards has ever given an id.
    else if (marks.every((mark) => mark === 0)) endGone(state, row);
    else joinWalk(state, known, now);
    return done({});
  });
}

async function walkOn(state: DirectoryState, { history, rows, cursor: from }: DueWalk): Promise<void> {
  const { ports } = state;
  const gone = { tenant: state.name as TenantName, marks: marksTogether(rows) };
  let cursor = from;
  let isOver = rows.length === 0;
  let deleted = 0;
  try {
    const database = ports.history(history);
    if (!database) throw new Error(`HISTORY_${history} is not bound`);
    for (let i = 0; i < PORTIONS && !isOver; i++) {
      const portion = await forgetPortion(database, gone, cursor, ports);
      deleted += portion.deleted;
      isOver = portion.cursor === null;
      cursor = portion.cursor ?? cursor;
    }
  } catch (error) {
    ports.log("warn", "history-not-forgotten", {
      queues: rows.length,
      database: history,
      detail: describeThrown(error),
    });
    write(state, () => done({ kept: keepWalk(state, history, cursor, ports.now() + AWAY_MS) }));
    return;
  }
  if (deleted > 0) ports.log("info", "history-forgotten", { queues: rows.length, database: history, deleted });
  const now = ports.now();
  write(state, () => {
    if (isOver) endWalk(state, history, { passes: PASSES, again: now + LATE_MS, now });
    else keepWalk(state, history, cursor, now + PACE_MS);
    return done({});
  });
}

/** By queue; of one that was deleted twice the later marks, which are higher. */
function marksTogether(rows: readonly GoneRow[]): Map<string, number[]> {
  const together = new Map<string, number[]>();
  for (const row of rows) {
    const marks = together.get(row.queue) ?? [];
    for (const [shard, mark] of marksIn(row).entries()) marks[shard] = Math.max(marks[shard] ?? 0, mark ?? 0);
    together.set(row.queue, marks);
  }
  return together;
}

function marksIn({ marks }: GoneRow): (number | null)[] {
  return JSON.parse(marks) as (number | null)[];
}

/** By shard; null: it has not said yet. */
async function marksOf(state: DirectoryState, row: GoneRow): Promise<(number | null)[]> {
  const { ports } = state;
  const { queue, generation } = row;
  return await fanOut(Array.from(marksIn(row).entries()), async ([shard, mark]) => {
    if (mark !== null) return mark;
    const asked = ports.shard(addressOf(state, queue, shard));
    const answer = await callWithin(ports, ANSWER_WITHIN_MS, () =>
      asked.firstSeq({ v: 1, generation: generation + 1 }),
    );
    return answer.ok ? answer.first : null;
  });
}
