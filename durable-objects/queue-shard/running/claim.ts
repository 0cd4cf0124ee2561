/**
 * Hands tasks to a session: the best ones at this moment, whatever was waiting when its ticket was sent. The rule of
 * order is core/pick; here it meets SQL. A claim of ten takes 0.1 ms from a thousand to a million waiting tasks.
 */

import type { Band } from "../../../core/bands.ts";
import { MAX_ANSWER_BYTES, MAX_PAYLOAD_BYTES } from "../../../core/bytes.ts";
import type { Seq } from "../../../core/ids.ts";
import type { Lane } from "../../../core/lanes.ts";
import { deadlineOf, type HeldClaim, SESSION_CLAIM_MS } from "../../../core/lease.ts";
import { type PickRules, pickLane, runnableBands, type Started, startNext } from "../../../core/pick.ts";
import { shareOf } from "../../../core/schema/queue-settings.ts";
import type { ClaimedTask, Handout, Worker } from "../../../core/schema/session-rpc.ts";
import type { TaskRecord } from "../../../core/task.ts";
import type { Memory, Session } from "../memory.ts";
import type { Shard } from "../shard.ts";
import { optionsOf, type TaskRow } from "../task-rows.ts";
import { expireHead, mayBeOver } from "../waiting/expire.ts";
import { refillIfShort } from "../waiting/lane-rows.ts";
import { keepLevels } from "./bucket-rows.ts";

const CLAIM = `UPDATE task SET status = 'RUNNING', session = ?1, rev = rev + 1
  WHERE seq IN (SELECT value FROM json_each(?2)) AND status = 'QUEUED'
  RETURNING seq, type, version, payload, attempt, options`;

type ClaimedRow = readonly [
  seq: Seq,
  type: string,
  version: number,
  payload: string,
  attempt: number,
  options: string | null,
];

/** A claim ends so many of those that have expired; the next one goes on, and so does the alarm. */
const MOST_EXPIRED = 1_000;

/** Claimed at once: so many of the largest payload fit an answer twice over, what follows is looked at in between. */
const CHUNK = Math.floor((2 * MAX_ANSWER_BYTES) / MAX_PAYLOAD_BYTES);

/**
 * How many more tasks the queue lets this shard start now, by its concurrency and its rate; Infinity where it has neither.
 * Whoever asks is about to look at lanes: those whose keys have a token again are open from here on.
 */
export function roomLeft(shard: Shard, now: number): number {
  const { limits, settings, running } = shard.memory;
  limits?.release(now);
  const room = limits?.queueRoom(now) ?? Number.POSITIVE_INFINITY;
  if (!settings || settings.concurrency === null) return room;
  return Math.min(room, Math.max(0, shareOf(settings.concurrency, settings, shard.address.shard) - running));
}

/** Slots of a session that no begun task holds. */
export function freeSlots(session: Session): number {
  return Math.max(0, session.slots - session.begun);
}

export function knows(worker: Worker): (type: string, version: number) => boolean {
  return (type, version) => (worker.types[type] ?? -1) >= version;
}

/** Whether a session gets nothing more and is to end, and how. */
export function stopOf(shard: Shard, session: Session, now: number): Handout["stop"] {
  if (shard.draining) return "drain";
  const { settings } = shard.memory;
  if (!settings || session.handed >= settings.sessionMaxTasks) return "finish";
  return session.worker.kind === "consumer" && now - session.openedAt > SESSION_CLAIM_MS ? "finish" : "no";
}

/** Told once and no more: a session whose last tasks take their time asks on, and each answer would be the next question. */
export function isNewStop(stop: Handout["stop"], heard: Handout["stop"]): boolean {
  return stop !== "no" && stop !== heard && heard !== "drain";
}

export interface Claimed {
  readonly tasks: readonly ClaimedTask[];
  /** Tasks that were next and had to begin by now: ended, and for the caller to tell of. */
  readonly expired: readonly TaskRecord[];
}
const NOTHING: Claimed = { tasks: [], expired: [] };

/**
 * Claims up to `want` tasks for a session, highest priority first; inside a transaction. The caller writes the session's row.
 * @param turn the turn whose answer will carry them
 */
