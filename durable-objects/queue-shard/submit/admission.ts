/**
 * What one group of submissions would write, worked out against memory and the keys that are known, without changing
 * either. Members are looked at one after the other, each against what the ones before it would take: so the depth limit
 * is exact, and equal keys meet.
 */
import { countOf } from "../../../core/count-of.ts";
import { noSuchQueue } from "../../../core/errors.ts";
import { nextSeq, type Seq, taskId } from "../../../core/ids.ts";
import { IDEMPOTENCY_TTL_MS, idempotencyRow } from "../../../core/keys.ts";
import { MAX_LANES } from "../../../core/lanes.ts";
import { isOver, NO_TIME } from "../../../core/make-task.ts";
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { Dedup, KnownTask, NewTask, RefusedTask, SubmitAnswer, SubmitRequest } from "../../../core/schema/rpc.ts";
import {
  type Accepted,
  bornAs,
  mayPass,
  restoreAnswer,
  storeAnswer,
  withTriedAgain,
} from "../../../core/submit-answer.ts";
import { depthOf } from "../memory.ts";
import { refuse, type Shard, type Submitted } from "../shard.ts";
import { type DedupRow, findKeys, isWaiting } from "./dedup-rows.ts";
import type { PlannedTask } from "./insert-tasks.ts";
import { LaneRoom } from "./lane-room.ts";
import { refuseAll } from "./refuse-all.ts";
import { backlogOf, limitOf, whyFull } from "./room.ts";
import { type CachedTask, type CacheHit, CacheLookup } from "./serve-cached.ts";

const TOO_MANY_KEYS = { code: "too-many-keys", detail: `the shard holds ${MAX_LANES} lanes` } as const;

const OVER = { code: "invalid-request", detail: NO_TIME } as const;

const NO_HITS: readonly CacheHit[] = [];

export class Admission {
  readonly planned: PlannedTask[] = [];
  /** Tasks that end at once. */
  readonly cached: CachedTask[] = [];
  /** What tasks that wait become. */
  readonly replaced = new Map<Seq, NewTask>();
  readonly newKeys = new Map<string, DedupRow>();
  newSettings: QueueSettings | null = null;
  lastSeq: number;
  readonly #shard: Shard;
  readonly #now: number;
  /** Of every key that the group brings: the row that counts, with what the members before have made of it. */
  readonly #rows: Map<string, DedupRow>;
  readonly #lookup: CacheLookup | null;
  /** Of the request under way. */
  #undo: { readonly row: DedupRow; readonly replacement: NewTask | undefined }[] = [];
  readonly #lanes: LaneRoom;
  #depth: number;

  /** @param isDry nothing is to be written, not even what would make room */
  constructor(shard: Shard, now: number, group: readonly Submitted[], isDry = false) {
    this.#shard = shard;
    this.#lanes = new LaneRoom(shard, isDry);
    this.#now = now;
    this.lastSeq = shard.memory.lastSeq;
    this.#depth = depthOf(shard.memory);
    this.#rows = findKeys(shard, group, now);
    this.#lookup = CacheLookup.of(shard, group, now);
  }

  get isEmpty(): boolean {
    return (
      this.planned.length === 0 &&
      this.cached.length === 0 &&
      this.newKeys.size === 0 &&
      this.replaced.size === 0 &&
      this.newSettings === null
    );
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
    if (request.generation !== undefined && request.generation < settings.generation)
      return refuse("settings-stale", "the queue was deleted and made again, and may place its tasks otherwise now");
    return request.idempotency ? this.#once(request, request.idempotency, settings) : this.#take(request, settings);
  }

