/**
 * The tasks that are next, in the order in which they start, as limits, turns and ages stand now. Only reads: the order is
 * found by running the one that claims go by forward, on a copy.
 */
import type { Seq } from "../../../core/ids.ts";
import type { Started } from "../../../core/pick.ts";
import type { Versioned } from "../../../core/schema/answer.ts";
import type { NextAnswer, NextTask } from "../../../core/schema/explain-rpc.ts";
import { refuse, type Shard } from "../shard.ts";
import { foresee } from "./foresee.ts";
import { findHeldBack } from "./held-back.ts";

const CREATED = "SELECT seq, created_at AS createdAt FROM task WHERE seq IN (SELECT value FROM json_each(?))";

export const MAX_NEXT = 100;

export function next(shard: Shard, { n }: Versioned & { readonly n: number }): NextAnswer {
  if (n > MAX_NEXT) return refuse("invalid-request", `at most ${MAX_NEXT} tasks a call`);
  const { blocked, due, lanes, settings } = shard.memory;
  const now = shard.ports.now();
  const waiting = { queued: lanes.queued, notDue: due.count, nextDueAt: due.next, blocked };
  if (!settings || lanes.queued === 0)
    return { v: 1, ok: true, ...waiting, tasks: [], mayStart: 0, heldBack: [], heldByOthers: 0 };
  const foresight = foresee(shard, settings, now);
  const tasks: Omit<NextTask, "createdAt">[] = [];
  while (tasks.length < n) {
    const started = foresight.next();
    if (!started) break;
    tasks.push({ ...taskOf(started), rank: foresight.priorityOf(started) });
  }
  const { room, ...held } = findHeldBack(shard, settings, now);
  const mayStart = Math.min(tasks.length, room);
  return { v: 1, ok: true, ...waiting, tasks: withTimes(shard, tasks), mayStart, ...held };
}

function taskOf({ seq, lane }: Started): Omit<NextTask, "createdAt" | "rank"> {
  const { type, priority, limitKey, fairnessKey } = lane.key;
  return { seq, type, priority, limitKey, fairnessKey };
}

function withTimes(shard: Shard, tasks: readonly Omit<NextTask, "createdAt">[]): NextTask[] {
  const seqs = JSON.stringify(tasks.map(({ seq }) => seq));
  const times = new Map(
    shard.sql
      .all<{ readonly seq: Seq; readonly createdAt: number }>(CREATED, seqs)
      .map(({ seq, createdAt }) => [seq, createdAt]),
  );
  return tasks.map((task) => ({ ...task, createdAt: times.get(task.seq) ?? 0 }));
}
