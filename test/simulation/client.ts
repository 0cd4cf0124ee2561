/**
 * Who submits, reads and changes settings: as the door does, over the same network. A submission whose answer is lost is
 * repeated only where every task has a dedup key; else its fate is unknown, and what became of it must end all the same.
 */
import { IDEMPOTENCY_TTL_MS } from "../../core/keys.ts";
import type { QueueSettings } from "../../core/schema/queue-settings.ts";
import type { NewTask, SubmitAnswer, SubmitRequest, TaskOptions } from "../../core/schema/rpc.ts";
import type { Ticket } from "../../core/schema/session-rpc.ts";
import type { PartOf } from "../../core/schema/workflow-rpc.ts";
import { SubmissionCheck } from "./check-submission.ts";
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
import { drawScript } from "./script.ts";
import type { Tally } from "./tally.ts";
import { Life, type Timeline } from "./timeline.ts";
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
  readonly #answers: SubmissionCheck;
  /** Submissions under an Idempotency-Key, to be sent again. */
  readonly #kept: { readonly request: SubmitRequest; readonly sentAt: number }[] = [];
  #ids = 0;
  /** How often the queue was deleted, and made again. */
  #forgotten = 0;

  constructor(settings: QueueSettings, deps: ClientDeps) {
    const { random } = deps;
    this.settings = settings;
    this.#deps = deps;
    this.#answers = new SubmissionCheck(deps);
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
    this.#answers.forget();
    this.#kept.length = 0;
  }

  submit(): void {
    const { random, tally, timeline } = this.#deps;
    const size = random.chance(0.6) ? 1 : random.chance(0.998) ? random.between(2, 6) : LARGE_BATCH;
    const first = this.#draw();
    const tasks = [first];
    while (tasks.length < size)
      tasks.push(
        size === LARGE_BATCH || random.chance(0.5) ? { ...first, payload: this.drawPayload(first) } : this.#draw(),
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
    const isOther = random.chance(0.3) && this.#answers.hasTold(request.idempotency.key);
    tally.count(isOther ? "key with another body" : "submission repeated");
    const { key } = request.idempotency;
    const { version: settingsVersion, generation } = this.settings;
    const again: SubmitRequest = { ...request, settingsVersion, generation };
    this.send(isOther ? { ...again, idempotency: { key, fingerprint: "another" } } : again);
  }

  /**
   * As the door does: with settings where they lack, and again where that is safe.
   * @param told as a run does: it is sent until it is answered, and whoever sent it is told
   */
  send(request: SubmitRequest, told?: (answer: SubmitAnswer) => void): void {
    this.#submit(request, 1, told).catch(() => {});
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

  async #submit(request: SubmitRequest, tries: number, told?: (answer: SubmitAnswer) => void): Promise<void> {
    const { network, timeline, tally } = this.#deps;
    const before = this.#forgotten;
    const isSafe = request.idempotency !== undefined || request.tasks.every(({ dedup }) => dedup && isLasting(dedup));
    try {
      const answer = await network.call(this.#life, "submit", request, isSafe);
      const { version: settingsVersion, generation } = this.settings;
      if (!answer.ok && answer.code === "settings-needed" && !request.settings) {
        tally.count(answer.code);
        await this.#submit({ ...request, settings: this.settings, settingsVersion, generation }, tries + 1, told);
      } else if (!answer.ok && answer.code === "settings-stale" && (request.generation ?? generation) < generation) {
        tally.count(answer.code);
        const { settings: _, ...placed } = request;
        await this.#submit({ ...placed, settingsVersion, generation }, tries + 1, told);
      } else {
        if (before === this.#forgotten) this.#answers.told(request, answer);
        told?.(answer);
      }
    } catch (error) {
      if (!String(error).includes(SIMULATED)) throw error;
      if (!isSafe || (tries >= MOST_TRIES && !told)) tally.count("outcome unknown");
      else
        timeline.after(PAUSE_MS, this.#life, "submit again", () => {
          this.#submit(request, tries + 1, told).catch(() => {});
        });
    }
  }

  /** A node's: it has no key, and its times are told when it is released. */
  drawNode(partOf: PartOf): NewTask {
    const { random } = this.#deps;
    const { expiresAt: _, ...task } = this.#drawTask(random.weighted(this.#types), {});
    const options: object = task.options === null ? {} : (JSON.parse(task.options) as TaskOptions);
    return { ...task, runAt: null, options: JSON.stringify({ ...options, partOf }) };
  }

  #draw(): NewTask {
    const { random } = this.#deps;
    const type = random.weighted(this.#types);
    return this.#drawTask(type, {
      ...(random.chance(this.#keysPerTask) && { dedup: drawKey(random, type) }),
      ...(random.chance(this.#cachedTasks) && { cache: drawCache(random, type) }),
    });
  }

  #drawTask(type: (typeof TYPES)[number], keys: Pick<NewTask, "dedup" | "cache">): NewTask {
    const { random } = this.#deps;
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
