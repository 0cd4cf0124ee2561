/**
 * Objects of a small world: several shards and the runs of workflows, each behind an output gate of its own, on node:sqlite.
 * One dies before or after a commit as the seed has it, loses its memory when it is idle, and is woken by its alarm, which
 * is repeated where its handler did not come to its end. The operations are the real ones.
 */
import { DatabaseSync } from "node:sqlite";
import { nodeSql } from "../../../durable-objects/sql/node.ts";
import { type GatedSql, gateSql } from "../../../durable-objects/sql/node-gate.ts";
import type { Random } from "../random.ts";
import { Life, type Timeline } from "../timeline.ts";

/** The platform waits so long before it repeats an alarm whose handler died. */
const ALARM_RETRY_MS = 2_000;

export interface ObjectDeps {
  readonly timeline: Timeline;
  readonly random: Random;
  /** Chances a time, 0 to 1. */
  readonly faults: { readonly crash: number; readonly evict: number };
  /** Something of what is durable is gone when it comes back. */
  readonly onDeath?: (gate: GatedSql) => void;
}

export class Hosted<T> {
  readonly name: string;
  readonly gate: GatedSql = gateSql(nodeSql(new DatabaseSync(":memory:")));
  crashes = 0;
  #life = new Life("object");
  #instance: T | null = null;
  #isRinging = false;
  #ringsAt: number | null = null;
  #stopRing: () => void = () => {};
  readonly #platform = new Life("platform");
  readonly #deps: ObjectDeps;
  readonly #make: (gate: GatedSql, life: Life, name: string) => T;
  readonly #ring: (instance: T) => void | Promise<void>;

  constructor(
    name: string,
    deps: ObjectDeps,
    make: (gate: GatedSql, life: Life, name: string) => T,
    ring: (instance: T) => void | Promise<void>,
  ) {
    this.name = name;
    this.#deps = deps;
    this.#make = make;
    this.#ring = ring;
  }

  /** In memory now; made where it is not. */
  get instance(): T {
    this.#instance ??= this.#make(this.gate, this.#life, this.name);
    return this.#instance;
  }
  get life(): Life {
    return this.#life;
  }

  /** After each step: what was written becomes durable, or the object dies; and its alarm is set. */
  settle(): void {
    const { random, faults } = this.#deps;
    if (this.gate.isOpen && random.chance(faults.crash)) this.#die(random.chance(0.5));
    else this.gate.commit();
    if (this.#instance !== null && !this.#isRinging && random.chance(faults.evict)) this.#die(true);
    this.#setRing();
  }

  /** Loses its memory, as an idle one does. */
  evict(): void {
    this.gate.commit();
    this.#die(true);
  }

  #die(isKept: boolean): void {
    this.gate.crash(isKept);
    this.#deps.onDeath?.(this.gate);
    this.gate.commit();
    this.crashes++;
    this.#life.isAlive = false;
    this.#life = new Life("object");
    this.#instance = null;
    if (!this.#isRinging) return;
    this.#isRinging = false;
    this.gate.alarm = this.#deps.timeline.now + ALARM_RETRY_MS;
    this.gate.commit();
  }

  #setRing(): void {
    const { alarm } = this.gate;
    if (this.#isRinging || alarm === this.#ringsAt) return;
    this.#stopRing();
    this.#ringsAt = alarm;
    const { timeline } = this.#deps;
    this.#stopRing =
      alarm === null
        ? () => {}
        : timeline.after(alarm - timeline.now, this.#platform, `alarm of ${this.name}`, () => this.#rang());
  }

  #rang(): void {
    this.#ringsAt = null;
    this.gate.alarm = null;
    this.#isRinging = true;
    const life = this.#life;
    // The platform holds an alarm as done once what its handler wrote is durable.
    const end = () =>
      this.gate.release(() => {
        if (this.#life === life) this.#isRinging = false;
      });
    const ringing = this.#ring(this.instance);
    if (ringing) void ringing.then(end, end);
    else end();
  }
}
