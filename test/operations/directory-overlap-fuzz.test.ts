/**
 * Schedules with each overlap policy over a real shard whose tasks end when chance has it, while answers get lost, the
 * shard falls silent or is full, the Directory dies, two ticks race, and ends are told late, twice or never. Seeded: a
 * failure names its seed: `SEED=n` repeats it, `SIMULATION_SEEDS` runs more.
 */
import { describe, expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import type { OverlapPolicy } from "../../core/overlap.ts";
import type { MissedPolicy } from "../../core/schedule.ts";
import type { FireEnd } from "../../core/schema/workflow-rpc.ts";
import { fireEnded } from "../../durable-objects/directory/fires/end-fires.ts";
import { changeQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { listFires } from "../../durable-objects/directory/schedules/read-schedules.ts";
import { pauseSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { tick } from "../../durable-objects/directory/tick.ts";
import { chance } from "../support/node/chance.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { begin } from "../support/node/end-tasks.ts";
import { add, every, see } from "../support/node/schedules.ts";
import type { Fault } from "../support/node/shard-for-directory.ts";

const SEEDS = 15;
const STEPS = 60;
const PLANS: readonly {
  readonly id: string;
  readonly seconds: number;
  readonly overlap: OverlapPolicy;
  readonly missed?: MissedPolicy;
}[] = [
  { id: "allow", seconds: 17, overlap: "allow" },
  { id: "skip", seconds: 5, overlap: "skip" },
  { id: "queue", seconds: 7, overlap: "queue-one" },
  { id: "cancel", seconds: 11, overlap: "cancel-running" },
  { id: "once", seconds: 19, overlap: "queue-one", missed: "once" },
];
/** How many fires may wait for others, and be pending, whatever is silent. */
const PENDING: Readonly<Record<OverlapPolicy, readonly [number, number]>> = {
  allow: [0, 101],
  skip: [0, 2],
  "queue-one": [1, 3],
  "cancel-running": [1, 3],
};
const FAULTS: readonly Fault[] = ["throw", "lose", "hang"];

type Begun = NonNullable<ReturnType<typeof begin>>;

class Life {
  readonly world = new DirectoryWorld();
  readonly steps: string[] = [];
  readonly random: () => number;
  readonly #running: Begun[] = [];
  /** Moments that came in a pause. */
  readonly #paused = new Map<string, number>();
  /** When each was last resumed: failures count from then on. */
  readonly #resumed = new Map<string, number>();

  /** What was about to be sent when nothing ran for a while. */
  readonly #late = new Set<number>();

  constructor(seed: number) {
    this.random = chance(seed);
  }

  async start(): Promise<void> {
    const queue = "default" as QueueName;
    await changeQueue(this.world.directory(), { queue, patch: { depthLimit: 12 }, replace: true, create: true });
    for (const { id, seconds, overlap, missed = seconds > 6 ? "all" : "once" } of PLANS)
      await add(this.world, id, every(seconds, { overlap, missed }));
  }

  async step(): Promise<void> {
    const { world, random } = this;
    const draw = random();
    const fault = FAULTS[Math.floor(random() * FAULTS.length)] ?? "throw";
    if (draw < 0.3) await this.#note(`pass`, world.pass(Math.floor(random() * 12_000)));
    else if (draw < 0.4) await this.#note("begin", this.#begin());
    else if (draw < 0.6) await this.#note("end", this.end());
    else if (draw < 0.68) {
      world.faults.set("default:", fault);
      this.steps.push(`fault ${String(fault)}`);
    } else if (draw < 0.78) {
      world.faults.clear();
      this.steps.push("heal");
    } else if (draw < 0.84) {
      world.endsFault = [null, "throw", "lose"][Math.floor(random() * 3)] as Fault | null;
      this.steps.push(`ends ${String(world.endsFault)}`);
    } else if (draw < 0.89) await this.#note("told again", this.#tellAgain());
    else if (draw < 0.92) await this.#note("evict", world.evict());
    else if (draw < 0.94) await this.#note("pause", this.#pause());
    else if (draw < 0.97)
      await this.#note("two ticks", Promise.all([tick(world.directory()), tick(world.directory())]));
    else {
      for (const { fireAt } of this.#unsent()) this.#late.add(fireAt);
      world.stand(Math.floor(random() * 100_000));
      await this.#note("away", world.evict());
    }
    await world.settle();
  }

  async #note(name: string, work: Promise<unknown>): Promise<void> {
    this.steps.push(name);
    await work;
  }

  async #begin(): Promise<void> {
    const begun = begin(this.world.shard());
    if (begun) this.#running.push(begun);
  }

  /** Something that runs, or waits, ends. */
  async end(): Promise<boolean> {
    const begun = this.#running.shift() ?? begin(this.world.shard());
    begun?.end(this.random() < 0.5 ? "succeeded" : "failed");
    await this.world.settle();
    return begun !== null;
  }

  /** A word of some end comes once more. */
  async #tellAgain(): Promise<void> {
    const { endsTold } = this.world;
    const end = endsTold[Math.floor(this.random() * endsTold.length)];
    if (end) await fireEnded(this.world.directory(), { v: 1, ends: [end] });
  }

  /** What is in its way still when it is resumed, is. */
  async #pause(): Promise<void> {
    const { world } = this;
    const plan = PLANS[Math.floor(this.random() * PLANS.length)];
    const before = plan && (await see(world, plan.id));
    // What was due and has not been taken up is passed over.
    if (!plan || !before?.nextAt || before.nextAt <= world.now) return;
    await pauseSchedule(world.directory(), { id: plan.id, paused: true });
    await world.pass(Math.floor(this.random() * 12_000));
    await pauseSchedule(world.directory(), { id: plan.id, paused: false });
    this.#resumed.set(plan.id, world.now);
    const passed = (((await see(world, plan.id)).nextAt ?? 0) - before.nextAt) / (plan.seconds * 1_000);
    this.#paused.set(plan.id, (this.#paused.get(plan.id) ?? 0) + passed);
  }

  /** Tasks of a schedule that have not ended, in its shard. */
  live(id: string): number {
    return (
      this.world.rows<{ n: number }>(
        "default:default:0",
        `SELECT count(*) AS n FROM task
        WHERE status NOT IN ('FAILED') AND json_extract(options, '$.partOf.schedule') = '${id}'`,
      )[0]?.n ?? 0
    );
  }

  /** By the word of the shard, each of which was told, or tried to be. */
  #failuresInRow(id: string): number {
    const ends = new Map<number, FireEnd>();
    for (const end of this.world.endsTold)
      if (end.schedule === id && (ends.get(end.fireAt)?.endedAt ?? 0) <= end.endedAt) ends.set(end.fireAt, end);
    const successes = [...ends.values()].filter(({ status }) => status === "SUCCEEDED");
    const since = Math.max(this.#resumed.get(id) ?? 0, ...successes.map(({ fireAt }) => fireAt));
    return [...ends.values()].filter(({ fireAt, status }) => fireAt > since && status === "FAILED").length;
  }

  /** What runs is cancelled for one that was taken, and for nothing else. */
  #checkCancelled(): void {
    const vain = this.world.rows(
      "default",
      `SELECT * FROM fire AS f WHERE (status = 'CANCELLED' OR cancel_at IS NOT NULL) AND NOT EXISTS
        (SELECT 1 FROM fire AS later WHERE later.schedule = f.schedule AND later.fire_at > f.fire_at AND made <> '')`,
    );
    expect(vain, "cancelled in vain").toEqual([]);
  }

  #unsent(): { readonly fireAt: number }[] {
    return this.world.rows("default", "SELECT fire_at AS fireAt FROM pending WHERE waits = 0 AND tries = 0");
  }

  /** What has waited for long is not late for that. */
  #checkReleased(): void {
    const missed = this.world.rows<{ schedule: string; fireAt: number }>(
      "default",
      "SELECT schedule, fire_at AS fireAt FROM fire WHERE reason = 'it was not sent in time'",
    );
    expect(
      missed.filter(({ fireAt }) => !this.#late.has(fireAt)),
      "missed though it was released",
    ).toEqual([]);
  }

  pending(id: string, where = "1"): number {
    const query = `SELECT count(*) AS n FROM pending WHERE schedule = '${id}' AND ${where}`;
    return this.world.rows<{ n: number }>("default", query)[0]?.n ?? 0;
  }

  /** Each fire whose moment has come is a task, left out, missed or still to be: one of these, once. */
  async check(): Promise<void> {
    const hasTables = this.world.shard().memory.hasTables;
    this.#checkCancelled();
    this.#checkReleased();
    for (const { id, seconds, overlap } of PLANS) {
      const schedule = await see(this.world, id);
      const passed = ((schedule.nextAt ?? Number.NaN) - START - seconds * 1_000) / (seconds * 1_000);
      const paused = this.#paused.get(id) ?? 0;
      const told = schedule.fires + schedule.missedCount + schedule.skippedCount + this.pending(id) + paused;
      expect(
        told,
        `${id}: ${schedule.fires} fires, ${schedule.missedCount} missed, ${schedule.skippedCount} skipped, ${paused} paused`,
      ).toBe(passed);
      const [mayWait, mayPend] = PENDING[overlap];
      expect(this.pending(id, "waits = 1"), `${id} waits`).toBeLessThanOrEqual(mayWait);
      expect(this.pending(id), `${id} is pending`).toBeLessThanOrEqual(mayPend);
      if (hasTables && (overlap === "skip" || overlap === "queue-one"))
        expect(this.live(id), `${id} runs at once`).toBeLessThanOrEqual(1);
    }
  }

  /** Once all is well, and everything that runs ends, each schedule goes on, whatever was never told. */
  async checkGoesOn(): Promise<{ readonly fires: number; readonly skipped: number }> {
    const { world } = this;
    world.faults.clear();
    world.endsFault = null;
    await world.pass(150_000);
    const before = await Promise.all(PLANS.map(({ id }) => see(world, id)));
    for (let round = 0; round < 30; round++) {
      while (await this.end());
      await world.pass(5_000);
      await this.check();
    }
    const after = await Promise.all(PLANS.map(({ id }) => see(world, id)));
    for (const [i, { id }] of PLANS.entries())
      expect((after[i]?.fires ?? 0) - (before[i]?.fires ?? 0), `${id} goes on`).toBeGreaterThan(5);
    const keys = world.rows<{ key: string }>("default:default:0", "SELECT key FROM dedup WHERE key LIKE 'sched:%'");
    expect(new Set(keys.map(({ key }) => key)).size).toBe(keys.length);
    const sum = (field: "fires" | "skippedCount") => after.reduce((total, schedule) => total + schedule[field], 0);
    expect(keys.length, "a task for each fire that is counted").toBeGreaterThanOrEqual(sum("fires"));
    // What is thought to run does: nothing that ended is still taken for running, after a fire or two.
    await world.pass(61_000);
    for (const { id } of PLANS) {
      await listFires(world.directory(), { id, before: null, limit: 1 });
      const [row] = world.rows<{ n: number }>(
        "default",
        `SELECT count(*) AS n FROM fire WHERE schedule = '${id}' AND status IS NULL`,
      );
      expect(row?.n, `${id} is open`).toBeLessThanOrEqual(this.live(id));
      expect((await see(world, id)).failuresInRow, `${id} failed in a row`).toBe(this.#failuresInRow(id));
    }
    return { fires: sum("fires"), skipped: sum("skippedCount") };
  }
}

describe("overlap while everything fails", () => {
  const first = Number(process.env.SEED ?? 1);
  const last = process.env.SEED === undefined ? Number(process.env.SIMULATION_SEEDS ?? SEEDS) : first;
  const seeds = last - first + 1;

  it(`334 335 336 337 345 348 349 350 351 each fire has one fate, none runs beside another, nothing is stuck, over ${seeds} seeds`, {
    timeout: 5_000 * seeds + 60_000,
  }, async () => {
    let fires = 0;
    let skipped = 0;
    for (let seed = first; seed <= last; seed++) {
      const life = new Life(seed);
      await life.start();
      try {
        for (let i = 0; i < STEPS; i++) {
          await life.step();
          await life.check();
        }
        const went = await life.checkGoesOn();
        fires += went.fires;
        skipped += went.skipped;
      } catch (error) {
        throw new Error(`seed ${seed}, steps: ${life.steps.join("; ")}`, { cause: error });
      }
    }
    // It did something, and something of each kind.
    expect(fires).toBeGreaterThan(seeds * 50);
    expect(skipped).toBeGreaterThan(seeds * 5);
  });
});
