/**
 * Decides, in one transaction, everything that is due: schedules move on and their fires are written down, fires that
 * were refused get another try, settings and the tenant's registration too. What is sent comes back to be sent.
 * Must stay true: `nextAt` moves on in the transaction that writes the fire; a schedule that can't be worked out is
 * stopped and told, and holds no other back; at most 100 fires and 8 MiB are sent an alarm, the rest by the next one.
 */

import { MAX_ANSWER_BYTES, utf8Bytes } from "../../../core/bytes.ts";
import { countOf } from "../../../core/count-of.ts";
import { noSuchQueue } from "../../../core/errors.ts";
import { DEFAULT_QUEUE, type QueueName } from "../../../core/ids.ts";
import { optionsText } from "../../../core/make-task.ts";
import { planOverlap } from "../../../core/overlap.ts";
import { placementKey, placeTask } from "../../../core/placement.ts";
import { chooseFires, dueFires, MAX_COUNTED } from "../../../core/schedule.ts";
import type { NewTask, TaskOptions } from "../../../core/schema/rpc.ts";
import { iso } from "../../../core/task.ts";
import { type DuePortion, takeDuePortions } from "../jobs/work-jobs.ts";
import { type DueForgetting, takeDueGone } from "../queues/forget-history.ts";
import { type Push, takeDuePushes } from "../queues/push-settings.ts";
import { findOrMakeQueue } from "../queues/queue-entry.ts";
import { takeDueLooks } from "../queues/scale-queues.ts";
import { takeRegistration } from "../register-tenant.ts";
import { findRoute } from "../routes/find-route.ts";
import { dueSchedules, findSchedule, payloadOf, ruleOf, type ScheduleRow } from "../schedules/schedule-row.ts";
import type { DirectoryState } from "../state.ts";
import { forgetRequestKeys } from "../write-once.ts";
import { takeDueCancels } from "./cancel-fires.ts";
import { stopSchedule } from "./end-fires.ts";
import type { OpenFire } from "./fire-rows.ts";
import { giveUp, missPastFires } from "./give-up-fires.ts";
import { untoldByFire } from "./look-after-fires.ts";
import {
  addPending,
  countMissed,
  countSkipped,
  DEDUP_TTL_MS,
  duePending,
  type FireName,
  fireKey,
  forgetFires,
  goOn,
  isInTheWay,
  isReplaced,
  isUnsent,
  markAsked,
  markTried,
  type PendingFire,
  TRY_FOR_MS,
  waitFor,
} from "./pending-fire.ts";

const MOVE_ON = "UPDATE schedule SET next_at = ?2, decided = max(decided, ?3) WHERE id = ?1";

export const MAX_FIRES = 100;
const MAX_SCHEDULES = 100;
const NO_QUEUE = "" as QueueName;

/** Its task, or the workflow that its run is made of (JSON text). */
export type OutgoingFire = PendingFire & {
  /** Nothing may be made of it any more: it is only asked whether it was taken. */
  readonly isAsked: boolean;
} & ({ readonly task: NewTask } | { readonly workflow: string; readonly dedupKey: string });

export interface DueWork {
  readonly fires: readonly OutgoingFire[];
  /** Fires that may overlap with one that runs. */
  readonly overlaps: readonly FireName[];
  /** Fires whose end was told to nobody. */
  readonly untold: readonly OpenFire[];
  /** What runs and is to be cancelled. */
  readonly cancels: readonly OpenFire[];
  readonly pushes: readonly Push[];
  /** Queues whose load is to be looked at. */
  readonly looks: readonly QueueName[];
  /** Of jobs. */
  readonly portions: readonly DuePortion[];
  /** Deleted queues of which history is to forget more. */
  readonly gone: DueForgetting;
  readonly register: boolean;
}

