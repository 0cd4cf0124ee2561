/**
 * Order, checked against a model that knows neither lanes nor windows: at the moment of a claim it sorts all that wait.
 * What is claimed must be the best that this session may run, and no more than the queue's concurrency lets.
 */
import type { Seq } from "../../core/ids.ts";
import { agedPriority, sinceOf } from "../../core/pick.ts";
import type { Limit, QueueSettings, RateSetting } from "../../core/schema/queue-settings.ts";
import { type Level, takeToken, tokensIn } from "../../core/token-bucket.ts";
import type { Session } from "../../durable-objects/queue-shard/memory.ts";
import { loadLevels } from "../../durable-objects/queue-shard/running/bucket-rows.ts";
import type { Shard } from "../../durable-objects/queue-shard/shard.ts";
import type { Sql } from "../../durable-objects/sql/sql.ts";
import { must } from "./violation.ts";

interface Waiting {
  readonly seq: Seq;
  readonly run_at: number | null;
  readonly priority: number;
  readonly type: string;
  readonly version: number;
  readonly mode: string;
  readonly limit_key: string | null;
  readonly fairness_key: string | null;
  /** 1: it is to run at most once, and may have begun unseen if it is handed out ahead. */
  readonly once: 0 | 1 | null;
}

type LimitedTask = Pick<Waiting, "type" | "limit_key">;

const WAITING = `SELECT seq, run_at, priority, type, version, mode, limit_key, fairness_key,
  options ->> 'onCrash' = 'fail' AS once FROM task WHERE status = 'QUEUED'`;
const OVER = `SELECT seq FROM task WHERE seq IN (SELECT value FROM json_each(?)) AND expires_at <= ?`;
const RUNNING = "SELECT type, limit_key FROM task WHERE status = 'RUNNING'";

/**
 * Just before the claim is done.
 * @param hasSteppedClock then memory has tokens come by the new clock, and the rows follow with the next that are taken:
 *   no outsider knows what may start where there are rates
 */
export function checkClaim(
  shard: Shard,
  sql: Sql,
  sessionId: number,
  picked: readonly Seq[],
  hasSteppedClock: boolean,
): void {
  const session = shard.memory.sessions.get(sessionId);
  const { settings } = shard.memory;
  must(session !== undefined && settings !== null, () => `a claim for ${sessionId}, which is no session`);
  const over = sql.all<{ seq: Seq }>(OVER, JSON.stringify(picked), shard.ports.now());
  must(over.length === 0, () => `task ${over[0]?.seq} begins though its time to begin is over`);
  must(!settings.paused, () => "a claim while the queue is paused");
  const levels = loadLevels(sql);
  if (!hasSteppedClock || levels.size === 0) {
    const choice = new Choice(session, new Room(settings, sql, levels, shard.ports.now()), sql);
    if (settings.fair) checkFair(choice, picked);
    else {
      const best = bestFor(choice, picked.length);
      must(
        JSON.stringify(best) === JSON.stringify(picked),
        () => `session ${sessionId} was given ${picked.join(" ")}, the best were ${best.join(" ")}`,
      );
    }
  }
  const running = sql.all(RUNNING).length + picked.length;
  must(
    running <= (settings.concurrency ?? running),
    () => `${running} run, but the queue's concurrency is ${settings.concurrency}`,
  );
  must(session.handed + picked.length <= settings.sessionMaxTasks, () => `session ${sessionId} got too many tasks`);
}

/** A token's alarm may come so much later than the token, and a shard's clock stands still within a step. */
const TOKEN_SLACK_MS = 25;

/** After a step: nobody waits for what is there. */
export function checkParked(shard: Shard, sql: Sql): void {
  if (shard.memory.lanes.queued === 0) return;
  // Where the clock has jumped, the alarm has yet to ring.
  const lookedAt = Math.min(shard.ports.now(), shard.alarmAt ?? Number.POSITIVE_INFINITY);
  for (const [id, poll] of shard.parked) {
    const session = shard.memory.sessions.get(id);
    const { settings } = shard.memory;
    if (!session || !settings || poll.want === 0) continue;
    const [waits] = mayStart(shard, session, settings)
      ? bestFor(new Choice(session, new Room(settings, sql, shard.memory.levels, lookedAt - TOKEN_SLACK_MS), sql), 1)
      : [];
    must(waits === undefined, () => `session ${id} is parked while task ${waits} could run`);
  }
}

function mayStart(shard: Shard, session: Session, settings: QueueSettings): boolean {
  const { expiryHint } = shard.memory;
  // What has expired goes first.
  if (expiryHint !== null && expiryHint <= shard.ports.now()) return false;
  if (settings.paused || shard.draining || session.handed >= settings.sessionMaxTasks) return false;
  return shard.memory.running < (settings.concurrency ?? Number.POSITIVE_INFINITY);
}

/** What runs, by type and by limitKey, against the limits of each. */
export class Room {
  readonly #settings: QueueSettings;
  readonly #running: LimitedTask[];

  readonly #levels: Map<string, Level>;
  readonly #now: number;

  /** @param now Unix ms, as to tokens: those of `levels`, and what has come since */
  constructor(settings: QueueSettings, sql: Sql, levels: ReadonlyMap<string, Level>, now: number) {
    this.#settings = settings;
    this.#levels = new Map(levels);
    this.#now = now;
    this.#running = sql.all<LimitedTask>(RUNNING);
  }

