/**
 * Takes tasks in: the act that a 202 promises. Group commit: a submission that arrives while nothing is under way is
 * written at once; those of the same turn of the event loop after it go in together. Always waiting for the turn costs
 * 1.3 ms at low load, never waiting costs half the throughput (3,000 against 1,400 a second, sketch).
 * Must stay true: every caller is answered, and one member's fault is not its neighbour's.
 */
import { MAX_OUTBOX_BYTES } from "../../core/bytes.ts";
import { type ErrorCode, noSuchQueue } from "../../core/errors.ts";
import { nextSeq, type Seq } from "../../core/ids.ts";
import { laneText, MAX_LANES } from "../../core/lanes.ts";
import { unpackTasks } from "../../core/pack-tasks.ts";
import { type QueueSettings, shareOf } from "../../core/schema/queue-settings.ts";
import type { NewTask, PackedSubmitRequest, SubmitAnswer, SubmitRequest } from "../../core/schema/rpc.ts";
import { afterOperation } from "./after.ts";
import { adoptSettings, configure, isAnotherQueue } from "./configure.ts";
import { insertTasks, laneKeyFor, type PlannedTask } from "./insert-tasks.ts";
import { reclaimLanes } from "./lane-rows.ts";
import { depthOf } from "./memory.ts";
import { reserveSeq } from "./reserve-seq.ts";
import { failure, type PendingSubmission, refuse, type Shard } from "./shard.ts";

const KNOWN_KEYS = `SELECT key, seq FROM dedup
  WHERE key IN (SELECT value FROM json_each(?1)) AND expires_at > ?2`;
const REMEMBER_KEY = "INSERT OR REPLACE INTO dedup (key, seq, expires_at) VALUES (?, ?, ?)";

/** Accepts tasks, exactly as many as the depth limit allows. `respond` is called once, at the latest with the group. */
export function submit(shard: Shard, packed: PackedSubmitRequest, respond: (answer: SubmitAnswer) => void): void {
  // What is in the way of a queue that was made again goes first: this submission is worked out against what is left.
  if (packed.settings && isAnotherQueue(shard, packed.settings)) configure(shard, { v: 1, settings: packed.settings });
  shard.submissions.push({ request: { ...packed, tasks: unpackTasks(packed.tasks) }, respond });
  if (shard.grouping) return;
  shard.grouping = true;
  endOfTurn(shard);
  commitGroup(shard);
}

/**
 * Writes what waits for the turn to end, if anything does. Sessions with quick tasks can keep the event loop from turning
 * at all: then the next of their calls ends the wait, or submissions would starve behind the work that they bring.
 */
export function commitWaiting(shard: Shard): void {
  if (shard.submissions.length > 0) commitGroup(shard);
}

function endOfTurn(shard: Shard): void {
  shard.ports.later(0, () => {
    if (shard.submissions.length === 0) {
      shard.grouping = false;
      return;
    }
    endOfTurn(shard);
    commitGroup(shard);
  });
}

function commitGroup(shard: Shard): void {
  const group = shard.submissions.splice(0);
  const now = shard.ports.now();
  try {
    answerAll(group, write(shard, group, now));
  } catch (error) {
    if (group.length === 1) answerAll(group, [failure(error)]);
    else for (const member of group) answerAll([member], writeAlone(shard, member, now));
  }
  afterOperation(shard, now);
}

function writeAlone(shard: Shard, member: PendingSubmission, now: number): SubmitAnswer[] {
  try {
    return write(shard, [member], now);
  } catch (error) {
    return [failure(error)];
  }
}

function answerAll(group: readonly PendingSubmission[], answers: readonly SubmitAnswer[]): void {
  for (const [i, member] of group.entries()) member.respond(answers[i] ?? refuse("internal", "no answer was made"));
}

/** Checks every member first, then writes what was admitted in one transaction. */
function write(shard: Shard, group: readonly PendingSubmission[], now: number): SubmitAnswer[] {
  const admission = new Admission(shard, now, group);
  const answers = group.map((member) => admission.admit(member.request));
  if (admission.isEmpty) return answers;
  shard.transact(() => {
    if (admission.newSettings) adoptSettings(shard, admission.newSettings);
    reserveSeq(shard, now, admission.lastSeq);
    insertTasks(shard, admission.planned, now);
    for (const [key, { seq, expiresAt }] of admission.newKeys) {
      shard.sql.run(REMEMBER_KEY, key, seq, expiresAt);
      shard.memory.dedupExpiry = Math.min(shard.memory.dedupExpiry ?? expiresAt, expiresAt);
    }
  });
  return answers;
}

const TOO_MANY_KEYS = { code: "too-many-keys", detail: `the shard holds ${MAX_LANES} lanes` } as const;

/** What one group would write, worked out against memory without changing it. */
class Admission {
  readonly planned: PlannedTask[] = [];
  readonly newKeys = new Map<string, { seq: Seq; expiresAt: number }>();
  newSettings: QueueSettings | null = null;
  lastSeq: number;
  readonly #shard: Shard;
  readonly #now: number;
  readonly #knownKeys: ReadonlyMap<string, Seq>;
  readonly #newLanes = new Set<string>();
  #lastInLane: NewTask | null = null;
  #depth: number;