/** Inside a transaction. */
export function takeDue(state: DirectoryState, now: number): DueWork {
  const fires = new Outgoing(state);
  forgetRequestKeys(state, now);
  missPastFires(state, now);
  for (const fire of duePending(state, now, MAX_FIRES)) {
    const row = findSchedule(state, fire.schedule);
    if (!row) forgetFires(state, fire.schedule);
    else if (makesAnother(row, fire)) giveUp(state, fire, "what the schedule makes was changed");
    else if (fires.isFull) break;
    else if (mustAsk(state, row, fire)) {
      fires.overlaps.push(fire);
      markAsked(state, fire, now);
    } else if (row.overlap === "cancel-running" && fire.waits === 1) lookAgain(state, fire);
    else if (fires.add(row, fire)) markTried(state, fire, now);
  }
  let walked = 0;
  const untold: OpenFire[] = [];
  for (const row of dueSchedules(state, now, MAX_SCHEDULES)) {
    if (untold.length < MAX_FIRES) untold.push(...untoldByFire(state, row, now));
    walked += moveOn(state, row, fires, now);
    // One catch-up of a thousand fires costs 0.1 s (core/schedule.ts); the next alarm, at once, goes on.
    if (walked > 2 * MAX_COUNTED || fires.isFull) break;
  }
  return {
    fires: fires.list,
    overlaps: fires.overlaps,
    untold,
    cancels: takeDueCancels(state, now),
    pushes: takeDuePushes(state, now),
    looks: takeDueLooks(state, now),
    portions: takeDuePortions(state, now),
    gone: takeDueGone(state, now),
    register: takeRegistration(state, now),
  };
}

/** Whether it is to be found out first what an earlier fire is doing. One that is to be cancelled is not asked after. */
function mustAsk(state: DirectoryState, row: ScheduleRow, fire: PendingFire): boolean {
  if (row.overlap === null || row.overlap === "cancel-running" || !isUnsent(fire)) return false;
  return fire.waits === 1 || isInTheWay(state, fire);
}

/** Of one that waits for answers, which release it; it is looked after all the same. */
function lookAgain(state: DirectoryState, fire: PendingFire): void {
  if (isInTheWay(state, fire)) waitFor(state, fire);
  else goOn(state, fire);
}

/** Gives back how many fires it walked over. */
function moveOn(state: DirectoryState, row: ScheduleRow, fires: Outgoing, now: number): number {
  try {
    const due = dueFires(ruleOf(row), row.next_at ?? now, now);
    const chosen = chooseFires(row.missed, due, now);
    state.sql.run(MOVE_ON, row.id, due.next, due.latest.at(-1) ?? now);
    if (chosen.missed > 0) {
      const oldest = row.next_at ?? now;
      const what = `${due.exact ? "" : "at least "}${countOf(chosen.missed, "fire was", "fires were")} missed`;
      const why = `${what}, the first of ${iso(oldest)} (policy ${row.missed})`;
      countMissed(state, { schedule: row.id, fireAt: oldest }, chosen.missed, why);
    }
    fireAll(state, row, chosen.fires, fires, { now, next: due.next });
    return due.count;
  } catch (error) {
    stopSchedule(state, row.id, error instanceof Error ? error.message : String(error));
    return 0;
  }
}

/** Writes down the fires that are due, and sends as many as there is room for. */
function fireAll(
  state: DirectoryState,
  row: ScheduleRow,
  chosen: readonly number[],
  fires: Outgoing,
  { now, next }: { readonly now: number; readonly next: number | null },
): void {
  const [first] = chosen;
  if (first === undefined) return;
  const target = targetOf(state, row);
  if (!target) {
    const why = noSuchQueue(row.queue ?? DEFAULT_QUEUE);
    countMissed(state, { schedule: row.id, fireAt: first }, chosen.length, why);
    return;
  }
  const { go, waits, skipped } = planOverlap(row.overlap ?? "allow", chosen);
  const [leftOut] = skipped;
  if (leftOut !== undefined) {
    const why = `due at once with others, at ${iso(now)}`;
    countSkipped(state, { schedule: row.id, fireAt: leftOut }, skipped.length, why);
  }
  const until = Math.min(next ?? Number.POSITIVE_INFINITY, now + TRY_FOR_MS);
  for (const fireAt of go) {
    const fire: PendingFire = { schedule: row.id, fireAt, ...target, tries: 1, until };
    if (mustAsk(state, row, fire)) {
      addPending(state, { ...fire, tries: 0 }, now, true);
      fires.overlaps.push(fire);
    } else if (row.overlap === "cancel-running" && isInTheWay(state, fire)) {
      addPending(state, { ...fire, tries: 0 }, now);
      waitFor(state, fire);
    } else addPending(state, fires.add(row, fire) ? fire : { ...fire, tries: 0 }, now);
  }
  if (waits === null) return;
  addPending(state, { schedule: row.id, fireAt: waits, ...target, tries: 0, until }, now);
  waitFor(state, { schedule: row.id, fireAt: waits });
}

