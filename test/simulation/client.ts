/**
 * Who submits, reads and changes settings: as the door does, over the same network. A submission whose answer is lost is
 * repeated only where every task has a dedup key; else its fate is unknown, and what became of it must end all the same.
 */
import type { Seq } from "../../core/ids.ts";
import { IDEMPOTENCY_TTL_MS } from "../../core/keys.ts";
import type { QueueSettings } from "../../core/schema/queue-settings.ts";
import type { Dedup, NewTask, SubmitAnswer, SubmitRequest } from "../../core/schema/rpc.ts";
import type { Ticket } from "../../core/schema/session-rpc.ts";
import { type Accepted, acceptedTasks } from "../../core/submit-answer.ts";
import { drawCallback } from "./draw-hooks.ts";
import { LIMIT_KEYS } from "./draw-settings.ts";
import { drawCache, drawKey, drawOptions, isLasting } from "./draw-task.ts";
import type { Faults } from "./faults.ts";
import { FRESH_VERSION, type TYPES } from "./handlers.ts";
import { UNWELCOME } from "./history-database.ts";
import { SIMULATED } from "./host.ts";
import type { Model } from "./model.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import { drawScript, type Script } from "./script.ts";
import type { Tally } from "./tally.ts";
import { Life, type Timeline } from "./timeline.ts";
import { must } from "./violation.ts";
import { watchTask } from "./watch-task.ts";

const MOST_TRIES = 5;
const PAUSE_MS = 100;
/** Well within the life of an Idempotency-Key, however the clock jumps meanwhile. */
const REPEATED_WITHIN_MS = IDEMPOTENCY_TTL_MS / 2;
/** More than the window of a lane holds. */
const LARGE_BATCH = 150;

export interface ClientDeps {
  readonly timeline: Timeline;
  readonly random: Random;
  /** Of callbacks alone: all else is drawn as it was before there were any. */
  readonly callbacks: Random;
  readonly faults: Faults;
  readonly tally: Tally;
  readonly network: Network;
  readonly model: Model;
  /** The shard's clock. */
  readonly now: () => number;
  readonly hasSteppedClock: () => boolean;
  readonly mayCrash: boolean;
}

/** What a queue that has no room says. */
const EXPECTED: ReadonlySet<string> = new Set(["queue-full", "duplicate-task", "batch-too-large", "draining"]);

export class Client {
  settings: QueueSettings;
  readonly #life = new Life("client");
  readonly #deps: ClientDeps;
  /** Some types are never seen by a seed, some by nearly every task. */
  readonly #types: Record<(typeof TYPES)[number], number>;
  readonly #priorities: number;
  /** How many of its tasks have a limitKey: in some seeds none, in some most. */
  readonly #limited: number;
  /** How many of its tasks have a key. */
  readonly #keysPerTask: number;
  readonly #cachedTasks: number;
  readonly #keys = new Map<string, { readonly seq: Seq; readonly createdAt: number }[]>();
  /** Submissions under an Idempotency-Key, to be sent again. */
  readonly #kept: { readonly request: SubmitRequest; readonly sentAt: number }[] = [];
  /** By Idempotency-Key: what the first answer told of each task. */
  readonly #answers = new Map<string, string>();
  #ids = 0;
  /** How often the queue was deleted, and made again. */
  #forgotten = 0;

  constructor(settings: QueueSettings, deps: ClientDeps) {
    const { random } = deps;
    this.settings = settings;
    this.#deps = deps;
    const weight = () => (random.chance(0.4) ? random.between(1, 4) : 0);
    this.#types = { quick: random.between(1, 6), slow: weight(), fresh: weight(), rare: weight() };
    this.#priorities = random.between(0, 3);
    this.#limited = random.pick([0, 0.3, 0.9]);
    this.#keysPerTask = random.pick([0.05, 0.15, 0.6]);
    this.#cachedTasks = random.pick([0, 0.2, 0.9]);
  }

  /** The queue was deleted: nothing that was told of it holds any more. */
  forget(): void {
    this.#forgotten++;
    this.#keys.clear();
    this.#answers.clear();
    this.#kept.length = 0;
  }

  submit(): void {
    const { random, tally, timeline } = this.#deps;
    const size = random.chance(0.6) ? 1 : random.chance(0.998) ? random.between(2, 6) : LARGE_BATCH;
    const first = this.#drawTask();
    const tasks = [first];
    while (tasks.length < size)
      tasks.push(
        size === LARGE_BATCH || random.chance(0.5) ? { ...first, payload: this.drawPayload(first) } : this.#drawTask(),
      );
    const atomic = size === 1 || random.chance(0.6);
    tally.count(size === 1 ? "single submission" : atomic ? "batch" : "batch; not atomic");
    const { version: settingsVersion, generation } = this.settings;
    const plain = { v: 1, settingsVersion, generation, atomic, tasks } as const;
    const key = random.chance(0.2) ? `once ${this.#ids}` : null;
    const request = key === null ? plain : { ...plain, idempotency: { key, fingerprint: "as sent" } };
    this.send(request);
    if (key !== null) this.#kept.push({ request, sentAt: timeline.now });
  }