  /** Whether what waits is raised by its age. */
  get ages(): boolean {
    return this.#settings.ageStepMs !== null;
  }

  priorityAt(priority: number, since: number): number {
    return agedPriority(priority, since, { ageStepMs: this.#settings.ageStepMs, now: this.#now });
  }

  has(task: LimitedTask): boolean {
    for (const { concurrency, isAlike, name, rate } of this.#limitsOf(task)) {
      if (this.#running.filter(isAlike).length >= (concurrency ?? Number.POSITIVE_INFINITY)) return false;
      if (rate && tokensIn(this.#levels.get(name), withBurst(rate), this.#now) === 0) return false;
    }
    return true;
  }

  /** A task that a rate bounds is started when it is claimed. */
  isRated(task: LimitedTask): boolean {
    const { rate, typeLimits, keyLimits, keyLimitOverrides } = this.#settings;
    if (rate || typeLimits[task.type]?.rate) return true;
    return task.limit_key !== null && [keyLimits, ...Object.values(keyLimitOverrides)].some((limit) => limit.rate);
  }

  take(task: LimitedTask): void {
    this.#running.push(task);
    for (const { name, rate } of this.#limitsOf(task))
      if (rate) this.#levels.set(name, takeToken(this.#levels.get(name), withBurst(rate), this.#now));
  }

  #limitsOf({ type, limit_key: key }: LimitedTask) {
    const { rate, typeLimits, keyLimits, keyLimitOverrides } = this.#settings;
    const limits: (Limit & { name: string; isAlike: (one: LimitedTask) => boolean })[] = [
      { name: "queue", rate, isAlike: () => true },
      { name: `type ${type}`, ...typeLimits[type], isAlike: (one) => one.type === type },
    ];
    if (key !== null) {
      const limit = { ...keyLimits, ...keyLimitOverrides[key] };
      limits.push({ name: `key ${key}`, ...limit, isAlike: (one) => one.limit_key === key });
    }
    return limits;
  }
}

function withBurst(rate: RateSetting): Required<RateSetting> {
  return { burst: 1, ...rate };
}

/** What waits for a session, the best first, where the oldest goes first within a priority. */
export class Choice {
  #left: Waiting[];
  readonly #room: Room;
  #free: number;

  constructor(session: Pick<Session, "slots" | "claims" | "solo" | "worker">, room: Room, sql: Sql) {
    this.#room = room;
    this.#free = session.slots;
    for (const claim of session.claims.values()) if (claim.startedAt !== null) this.#free--;
    this.#left = sql
      .all<Waiting>(WAITING)
      .filter(
        ({ type, version, mode }) =>
          (mode === "solo") === session.solo && (session.worker.types[type] ?? -1) >= version,
      )
      .sort((a, b) => b.priority - a.priority || a.seq - b.seq);
    if (room.ages) this.#left = byAge(this.#left, room);
  }

  /** The best that may go next and is one of those. */
  find(isOne: (task: Waiting) => boolean = () => true): Waiting | undefined {
    return this.#left.find((task) => {
      const needsSlot = task.mode === "careful" || task.once === 1 || this.#room.isRated(task);
      return isOne(task) && (!needsSlot || this.#free > 0) && this.#room.has(task);
    });
  }

  take(task: Waiting): void {
    this.#left.splice(this.#left.indexOf(task), 1);
    if (this.#room.ages) this.#left = byAge(this.#left, this.#room);
    this.#room.take(task);
    this.#free--;
  }
}

/** Tasks that are alike go by their ids, and are raised together, as the one of them that has been due for longest. */
function byAge(tasks: readonly Waiting[], room: Room): Waiting[] {
  const alike = Map.groupBy(tasks, ({ priority, type, version, mode, limit_key, fairness_key }) =>
    JSON.stringify([priority, type, version, mode, limit_key, fairness_key]),
  );
  const groups = Array.from(alike.values(), (group) => {
    const members = group.toSorted((a, b) => a.seq - b.seq);
    const since = Math.min(...group.map(({ seq, run_at }) => sinceOf(seq, run_at)));
    return { members, since, first: members[0]?.seq ?? 0, rank: room.priorityAt(group[0]?.priority ?? 0, since) };
  });
  groups.sort((a, b) => b.rank - a.rank || a.since - b.since || a.first - b.first);
  return groups.flatMap(({ members }) => members);
}

export function bestFor(choice: Choice, count: number): Seq[] {
  const best: Seq[] = [];
  while (best.length < count) {
    const task = choice.find();
    if (!task) break;
    choice.take(task);
    best.push(task.seq);
  }
  return best;
}

/** Where the queue is fair: the highest priority, and the oldest of its key. Whose turn it is, test/core/fair.test.ts shows. */
function checkFair(choice: Choice, picked: readonly Seq[]): void {
  for (const seq of picked) {
    const task = choice.find((one) => one.seq === seq);
    must(task !== undefined, () => `task ${seq} was claimed, but may not run`);
    const best = choice.find();
    must(best?.priority === task.priority, () => `task ${seq} was claimed before the more urgent ${best?.seq}`);
    const oldest = choice.find((one) => one.priority === task.priority && one.fairness_key === task.fairness_key);
    must(oldest === task, () => `task ${seq} was claimed before the older ${oldest?.seq} of its key`);
    choice.take(task);
  }
}