export function claim(shard: Shard, session: Session, turn: number, want: number, now: number): Claimed {
  const { memory } = shard;
  const { settings } = memory;
  if (!settings || want <= 0 || memory.lanes.queued === 0 || stopOf(shard, session, now) !== "no") return NOTHING;
  let left = Math.min(want, roomLeft(shard, now), settings.sessionMaxTasks - session.handed);
  let free = freeSlots(session);
  const { ageStepMs, paused } = settings;
  const { fair, limits } = memory;
  const rules = { paused, knows: knows(session.worker), solo: session.solo, limits, fair, ageStepMs, now };
  const runnable = runnableBands(memory.lanes, rules);

  const tasks: ClaimedTask[] = [];
  const expired: TaskRecord[] = [];
  let bytes = 0;
  while (left > 0 && bytes < MAX_ANSWER_BYTES) {
    const picked = pickTasks(shard, runnable, Math.min(left, CHUNK), free, rules, expired);
    if (picked.length === 0) break;
    for (const [i, row] of takeRows(shard, session, picked).entries()) {
      const isStarted = free > 0;
      if (isStarted) free--;
      const [seq, type, version, payload, attempt, options] = row;
      const { timeoutMs = settings.timeoutMs } = optionsOf({ options });
      const startedAt = isStarted ? now : null;
      const limitKey = picked[i]?.lane.key.limitKey ?? null;
      const held: HeldClaim = {
        seq,
        type,
        limitKey,
        attempt: attempt + 1,
        timeoutMs,
        turn,
        startedAt,
        progress: null,
        cancelAt: null,
      };
      holdClaim(memory, session, held);
      bytes += payload.length;
      tasks.push(toClaimedTask({ type, version, payload, options }, held));
    }
    keepLevels(shard, now);
    left -= picked.length;
  }
  session.handed += tasks.length;
  return { tasks, expired };
}

/** @param expired gets those that were next and have expired */
function pickTasks(
  shard: Shard,
  runnable: readonly Band[],
  most: number,
  free: number,
  rules: PickRules,
  expired: TaskRecord[],
): Started[] {
  const { lanes } = shard.memory;
  const refill = (lane: Lane) => refillIfShort(shard, lane);
  const isAnyOver = mayBeOver(shard, rules.now);
  const picked: Started[] = [];
  while (picked.length < most) {
    if (isAnyOver) {
      const lane = pickLane(runnable, picked.length < free, lanes, rules);
      const over = lane ? expireHead(shard, lane, rules.now) : [];
      expired.push(...over);
      if (expired.length >= MOST_EXPIRED) break;
      if (over.length > 0) continue;
    }
    const next = startNext(runnable, picked.length < free, lanes, rules, refill);
    if (!next) break;
    picked.push(next);
  }
  return picked;
}

/** In the order picked: RETURNING promises none, and gives them by seq, which mostly is the same. */
function takeRows(shard: Shard, session: Session, picked: readonly Started[]): readonly ClaimedRow[] {
  const rows = shard.sql.rows<ClaimedRow>(CLAIM, session.id, JSON.stringify(picked.map(({ seq }) => seq)));
  if (rows.length === picked.length && rows.every(([seq], i) => seq === picked[i]?.seq)) return rows;
  const bySeq = new Map(rows.map((row) => [row[0], row]));
  return picked.map(({ seq }) => {
    const row = bySeq.get(seq);
    if (!row) throw new Error(`task ${seq} was in its lane, but is not QUEUED`);
    return row;
  });
}

export function toClaimedTask(
  { type, version, payload, options }: Pick<ClaimedTask, "type" | "version" | "payload"> & Pick<TaskRow, "options">,
  held: HeldClaim,
): ClaimedTask {
  const { seq, attempt, timeoutMs, startedAt } = held;
  const task = { seq, type, version, payload, attempt, timeoutMs, started: startedAt !== null };
  const partOf = options === null ? undefined : optionsOf({ options }).partOf;
  return partOf && "run" in partOf ? { ...task, workflow: { id: partOf.run, node: partOf.node } } : task;
}

function holdClaim(memory: Memory, session: Session, held: HeldClaim): void {
  session.claims.set(held.seq, held);
  memory.running++;
  if (held.startedAt !== null) noteBegun(memory, session, held);
}

/** A claim is in a slot now: its deadline counts. The hint stays at or before the earliest. */
export function noteBegun(memory: Memory, session: Session, held: HeldClaim): void {
  session.begun++;
  const deadline = deadlineOf(held);
  if (deadline !== null) memory.deadlineHint = Math.min(memory.deadlineHint ?? deadline, deadline);
}

/** Tasks of a session that are to stop, and of which it has not heard so. @param heard undefined: it would not understand */
export function newCancels(session: Session, heard: readonly Seq[] | undefined): Seq[] {
  const cancels: Seq[] = [];
  if (session.cancels === 0 || heard === undefined) return cancels;
  for (const { seq, cancelAt } of session.claims.values())
    if (cancelAt !== null && !heard.includes(seq)) cancels.push(seq);
  return cancels;
}

/** Ends a claim in memory, whatever became of the task. */
export function dropClaim(memory: Memory, session: Session, seq: Seq, now: number): void {
  const held = session.claims.get(seq);
  if (!held) return;
  session.claims.delete(seq);
  memory.running--;
  memory.limits?.ended(held, now);
  if (held.startedAt !== null) session.begun--;
  if (held.cancelAt !== null) session.cancels--;
}
