/**
 * What holds tasks back that wait, or would: gathers what the shard knows of each; what that means is core/explain. What
 * alike tasks share is looked up once, and the order is run forward once for all of them. Only reads.
 */
import { EACH, type Effort, type Place, placesOf, type Sought } from "../../../core/count-ahead.ts";
import { explainWaiting, type WaitingExplanation } from "../../../core/explain.ts";
import type { WaitingFacts, WorkersFacts } from "../../../core/explain-facts.ts";
import type { Among } from "../../../core/explain-reasons.ts";
import type { Foresight } from "../../../core/foresee.ts";
import type { Seq } from "../../../core/ids.ts";
import type { LaneKey, LaneMode } from "../../../core/lanes.ts";
import type { Standing } from "../../../core/limits.ts";
import { type QueueSettings, shareOf, shareToTell } from "../../../core/schema/queue-settings.ts";
import type { WaitingStatus } from "../../../core/status.ts";
import { freeSlots, knows, stopOf } from "../running/claim.ts";
import type { Shard } from "../shard.ts";
import { foresee, isSoloBusy, knownVersion, type Looked } from "./foresee.ts";

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

/** Its place; null: it is not QUEUED, or the effort was spent. */
type Placed = (Place & { readonly among: Among }) | null;

export interface Told {
  readonly place: Placed;
  /** null: the effort was spent. */
  readonly explanation: WaitingExplanation | null;
}

/**
 * @param others tasks that nobody has submitted yet, among which they may be
 * @param effort what may be spent, as {@link Effort}; places in the whole queue are told of all of them
 */
export function explainWaits(
  shard: Shard,
  settings: QueueSettings,
  tasks: readonly Waiting[],
  now: number,
  { others, effort = Number.POSITIVE_INFINITY }: Pick<Looked, "others"> & { readonly effort?: number } = {},
): Map<Seq, Told> {
  const { memory } = shard;
  const { concurrency, paused } = settings;
  const look = (looked: Looked) => foresee(shard, settings, now, { ...looked, ...(others && { others }) });
  const queued = tasks.filter(({ status }) => status === "QUEUED");
  const whole = queued.length > 0 ? look({}) : null;
  // As they stand: to look ahead changes the copies.
  const limits = whole?.rules.limits;
  const standings = sharing(alikeForLimits, (task: Waiting) => limits?.standings(task, now) ?? UNLIMITED);
  for (const task of queued) standings(task);
  const rest: Effort = { left: effort };
  const places = whole ? placesIn(shard, whole, queued, look, rest, others?.length ?? 0) : NO_PLACES;
  const workers = sharing(alikeForWorkers, (task: Waiting) => workersFor(shard, settings, task, now));
  const common = {
    now,
    queue: shard.address.queue,
    isPaused: paused,
    isStopping: shard.draining,
    concurrency: {
      running: memory.running,
      limit: concurrency === null ? null : shareOf(concurrency, settings, shard.address.shard),
      share: concurrency === null ? null : shareToTell(concurrency, settings),
    },
    isSoloBusy: isSoloBusy(memory),
  };
  const told = new Map<Seq, Told>();
  for (const task of tasks) {
    const place = places.get(task.seq) ?? null;
    const isQueued = task.status === "QUEUED";
    if (isQueued ? !place?.ahead : rest.left < EACH) {
      told.set(task.seq, { place, explanation: null });
      continue;
    }
    if (!isQueued) rest.left -= EACH;
    const explanation = explainWaiting({
      ...common,
      task,
      knownVersion: knownVersion(memory, task.type),
      standings: isQueued ? standings(task) : UNLIMITED,
      workers: workers(task),
      ahead: place?.ahead ? { ...place.ahead, among: place.among } : null,
    });
    told.set(task.seq, { place, explanation });
  }
  return told;
}

const UNLIMITED: { readonly [Of in "queue" | "type" | "key"]: Standing | null } = {
  queue: null,
  type: null,
  key: null,
};
const NO_PLACES: ReadonlyMap<Seq, Placed> = new Map();

/** Worked out once for all that are alike. */
function sharing<T>(alike: (task: Waiting) => string, workOut: (task: Waiting) => T): (task: Waiting) => T {
  const known = new Map<string, T>();
  return (task) => {
    const key = alike(task);
    const found = known.get(key) ?? workOut(task);
    known.set(key, found);
    return found;
  };
}

function alikeForLimits({ type, limitKey }: Waiting): string {
  return JSON.stringify([type, limitKey]);
}

function alikeForWorkers({ type, version, mode }: Waiting): string {
  return JSON.stringify([type, version, mode]);
}

/**
 * What goes before each, in the whole queue as its limits stand; or where they, or its type, never let it start, of those
 * that wait for the same. Half of the effort is for these: they are what one wants to hear of.
 * @param added how many wait that nobody has submitted yet
 */
function placesIn(
  shard: Shard,
  whole: Foresight,
  queued: readonly Waiting[],
  look: (looked: Looked) => Foresight,
  rest: Effort,
  added: number,
): Map<Seq, Placed> {
  const first = { left: Math.ceil(rest.left / 2) };
  const places = new Map<Seq, Placed>();
  for (const [seq, place] of placesOf(whole, queued, first)) places.set(seq, { ...place, among: "queue" });
  if (rest.left !== Number.POSITIVE_INFINITY) rest.left = Math.floor(rest.left / 2) + first.left;
  const groups = new Map<string, { readonly group: Group; readonly members: Waiting[] }>();
  for (const task of queued) {
    if (places.has(task.seq)) continue;
    const group = whoWaitsToo(task, whole);
    const known = groups.get(group.name);
    if (known) known.members.push(task);
    else groups.set(group.name, { group, members: [task] });
  }
  for (const { group, members } of groups.values()) {
    const { name: _, among, ...looked } = group;
    rest.left -= (looked.limitKey == null ? shard.memory.lanes.size : EACH) + added / 10;
    if (rest.left < 0) break;
    const found = placesOf(look({ ...looked, isUnlimited: true }), members, rest);
    for (const [seq, place] of found) places.set(seq, { ...place, among });
  }
  return places;
}

interface Group {
  readonly name: string;
  readonly among: Among;
  readonly isWanted: (key: LaneKey) => boolean;
  readonly isForAnyWorker: boolean;
  readonly limitKey: string | null;
}

/** @param whole run to its end */
function whoWaitsToo({ type, version, limitKey, mode }: Waiting, { soloRoom, rules }: Foresight): Group {
  const { knows: isKnown, limits, now } = rules;
  const groupOf = (
    among: Among,
    of: string,
    isWanted: Group["isWanted"],
    more: Partial<Pick<Group, "isForAnyWorker" | "limitKey">> = {},
  ): Group => ({ name: `${among} ${of}`, among, isWanted, isForAnyWorker: false, limitKey: null, ...more });
  if (!isKnown(type, version)) {
    const isSame = (key: LaneKey) => key.type === type && key.version === version;
    return groupOf("type", `${version} ${type}`, isSame, { isForAnyWorker: true });
  }
  if (limitKey !== null && limits?.keyRoom(limitKey, now) === 0)
    return groupOf("limitKey", limitKey, (key) => key.limitKey === limitKey, { limitKey });
  if (mode === "solo" && soloRoom === 0) return groupOf("solo", "", (key) => key.mode === "solo");
  return groupOf("type", type, (key) => key.type === type);
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