/** Whether a PUT has made a schedule of workflows of it since, or of tasks: its key would not tell what it has sent. */
function makesAnother(row: ScheduleRow, { queue }: PendingFire): boolean {
  return (row.is_workflow === 1) !== (queue === NO_QUEUE);
}

/** Where a schedule's fires go now: all of them to one shard, that of its limitKey where it has one. */
export function targetOf(state: DirectoryState, row: ScheduleRow): Pick<PendingFire, "queue" | "shard"> | null {
  // A run is an object of its own, and its nodes have queues of theirs.
  if (row.is_workflow === 1) return { queue: NO_QUEUE, shard: 0 };
  const queue = row.queue ?? findRoute(state, row.type)?.queue ?? DEFAULT_QUEUE;
  const entry = findOrMakeQueue(state, queue);
  const key = placementKey({ schedule: row.id, ...(row.limit_key !== null && { limitKey: row.limit_key }) });
  // Keyed, so no draw is used.
  return entry && { queue, shard: placeTask(entry.settings, key, 0) };
}

interface Fire {
  /** The same for every try of it. */
  readonly dedup: NonNullable<NewTask["dedup"]>;
  /** Unix ms; null: it is none of the schedule's own, and nobody is told of its end. */
  readonly fireAt: number | null;
}

/** The task of one fire. @param now Unix ms */
export function taskOf(row: ScheduleRow, payload: string, { dedup, fireAt }: Fire, now: number): NewTask {
  const told = row.options === null ? {} : (JSON.parse(row.options) as TaskOptions);
  const part = fireAt === null ? {} : { partOf: { schedule: row.id, fireAt } };
  return {
    type: row.type,
    version: row.version,
    priority: row.priority,
    payload,
    runAt: null,
    ...(row.ttl_ms !== null && { expiresAt: now + row.ttl_ms }),
    options: optionsText({ ...told, ...part }),
    ...(row.limit_key !== null && { limitKey: row.limit_key }),
    ...(row.fairness_key !== null && { fairnessKey: row.fairness_key }),
    dedup,
  };
}

/** What one alarm sends, or asks about, within its bounds. */
class Outgoing {
  readonly list: OutgoingFire[] = [];
  readonly overlaps: FireName[] = [];
  readonly #state: DirectoryState;
  readonly #payloads = new Map<string, string>();
  #bytes = 0;

  constructor(state: DirectoryState) {
    this.#state = state;
  }

  get isFull(): boolean {
    return this.list.length + this.overlaps.length >= MAX_FIRES || this.#bytes >= MAX_ANSWER_BYTES;
  }

  /** false: it has no room any more. */
  add(row: ScheduleRow, fire: PendingFire): boolean {
    if (this.isFull) return false;
    const payload = this.#payload(row.id);
    this.#bytes += utf8Bytes(payload);
    // One that was deleted, and made again under the same id, has fires of its own.
    const dedupKey = `${fireKey(fire)}:${row.created_at}`;
    const named = { dedup: { key: dedupKey, ttlMs: DEDUP_TTL_MS }, fireAt: fire.fireAt };
    const isAsked = row.paused === 1 || (!isUnsent(fire) && isReplaced(this.#state, fire));
    const out = { ...fire, isAsked };
    this.list.push(
      row.is_workflow === 1
        ? { ...out, workflow: payload, dedupKey }
        : { ...out, task: taskOf(row, payload, named, this.#state.ports.now()) },
    );
    return true;
  }

  #payload(id: string): string {
    const known = this.#payloads.get(id);
    if (known !== undefined) return known;
    const payload = payloadOf(this.#state, id);
    this.#payloads.set(id, payload);
    return payload;
  }
}