  /** A submission of some time ago comes again under its Idempotency-Key; now and then with another body. */
  repeat(): void {
    const { random, tally, timeline } = this.#deps;
    const recent = this.#kept.filter(({ sentAt }) => timeline.now - sentAt < REPEATED_WITHIN_MS);
    const request = recent[random.between(0, Math.max(0, recent.length - 1))]?.request;
    if (!request?.idempotency) return;
    const isOther = random.chance(0.3) && this.#answers.has(request.idempotency.key);
    tally.count(isOther ? "key with another body" : "submission repeated");
    const { key } = request.idempotency;
    const { version: settingsVersion, generation } = this.settings;
    const again: SubmitRequest = { ...request, settingsVersion, generation };
    this.send(isOther ? { ...again, idempotency: { key, fingerprint: "another" } } : again);
  }

  /** As the door does: with settings where they lack, and again where that is safe. */
  send(request: SubmitRequest): void {
    this.#submit(request, 1).catch(() => {});
  }

  /** What a PATCH of the queue brings to its shard; older ones may arrive after newer ones. */
  change(patch: Partial<QueueSettings>): void {
    this.settings = { ...this.settings, ...patch, version: this.settings.version + 1 };
    this.#push(this.settings);
  }

  read(): void {
    const { model, random, network, tally } = this.#deps;
    const [first, ...others] = model.promised;
    if (first === undefined) return;
    const seq = random.pick([first, ...others]);
    const isLong = random.chance(0.4);
    if (isLong && seq % 2 === 0) {
      watchTask(this.#life, this.#deps, seq);
      return;
    }
    tally.count(isLong ? "wait" : "read");
    const answer = isLong
      ? network.call(this.#life, "wait", { v: 1, seq, waitMs: 5_000 })
      : network.call(this.#life, "read", { v: 1, seqs: [seq] });
    answer.catch(() => {});
  }

  wake(): void {
    this.#deps.network.call(this.#life, "wake", { v: 1 }).catch(() => {});
  }

  drain(): void {
    this.#deps.network.call(this.#life, "drain", { v: 1 }).catch(() => {});
  }

  /** As the queue `dead-tickets` does: again, and each time later. */
  deadTicket(ticket: Ticket, delayMs = 2_000): void {
    const { network, timeline } = this.#deps;
    network.call(this.#life, "deadTicket", { v: 1, ticket }).catch(() => {
      timeline.after(delayMs, this.#life, "dead ticket again", () => this.deadTicket(ticket, delayMs * 2));
    });
  }

  #push(settings: QueueSettings): void {
    const { network, timeline } = this.#deps;
    network.call(this.#life, "configure", { v: 1, settings }).catch(() => {
      timeline.after(2_000, this.#life, "settings again", () => this.#push(settings));
    });
  }

  async #submit(request: SubmitRequest, tries: number): Promise<void> {
    const { network, timeline, tally } = this.#deps;
    const before = this.#forgotten;
    const isSafe = request.idempotency !== undefined || request.tasks.every(({ dedup }) => dedup && isLasting(dedup));
    try {
      const answer = await network.call(this.#life, "submit", request, isSafe);
      const { version: settingsVersion, generation } = this.settings;
      if (!answer.ok && answer.code === "settings-needed" && !request.settings) {
        tally.count(answer.code);
        await this.#submit({ ...request, settings: this.settings, settingsVersion, generation }, tries + 1);
      } else if (!answer.ok && answer.code === "settings-stale" && (request.generation ?? generation) < generation) {
        tally.count(answer.code);
        const { settings: _, ...placed } = request;
        await this.#submit({ ...placed, settingsVersion, generation }, tries + 1);
      } else if (before === this.#forgotten) this.#told(request, answer);
    } catch (error) {
      if (!String(error).includes(SIMULATED)) throw error;
      if (!isSafe || tries >= MOST_TRIES) tally.count("outcome unknown");
      else
        timeline.after(PAUSE_MS, this.#life, "submit again", () => {
          this.#submit(request, tries + 1).catch(() => {});
        });
    }
  }

  #told(request: SubmitRequest, answer: SubmitAnswer): void {
    const { tally, model } = this.#deps;
    if (request.idempotency?.fingerprint === "another") {
      must(!answer.ok && answer.code === "idempotency-key-reused", () => "a key was good for another body");
      return;
    }
    if (!answer.ok) {
      tally.count(answer.code);
      const isLate = answer.code === "invalid-request" && request.idempotency !== undefined;
      const isExpected = isLate || EXPECTED.has(answer.code) || answer.detail.includes(SIMULATED);
      must(isExpected, () => `a submission was answered ${answer.code}: ${answer.detail}`);
      for (const { payload } of request.tasks)
        must(!model.byId.has(idOf(payload)), () => `${answer.code}, but ${payload} was taken`);
      return;
    }
    if (request.idempotency) this.#toldBefore(request.idempotency.key, request, answer);
    if (answer.duplicates.length > 0) tally.count("known key");
    const { seqs, createdAt } = answer;
    must(seqs.length === request.tasks.length, () => `${seqs.length} answers for ${request.tasks.length} tasks`);
    for (const [i, seq] of seqs.entries()) {
      const { payload, dedup } = request.tasks[i] ?? first(request.tasks);
      if (seq === null) {
        must(!request.atomic, () => "an atomic batch was taken in part");
        must(!model.byId.has(idOf(payload)), () => `${payload} was refused, and taken`);
        continue;
      }
      this.#promised(seq);
      if (answer.duplicates.includes(i)) {
        const task = model.tasks.get(seq);
        must(task?.script.key === dedup?.key, () => `task ${seq} has not the key ${dedup?.key}`);
        // Of several in one group the last one counts; what its own batch replaced may not be seen, as below.
        if (dedup?.onConflict === "replace" && seqs.indexOf(seq) === i)
          must(task?.replacedAfter !== null, () => `task ${seq} did not become ${payload}`);
        continue;
      }
      // One that its own batch replaced is not seen where that was the object's first write.
      const isItself = model.byId.get(idOf(payload))?.seq === seq || seqs.includes(seq, i + 1);
      must(isItself, () => `task ${seq} is not ${payload}`);
      if (dedup && isLasting(dedup) && !answer.replayed) this.#keyed(dedup, seq, createdAt);
    }
  }

  /** One key, one answer, once anything of it was accepted. */
  #toldBefore(key: string, { tasks }: SubmitRequest, answer: Accepted): void {
    if (answer.seqs.every((seq) => seq === null)) return;
    const told = JSON.stringify([acceptedTasks(tasks, answer), answer.duplicates, answer.refused]);
    const before = this.#answers.get(key);
    if (before === undefined) this.#answers.set(key, told);
    else must(before === told, () => `${key} was answered ${before}, now ${told}`);
    if (answer.replayed) this.#deps.tally.count("replayed answer");
  }