  constructor(shard: Shard, now: number, group: readonly PendingSubmission[]) {
    this.#shard = shard;
    this.#now = now;
    this.lastSeq = shard.memory.lastSeq;
    this.#depth = depthOf(shard.memory);
    this.#knownKeys = findKeys(shard, group, now);
  }

  get isEmpty(): boolean {
    return this.planned.length === 0 && this.newSettings === null;
  }

  get #settings(): QueueSettings | null {
    return this.newSettings ?? this.#shard.memory.settings;
  }

  admit(request: SubmitRequest): SubmitAnswer {
    if (request.settings && request.settings.version > (this.#settings?.version ?? 0))
      this.newSettings = request.settings;
    const settings = this.#settings;
    if (!settings || settings.version < request.settingsVersion)
      return refuse("settings-needed", `this shard has settings ${settings?.version ?? "none"}`);
    if (settings.deleted) return refuse("queue-unknown", noSuchQueue(this.#shard.address.queue));
    if (this.#shard.memory.outbox.bytes > MAX_OUTBOX_BYTES)
      return refuse("history-backlog", "history has not taken the last gigabyte of finished tasks", 30_000);

    // A limit may be lowered below what is here: what is already known needs no room even then.
    const limit = settings.draining ? 0 : shareOf(settings.depthLimit, settings, this.#shard.address.shard);
    const full = settings.draining
      ? ({ code: "draining", detail: "the queue takes no new tasks until it is resumed" } as const)
      : ({ code: "queue-full", detail: `the queue holds ${limit} unfinished tasks here, as many as it may` } as const);
    const room = Math.max(0, limit - this.#depth);
    if (request.atomic && request.tasks.length > room && this.#fresh(request) > room)
      return refuse(full.code, full.detail, 1_000);

    const seqs: (Seq | null)[] = [];
    const duplicates: number[] = [];
    const refused: { index: number; code: ErrorCode; detail: string }[] = [];
    const before = this.planned.length;
    for (const [index, task] of request.tasks.entries()) {
      const known = task.dedup && this.#seqOfKey(task.dedup.key);
      if (known !== undefined) {
        duplicates.push(index);
        seqs.push(known);
        continue;
      }
      const isFull = this.#depth >= limit;
      if (isFull || !this.#hasLane(task)) {
        const { code, detail } = isFull ? full : TOO_MANY_KEYS;
        if (request.atomic) {
          this.#takeBack(before);
          return refuse(code, detail, 1_000);
        }
        refused.push({ index, code, detail });
        seqs.push(null);
        continue;
      }
      seqs.push(this.#plan(task));
    }
    return { v: 1, ok: true, createdAt: this.#now, seqs, duplicates, refused };
  }

  #plan(task: NewTask): Seq {
    const seq = nextSeq(this.lastSeq, this.#now);
    this.lastSeq = seq;
    this.#depth++;
    this.planned.push({ seq, task });
    if (task.dedup) this.newKeys.set(task.dedup.key, { seq, expiresAt: this.#now + task.dedup.ttlMs });
    return seq;
  }

  #seqOfKey(key: string): Seq | undefined {
    return this.newKeys.get(key)?.seq ?? this.#knownKeys.get(key);
  }

  /** How many of a request's tasks are no duplicates. */
  #fresh(request: SubmitRequest): number {
    return request.tasks.filter((task) => !task.dedup || this.#seqOfKey(task.dedup.key) === undefined).length;
  }

  #takeBack(length: number): void {
    for (const { task } of this.planned.splice(length)) {
      this.#depth--;
      if (task.dedup) this.newKeys.delete(task.dedup.key);
    }
  }

  /** Whether the task's lane is there or may be made. Neighbours are mostly alike: only a change is looked up. */
  #hasLane(task: NewTask): boolean {
    const last = this.#lastInLane;
    const isAlike = last?.type === task.type && last.priority === task.priority && last.version === task.version;
    if (isAlike && last.options === task.options) return true;
    const { lanes } = this.#shard.memory;
    const key = laneKeyFor(task);
    const text = laneText(key);
    if (!lanes.find(key) && !this.#newLanes.has(text)) {
      const isFull = () => lanes.size + this.#newLanes.size >= MAX_LANES;
      if (isFull()) this.#shard.transact(() => reclaimLanes(this.#shard));
      if (isFull()) return false;
      this.#newLanes.add(text);
    }
    this.#lastInLane = task;
    return true;
  }
}

function findKeys(shard: Shard, group: readonly PendingSubmission[], now: number): ReadonlyMap<string, Seq> {
  const keys = group.flatMap(({ request }) => request.tasks.flatMap((task) => task.dedup?.key ?? []));
  if (keys.length === 0 || !shard.memory.hasTables) return new Map();
  const rows = shard.sql.all<{ key: string; seq: Seq }>(KNOWN_KEYS, JSON.stringify(keys), now);
  return new Map(rows.map((row) => [row.key, row.seq]));
}