  /** The answer that the key got before; the first time its row is planned with the tasks. */
  #once(
    request: SubmitRequest,
    { key, fingerprint, ttlMs = IDEMPOTENCY_TTL_MS }: NonNullable<SubmitRequest["idempotency"]>,
    settings: QueueSettings,
  ): SubmitAnswer {
    const row = idempotencyRow({ key });
    const known = this.#rows.get(row);
    if (known)
      return known.fingerprint === fingerprint && known.answer !== null
        ? this.#again(request, known, restoreAnswer(known.answer), settings)
        : refuse("idempotency-key-reused", "The Idempotency-Key came with another body before.");
    const answer = this.#take(request, settings);
    // What was refused altogether took no key: the same request may yet be accepted.
    const seq = answer.ok ? answer.seqs.find((given) => given !== null) : undefined;
    if (answer.ok && seq) {
      const kept = { key: row, seq, expiresAt: this.#now + ttlMs, within: null, createdAt: this.#now };
      this.#remember({ ...kept, fingerprint, answer: storeAnswer(request.tasks, answer), status: null, attempt: 0 });
    }
    return answer;
  }

  /** What was accepted is told as it was; what was refused and may pass is tried once more, and kept if it is taken now. */
  #again(request: SubmitRequest, row: DedupRow, before: Accepted, settings: QueueSettings): SubmitAnswer {
    const again = before.refused.filter(mayPass).map(({ index }) => index);
    if (again.length === 0 || request.tasks.length !== before.seqs.length) return before;
    const tasks = again.flatMap((index) => request.tasks[index] ?? []);
    const tried = this.#take({ ...request, tasks }, settings);
    if (!tried.ok) return before;
    const answer = withTriedAgain(before, again, tasks, tried);
    if (!answer.replayed) this.#remember({ ...row, answer: storeAnswer(request.tasks, answer) });
    return answer;
  }

  #take(request: SubmitRequest, settings: QueueSettings): SubmitAnswer {
    const backlog = backlogOf(this.#shard.memory);
    if (backlog) return refuse(backlog.code, backlog.detail);
    const limit = limitOf(this.#shard, settings);
    // A limit may be lowered below what is here: what is already known needs no room even then.
    const room = Math.max(0, limit - this.#depth);
    const hits = this.#hits(request, settings);
    const wanted = request.atomic && request.tasks.length > room ? this.#fresh(request, hits) : 0;
    if (wanted > room) return this.#tooMany(wanted, settings);

    const seqs: (Seq | null)[] = [];
    const duplicates: number[] = [];
    const known: KnownTask[] = [];
    const refused: RefusedTask[] = [];
    const before = { planned: this.planned.length, cached: this.cached.length };
    this.#undo = [];
    for (const [index, task] of request.tasks.entries()) {
      const row = task.dedup && this.#rows.get(task.dedup.key);
      const hit = row ? undefined : hits[index];
      if (hit) {
        known.push({ index, status: "SUCCEEDED", createdAt: this.#now, source: hit.source });
        seqs.push(this.#serve(task, hit));
        continue;
      }
      const verdict =
        row && task.dedup
          ? this.#conflict(row, task, task.dedup)
          : this.#depth >= limit && !task.isAwaited
            ? whyFull(this.#shard, settings, this.#depth)
            : null;
      if (verdict && "seq" in verdict) {
        duplicates.push(index);
        const createdAt = verdict.createdAt ?? this.#now;
        const isReplaced = task.dedup?.onConflict === "replace";
        known.push({ index, status: verdict.status, createdAt, ...(isReplaced && { replaced: true as const }) });
        seqs.push(verdict.seq);
        continue;
      }
      const refusal = verdict ?? this.#faultOf(task, request.idempotency !== undefined);
      if (refusal) {
        if (request.atomic) {
          const isSibling = row !== undefined && this.planned.slice(before.planned).some(({ seq }) => seq === row.seq);
          this.#takeBack(before);
          return refuseAll(index, refusal, isSibling);
        }
        refused.push({ index, ...refusal });
        seqs.push(null);
        continue;
      }
      seqs.push(this.#plan(task));
    }
    const answer = { v: 1, ok: true, createdAt: this.#now, seqs, duplicates, refused } as const;
    return known.length === 0 ? answer : { ...answer, known };
  }

  /** Why a request of that many is refused whole. */
  #tooMany(wanted: number, settings: QueueSettings): SubmitAnswer {
    const share = limitOf(this.#shard, { ...settings, draining: false });
    if (wanted > share)
      return refuse("batch-too-large", `${wanted} tasks are all or nothing, and a shard of the queue holds ${share}`);
    const { code, detail } = whyFull(this.#shard, settings, this.#depth);
    return refuse(code, `${detail}, and ${countOf(wanted, "more was", "more were")} to come`, 1_000);
  }

  /** Why a task that no key answers is not taken; null: it is. @param isKeyed then the door has left its times to us */
  #faultOf(task: NewTask, isKeyed: boolean): Omit<RefusedTask, "index"> | null {
    if (isKeyed && task.expiresAt !== undefined && isOver(task.expiresAt, task.runAt, this.#now)) return OVER;
    return this.#lanes.has(task) ? null : TOO_MANY_KEYS;
  }

  /** What becomes of a task whose key is another one's: that one as it is told, or why this one is refused. */
  #conflict(row: DedupRow, task: NewTask, { onConflict = "return" }: Dedup): DedupRow | Omit<RefusedTask, "index"> {
    if (onConflict === "return") return row;
    const id = taskId(this.#shard.address, row.seq);
    if (onConflict === "reject" || !isWaiting(row)) {
      const why = onConflict === "reject" ? "has that key" : "has that key and waits no more, so it is not replaced";
      return { code: "duplicate-task", detail: `The task ${id} ${why}.`, taskId: id };
    }
    if (!this.#lanes.has(task)) return TOO_MANY_KEYS;
    const status = row.status === "RETRYING" ? row.status : bornAs(task, this.#now);
    const next = { ...row, status };
    this.#undo.push({ row, replacement: this.replaced.get(row.seq) });
    this.replaced.set(row.seq, task);
    this.#rows.set(row.key, next);
    return next;
  }

  /** What answers each task without a run, by index. A queue that drains takes none of them either. */
  #hits({ tasks }: SubmitRequest, { draining }: QueueSettings): readonly (CacheHit | null)[] {
    const lookup = draining ? null : this.#lookup;
    return lookup === null ? NO_HITS : tasks.map((task) => lookup.find(task));
  }

  /** Takes no room, as it never waits. Of its keys only that of a window outlives it. */
  #serve(task: NewTask, hit: CacheHit): Seq {
    const seq = this.#next();
    this.cached.push({ seq, task, hit });
    if (task.dedup && (task.dedup.within ?? "window") === "window")
      this.#remember({ ...this.#keyOf(task, task.dedup, seq), status: null });
    return seq;
  }

  #next(): Seq {
    const seq = nextSeq(this.lastSeq, this.#now);
    this.lastSeq = seq;
    return seq;
  }

  #plan(task: NewTask): Seq {
    const seq = this.#next();
    this.#depth++;
    this.planned.push({ seq, task });
    if (task.dedup) this.#remember(this.#keyOf(task, task.dedup, seq));
    return seq;
  }

  #keyOf({ runAt }: NewTask, { key, ttlMs, within }: Dedup, seq: Seq): DedupRow {
    const row = { key, seq, expiresAt: this.#now + ttlMs, within: within ?? null, createdAt: this.#now } as const;
    return { ...row, status: bornAs({ runAt }, this.#now), fingerprint: null, answer: null, attempt: 0 };
  }

  #remember(row: DedupRow): void {
    this.newKeys.set(row.key, row);
    this.#rows.set(row.key, row);
  }

  /** How many of a request's tasks would wait: none whose key is known or that end at once, one of those that share a key. */
  #fresh(request: SubmitRequest, hits: readonly (CacheHit | null)[]): number {
    const keys = new Set<string>();
    let unkeyed = 0;
    for (const [index, { dedup }] of request.tasks.entries())
      if (hits[index]) continue;
      else if (!dedup) unkeyed++;
      else if (!this.#rows.has(dedup.key)) keys.add(dedup.key);
    return unkeyed + keys.size;
  }

  #takeBack(before: { readonly planned: number; readonly cached: number }): void {
    for (const { row, replacement } of this.#undo.splice(0).reverse()) {
      this.#rows.set(row.key, row);
      if (replacement) this.replaced.set(row.seq, replacement);
      else this.replaced.delete(row.seq);
    }
    for (const { task } of this.planned.splice(before.planned)) {
      this.#depth--;
      this.#forgetKey(task);
    }
    for (const { task } of this.cached.splice(before.cached)) this.#forgetKey(task);
  }

  #forgetKey({ dedup }: NewTask): void {
    if (!dedup) return;
    this.newKeys.delete(dedup.key);
    this.#rows.delete(dedup.key);
  }
}