  #promised(seq: Seq): void {
    const { model } = this.#deps;
    must(model.tasks.has(seq), () => `task ${seq} was promised, but no commit has it`);
    model.promised.add(seq);
  }

  /** Under one key there is one task within its time. */
  #keyed({ key, ttlMs }: Dedup, seq: Seq, createdAt: number): void {
    const known = this.#keys.get(key) ?? [];
    this.#keys.set(key, known);
    if (!this.#deps.hasSteppedClock())
      for (const other of known)
        must(
          Math.abs(other.createdAt - createdAt) >= ttlMs,
          () => `tasks ${other.seq} and ${seq} were both made under ${key}`,
        );
    known.push({ seq, createdAt });
  }

  #drawTask(): NewTask {
    const { random } = this.#deps;
    const type = random.weighted(this.#types);
    const keys = {
      ...(random.chance(this.#keysPerTask) && { dedup: drawKey(random, type) }),
      ...(random.chance(this.#cachedTasks) && { cache: drawCache(random, type) }),
    };
    return {
      type,
      version: type === "fresh" && random.chance(0.5) ? FRESH_VERSION : 1,
      priority: random.between(0, this.#priorities),
      payload: this.drawPayload(keys),
      runAt: random.chance(0.15) ? this.#deps.now() + random.between(-1_000, 60_000) : null,
      ...(random.chance(0.12) && { expiresAt: this.#deps.now() + random.between(50, 30_000) }),
      options: this.#drawOptions(keys.cache !== undefined),
      ...(random.chance(this.#limited) && { limitKey: random.pick(LIMIT_KEYS) }),
      ...(random.chance(this.#limited) && { fairnessKey: random.pick(LIMIT_KEYS) }),
      ...keys,
    };
  }

  /** A task that is answered at once is known by the payload of its record alone. */
  #drawOptions(isCached: boolean): string | null {
    const { random, callbacks } = this.#deps;
    const options = random.chance(0.3) ? drawOptions(random) : null;
    const callback = drawCallback(callbacks);
    if (!options && !callback) return null;
    return JSON.stringify({ ...options, ...(callback && { callback }), ...(isCached && { keepPayload: undefined }) });
  }

  /** One that no other task has. */
  drawPayload({ dedup, cache }: Pick<NewTask, "dedup" | "cache">): string {
    const { random, faults, mayCrash } = this.#deps;
    const drawn = drawScript(++this.#ids, random, mayCrash);
    const script = { ...drawn, ...(dedup && { key: dedup.key }), ...(cache && { cache: cache.key }) };
    return JSON.stringify(faults.strikes("d1-bad-row") ? { ...script, note: UNWELCOME } : script);
  }
}

function idOf(payload: string): number {
  return (JSON.parse(payload) as Script).id;
}

function first<T>(list: readonly T[]): T {
  const [one] = list;
  if (one === undefined) throw new RangeError("an empty list");
  return one;
}
