/**
 * What holds a shard: the platform and the class QueueShard in one. The object comes to be at the first call, loses its
 * memory when evicted, dies at crashes with what its output gate held back, and is woken by its one alarm. The
 * operations are the real ones.
 */
import type { Seq, ShardAddress } from "../../core/ids.ts";
import type { Ports } from "../../core/ports.ts";
import type { Refusal } from "../../core/schema/answer.ts";
import { doDueWork, onAlarm } from "../../durable-objects/queue-shard/alarm.ts";
import { failure, Shard } from "../../durable-objects/queue-shard/shard.ts";
import type { NodeSql } from "../../durable-objects/sql/node.ts";
import { type GatedSql, gateSql } from "../../durable-objects/sql/node-gate.ts";
import { checkClaim } from "./check-claim.ts";
import type { Faults } from "./faults.ts";
import { type AnswerOf, type Method, operationOf, type RequestOf } from "./operations.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";
import { Life, type Timeline } from "./timeline.ts";
import { must } from "./violation.ts";
import { WatchedSql } from "./witness.ts";

export const SIMULATED = "simulated";
export const STORAGE_ERROR = `${SIMULATED}: disk I/O error`;
/** The platform waits so long before it repeats an alarm whose handler died. */
const ALARM_RETRY_MS = 2_000;

export interface HostDeps {
  readonly database: NodeSql;
  readonly address: ShardAddress;
  readonly timeline: Timeline;
  readonly faults: Faults;
  readonly random: Random;
  readonly tally: Tally;
  /** The object's clock, Unix ms. */
  readonly now: () => number;
  readonly ports: (life: Life) => Ports;
  readonly onCommit: () => void;
  readonly onRollback: () => void;
  /** The operation has done what it does; its answer may be still to come. */
  readonly onTaken: (method: Method, request: unknown) => void;
  readonly onAnswer: (method: Method, request: unknown, answer: unknown) => void;
}

interface Caller {
  readonly reply: (result: unknown) => void;
}

export class Host {
  readonly gate: GatedSql;
  /** The gate, as the operations have it. */
  readonly sql: WatchedSql;
  /** Set by whatever ran in the object; the world looks at it after each step, and takes it back. */
  wasTouched = false;
  /** A write failed: what was to follow is made good for by the next alarm. */
  isHurt = false;
  /** Counts the lives of the whole service: what was on its way when one ended does not arrive in the next. */
  era = 0;
  /** The service is not running: calls fail, the alarm waits. */
  isDown = false;
  /** When the alarm rang and no row was changed (ms of the timeline). */
  readonly idleRings: number[] = [];
  #shard: Shard | null = null;
  #life = new Life("object");
  #callers = new Set<Caller>();
  #background = 0;
  #isCommitDue = false;
  #ringsAt: number | null = null;
  #stopRing: () => void = () => {};
  /** How far the object's clock is from true time, ms. */
  #skew = 0;
  #hasSteppedClock = false;
  readonly #platform = new Life("platform");
  readonly #deps: HostDeps;

