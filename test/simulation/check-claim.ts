/**
 * Order, checked against a model that knows neither lanes nor windows: at the moment of a claim it sorts all that wait.
 * What is claimed must be the best that this session may run, and no more than the queue's concurrency lets.
 */
import type { Seq } from "../../core/ids.ts";
import type { QueueSettings } from "../../core/schema/queue-settings.ts";
import type { Session } from "../../durable-objects/queue-shard/memory.ts";
import type { Shard } from "../../durable-objects/queue-shard/shard.ts";
import type { Sql } from "../../durable-objects/sql/sql.ts";
import { must } from "./violation.ts";

interface Waiting {
  readonly seq: Seq;
  readonly priority: number;
  readonly type: string;
  readonly version: number;
  readonly mode: string;
  readonly limit_key: string | null;
  /** 1: it is to run at most once, and may have begun unseen if it is handed out ahead. */
  readonly once: 0 | 1 | null;
}

const WAITING = `SELECT seq, priority, type, version, mode, limit_key, options ->> 'onCrash' = 'fail' AS once FROM task
  WHERE status = 'QUEUED'`;
const RUNNING = "SELECT type, limit_key FROM task WHERE status = 'RUNNING'";

/** Just before the claim is done. */
export function checkClaim(shard: Shard, sql: Sql, sessionId: number, picked: readonly Seq[]): void {
  const session = shard.memory.sessions.get(sessionId);
  const { settings } = shard.memory;
  must(session !== undefined && settings !== null, () => `a claim for ${sessionId}, which is no session`);
  must(!settings.paused, () => "a claim while the queue is paused");
  const best = bestFor(session, settings, sql, picked.length);
  must(
    JSON.stringify(best) === JSON.stringify(picked),
    () => `session ${sessionId} was given ${picked.join(" ")}, the best were ${best.join(" ")}`,
  );
  const running = sql.all(RUNNING).length + picked.length;
  must(
    running <= (settings.concurrency ?? running),
    () => `${running} run, but the queue's concurrency is ${settings.concurrency}`,
  );
  must(session.handed + picked.length <= settings.sessionMaxTasks, () => `session ${sessionId} got too many tasks`);
}

/** After a step: nobody waits for what is there. */
export function checkParked(shard: Shard, sql: Sql): void {
  if (shard.memory.lanes.queued === 0) return;
  for (const [id, poll] of shard.parked) {
    const session = shard.memory.sessions.get(id);
    const { settings } = shard.memory;
    if (!session || !settings || poll.want === 0) continue;
    const [waits] = mayStart(shard, session, settings) ? bestFor(session, settings, sql, 1) : [];
    must(waits === undefined, () => `session ${id} is parked while task ${waits} could run`);
  }
}

function mayStart(shard: Shard, session: Session, settings: QueueSettings): boolean {
  if (settings.paused || shard.draining || session.handed >= settings.sessionMaxTasks) return false;
  return shard.memory.running < (settings.concurrency ?? Number.POSITIVE_INFINITY);
}

/** What runs, by type and by limitKey, against the limits of each. */
class Room {
  readonly #settings: QueueSettings;
  readonly #running: Pick<Waiting, "type" | "limit_key">[];

  constructor(settings: QueueSettings, sql: Sql) {
    this.#settings = settings;
    this.#running = sql.all<Pick<Waiting, "type" | "limit_key">>(RUNNING);
  }

  has({ type, limit_key: key }: Pick<Waiting, "type" | "limit_key">): boolean {
    const { typeLimits, keyLimits, keyLimitOverrides } = this.#settings;
    const count = (isAlike: (one: Pick<Waiting, "type" | "limit_key">) => boolean) =>
      this.#running.filter(isAlike).length;
    const ofType = typeLimits[type]?.concurrency ?? Number.POSITIVE_INFINITY;
    if (count((one) => one.type === type) >= ofType) return false;
    if (key === null) return true;
    const ofKey = { ...keyLimits, ...keyLimitOverrides[key] }.concurrency ?? Number.POSITIVE_INFINITY;
    return count((one) => one.limit_key === key) < ofKey;
  }

  take(task: Pick<Waiting, "type" | "limit_key">): void {
    this.#running.push(task);
  }
}

function bestFor(session: Session, settings: QueueSettings, sql: Sql, count: number): Seq[] {
  const room = new Room(settings, sql);
  let free = session.slots;
  for (const claim of session.claims.values()) if (claim.startedAt !== null) free--;
  const left = sql
    .all<Waiting>(WAITING)
    .filter(
      ({ type, version, mode }) => (mode === "solo") === session.solo && (session.worker.types[type] ?? -1) >= version,
    )
    .sort((a, b) => b.priority - a.priority || a.seq - b.seq);
  const best: Seq[] = [];
  while (best.length < count) {
    const next = left.findIndex(
      (task) => ((task.mode !== "careful" && task.once !== 1) || best.length < free) && room.has(task),
    );
    const [task] = next < 0 ? [] : left.splice(next, 1);
    if (!task) break;
    room.take(task);
    best.push(task.seq);
  }
  return best;
}
