/** Why a task is where it is: gathers what the shard knows of it; what that means is core/explain. Only reads. */

import { explainEnded, explainRunning, explainWaiting, type WaitingExplanation } from "../../../core/explain.ts";
import type { WaitingFacts, WorkersFacts } from "../../../core/explain-facts.ts";
import { countAhead, type Foresight, type Sought } from "../../../core/foresee.ts";
import type { Seq } from "../../../core/ids.ts";
import type { LaneKey, LaneMode } from "../../../core/lanes.ts";
import type { Versioned } from "../../../core/schema/answer.ts";
import type { ExplainAnswer } from "../../../core/schema/explain-rpc.ts";
import { type QueueSettings, shareOf } from "../../../core/schema/queue-settings.ts";
import { isFinished, type WaitingStatus } from "../../../core/status.ts";
import { isDeleted } from "../../../history/tombstone.ts";
import { freeSlots, knows, stopOf } from "../running/claim.ts";
import type { Shard } from "../shard.ts";
import { recordOf, rowsOf } from "../task-rows.ts";
import { foresee, isSoloBusy, knownVersion, type Looked } from "./foresee.ts";
import { readOne } from "./read.ts";

export function explain(shard: Shard, { seq }: Versioned & { readonly seq: Seq }): ExplainAnswer {
  const now = shard.ports.now();
  const { memory } = shard;
  const { settings } = memory;
  if (!memory.hasTables || !settings) return { v: 1, ok: true, explanation: null };
  const [row] = rowsOf(shard.sql, [seq]);
  if (!row || row.status === "FAILED") {
    const record = row ? recordOf(row) : readOne(shard, seq);
    return { v: 1, ok: true, explanation: record === null || isDeleted(record) ? null : explainEnded(record) };
  }
  const { status } = row;
  if (isFinished(status)) throw new Error(`task ${seq} is ${status} and has a row`);
  if (status === "RUNNING") {
    const session = row.session === null ? undefined : memory.sessions.get(row.session);
    const claim = session?.claims.get(seq);
    if (!session || !claim) throw new Error(`task ${seq} runs in no session`);
    const { leaseUntil, worker } = session;
    return {
      v: 1,
      ok: true,
      explanation: { status, ...explainRunning(claim, { leaseUntil, worker: worker.name }) },
    };
  }
  const { error } = recordOf(row);
  const waiting = {
    ...row,
    status,
    runAt: row.run_at,
    expiresAt: row.expires_at,
    limitKey: row.limit_key,
    fairnessKey: row.fairness_key,
    error,
  };
  return { v: 1, ok: true, explanation: { status, ...explainWait(shard, settings, waiting, now) } };
}

/** A task that waits, or would. */
export interface Waiting extends Sought {
  readonly status: WaitingStatus;
  readonly mode: LaneMode;
  readonly runAt: number | null;
  readonly expiresAt: number | null;
  readonly spent: number;
  readonly crashes: number;
  readonly error: WaitingFacts["task"]["error"];
}

/** @param others tasks that nobody has submitted yet, among which it may be */
export function explainWait(
  shard: Shard,
  settings: QueueSettings,
  task: Waiting,
  now: number,
  others?: Looked["others"],
): WaitingExplanation {
  const { memory } = shard;
  const { concurrency, paused } = settings;
  const look = (looked: Looked) => foresee(shard, settings, now, { ...looked, ...(others && { others }) });
  const whole = task.status === "QUEUED" ? look({}) : null;
  // As they stand: to look ahead changes the copies.
  const standings = whole?.rules.limits?.standings(task, now) ?? { queue: null, type: null, key: null };
  return explainWaiting({
    now,
    queue: shard.address.queue,
    task,
    isPaused: paused,
    isStopping: shard.draining,
    knownVersion: knownVersion(memory, task.type),
    concurrency: {
      running: memory.running,
      limit: concurrency === null ? null : shareOf(concurrency, settings, shard.address.shard),
    },
    standings,
    isSoloBusy: isSoloBusy(memory),
    workers: workersFor(shard, settings, task, now),
    ahead: whole && aheadOf(task, whole, look),
  });
}

/**
 * What goes before a task, in the whole queue as its limits stand; or where they, or its type, never let it start, of
 * those that wait for the same.
 */
function aheadOf(task: Waiting, whole: Foresight, look: (looked: Looked) => Foresight): WaitingFacts["ahead"] {
  const inQueue = countAhead(whole, task);
  if (inQueue) return { ...inQueue, among: "queue" };
  const [among, isWanted] = whoWaitsToo(task, whole);
  const isForAnyWorker = !whole.rules.knows(task.type, task.version);
  const ahead = countAhead(look({ isWanted, isUnlimited: true, isForAnyWorker }), task);
  return ahead && { ...ahead, among };
}

type Group = readonly ["type" | "limitKey" | "solo", (key: LaneKey) => boolean];

/** @param whole run to its end */
function whoWaitsToo({ type, version, limitKey, mode }: Waiting, { soloRoom, rules }: Foresight): Group {
  const { knows: isKnown, limits, now } = rules;
  if (!isKnown(type, version)) return ["type", (key) => key.type === type && key.version === version];
  if (limitKey !== null && limits?.keyRoom(limitKey, now) === 0)
    return ["limitKey", (key) => key.limitKey === limitKey];
  if (mode === "solo" && soloRoom === 0) return ["solo", (key) => key.mode === "solo"];
  return ["type", (key) => key.type === type];
}

/** Sessions that could take it, and more that may come. */
function workersFor(shard: Shard, settings: QueueSettings, task: Waiting, now: number): WorkersFacts {
  const { memory } = shard;
  const isSolo = task.mode === "solo";
  let sessions = 0;
  let free = 0;
  for (const session of memory.sessions.values()) {
    if (session.solo !== isSolo) continue;
    sessions++;
    const takes = stopOf(shard, session, now) === "no" && knows(session.worker)(task.type, task.version);
    if (takes) free += freeSlots(session);
  }
  let tickets = 0;
  let calledAt: number | null = null;
  for (const { solo, issuedAt } of memory.tickets.values()) {
    if (solo !== isSolo) continue;
    tickets++;
    calledAt = Math.min(calledAt ?? issuedAt, issuedAt);
  }
  const { maxSessions, slots } = isSolo ? { maxSessions: 1, slots: 1 } : settings;
  return { sessions, maxSessions, slots, free, tickets, calledAt, unheeded: memory.unheeded };
}