  constructor(deps: HostDeps) {
    this.#deps = deps;
    this.gate = gateSql(deps.database);
    const onFailure = () => {
      this.isHurt = true;
    };
    const onClaim = (session: number, picked: Seq[]) => {
      if (this.#shard) checkClaim(this.#shard, this.gate, session, picked, this.#hasSteppedClock);
    };
    this.sql = new WatchedSql(this.gate, deps.faults, onClaim, onFailure);
  }

  /** The object in memory; null: evicted, or never called. */
  get shard(): Shard | null {
    return this.#shard;
  }
  get skew(): number {
    return this.#skew;
  }

  /** A call arrives. `reply` is called once, when the answer is let out, or with an Error when the object died. */
  receive<M extends Method>(method: M, request: RequestOf<M>, reply: (result: AnswerOf<M> | Error) => void): void {
    if (this.isDown) {
      reply(new Error(`${SIMULATED}: the service is down`));
      return;
    }
    const caller: Caller = { reply: (result) => reply(result as AnswerOf<M> | Error) };
    const shard = this.#wake();
    this.#callers.add(caller);
    let isAnswered = false;
    const respond = (answer: AnswerOf<M> | Refusal) => {
      if (isAnswered) return;
      isAnswered = true;
      this.#deps.onAnswer(method, request, answer);
      this.gate.release(() => {
        this.#callers.delete(caller);
        caller.reply(answer);
      });
    };
    try {
      if (shard.alarmAt !== null && shard.alarmAt <= shard.ports.now()) doDueWork(shard);
      operationOf(method)(shard, request, respond);
      this.#deps.onTaken(method, request);
    } catch (error) {
      respond(this.#failed(error));
    }
  }

  /** After each step: what was written becomes durable now, or in a while, or never. */
  endTurn(): void {
    const { faults, random, timeline } = this.#deps;
    if (!this.gate.isOpen) return;
    if (faults.strikes("crash-before-commit")) this.crash(false);
    else if (faults.strikes("crash-after-commit")) this.crash(true);
    else if (!faults.strikes("slow-commit")) this.#commit();
    else if (!this.#isCommitDue) {
      this.#isCommitDue = true;
      timeline.after(random.between(1, 20), this.#life, "commit", () => this.#commit());
    }
  }

  /** Idle objects lose their memory. */
  evict(): boolean {
    const shard = this.#shard;
    const isBusy = this.#callers.size > 0 || this.#background > 0 || this.gate.isOpen || shard?.grouping;
    if (!shard || isBusy) return false;
    this.#end();
    return true;
  }

  /** A deploy: what was written stays, who waits for an answer gets an error. */
  restart(): void {
    if (this.gate.isOpen) this.#commit();
    this.crash(true);
  }

  /** @param kept whether what waits to be durable had reached the disk */
  crash(kept: boolean): void {
    if (kept) this.#deps.onCommit();
    else this.#deps.onRollback();
    this.gate.crash(kept);
    this.#end();
    const callers = this.#callers;
    this.#callers = new Set();
    for (const caller of callers) caller.reply(new Error(`${SIMULATED}: the object was reset`));
    this.#arm(ALARM_RETRY_MS);
  }

  /** With the whole service. */
  die(kept: boolean): void {
    this.isDown = true;
    this.era++;
    this.crash(kept);
  }

  /** The object's clock jumps. */
  step(ms: number): void {
    this.#skew += ms;
    this.#hasSteppedClock = true;
    this.#arm(0);
  }

  #wake(): Shard {
    this.wasTouched = true;
    if (this.#shard) return this.#shard;
    this.#life = new Life("object");
    const shard = new Shard(this.#deps.address, this.sql, this.#deps.ports(this.#life), {
      setAlarm: (at) => {
        this.gate.alarm = at;
      },
      keepAlive: (work) => this.#keep(work),
    });
    this.#shard = shard;
    this.#deps.tally.count("start of the object");
    this.#guard(() => doDueWork(shard));
    return shard;
  }

  #keep(work: Promise<unknown>): void {
    const life = this.#life;
    this.#background++;
    work
      .catch((error: unknown) => {
        this.#deps.tally.count("background work failed");
        this.#failed(error);
      })
      .finally(() => {
        if (life.isAlive) this.#background--;
      });
  }

  #end(): void {
    this.#life.isAlive = false;
    this.#shard = null;
    this.#background = 0;
    this.#isCommitDue = false;
  }

  #commit(): void {
    this.#isCommitDue = false;
    // Looked at before messages leave: what they tell must be there.
    this.#deps.onCommit();
    this.gate.commit();
    this.#arm(0);
  }

  #arm(atLeastMs: number): void {
    const { alarm } = this.gate;
    this.#stopRing();
    this.#ringsAt = alarm;
    if (alarm === null) return;
    const { timeline } = this.#deps;
    const wait = Math.max(atLeastMs, alarm - this.#deps.now());
    this.#stopRing = timeline.after(wait, this.#platform, "alarm", () => this.#ring());
  }

  #ring(): void {
    const { tally, timeline } = this.#deps;
    if (this.#ringsAt !== this.gate.alarm) return;
    if (this.isDown) {
      this.#arm(ALARM_RETRY_MS);
      return;
    }
    tally.count("alarm");
    const shard = this.#wake();
    this.isHurt = false;
    this.gate.alarm = null;
    const before = this.sql.writes;
    if (!this.#guard(() => onAlarm(shard))) this.gate.alarm = shard.ports.now() + 1_000;
    if (this.sql.writes === before) this.idleRings.push(timeline.now);
  }

  #guard(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #failed(error: unknown): Refusal {
    must(
      String(error).includes(SIMULATED),
      () => `an operation threw: ${error instanceof Error ? error.stack : error}`,
    );
    return failure(error);
  }
}
