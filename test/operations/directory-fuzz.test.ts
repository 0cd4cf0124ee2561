/**
 * Schedules over real shards while answers get lost, shards fall silent, objects die and alarms vanish. Seeded: a
 * failure names its seed: `SEED=n` repeats it, `SIMULATION_SEEDS` runs more.
 */
import { describe, expect, it } from "vitest";
import type { MissedPolicy } from "../../core/schedule.ts";
import { tick } from "../../durable-objects/directory/tick.ts";
import { chance } from "../support/node/chance.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { add, every, see } from "../support/node/schedules.ts";
import type { Fault } from "../support/node/shard-for-directory.ts";

const SEEDS = 40;
const STEPS = 40;
const PLANS: readonly { id: string; seconds: number; missed: MissedPolicy }[] = [
  { id: "quick", seconds: 1, missed: "once" },
  { id: "all", seconds: 7, missed: "all" },
  { id: "skip", seconds: 30, missed: "skip" },
  { id: "slow", seconds: 400, missed: "once" },
];
const FAULTS: readonly Fault[] = [
  "throw",
  "lose",
  "hang",
  { v: 1, ok: false, code: "queue-full", detail: "full" },
  { v: 1, ok: false, code: "history-backlog", detail: "behind" },
];

interface Told {
  fires: number;
  missed: number;
  faultsMet: number;
}

async function step(world: DirectoryWorld, random: () => number): Promise<string> {
  const draw = random();
  const fault = FAULTS[Math.floor(random() * FAULTS.length)] ?? "throw";
  if (draw < 0.4) {
    const ms = Math.floor(random() * 20_000);
    await world.pass(ms);
    return `pass ${ms}`;
  }
  if (draw < 0.6) {
    world.faults.set("default:", fault);
    return `fault ${JSON.stringify(fault)}`;
  }
  if (draw < 0.75) {
    world.faults.clear();
    return "heal";
  }
  if (draw < 0.85) {
    await world.evict();
    return "evict";
  }
  if (draw < 0.9) {
    world.loseAlarm();
    await tick(world.directory());
    return "lose alarm, tick";
  }
  const ms = Math.floor(random() * 200_000);
  world.stand(ms);
  await world.evict();
  return `away ${ms}`;
}

/** Every fire that the clock has passed is a task, missed or waiting: none is lost, none is told twice. */
async function check(world: DirectoryWorld, told: Told): Promise<void> {
  told.fires = 0;
  told.missed = 0;
  for (const { id, seconds } of PLANS) {
    const schedule = await see(world, id);
    const first = START + seconds * 1_000;
    const passed = ((schedule.nextAt ?? Number.NaN) - first) / (seconds * 1_000);
    const [waiting] = world.rows<{ n: number }>(
      "default",
      `SELECT count(*) AS n FROM pending WHERE schedule = '${id}'`,
    );
    expect(schedule.fires + schedule.missedCount + (waiting?.n ?? 0), id).toBe(passed);
    told.fires += schedule.fires;
    told.missed += schedule.missedCount;
  }
}

/** A task for each key, a key for each moment, and no moment that is none. */
function checkTasks(world: DirectoryWorld, told: Told): void {
  const keys = world.rows<{ key: string }>("default:default:0", "SELECT key FROM dedup");
  expect(world.tasks().length, "a task for each key").toBe(keys.length);
  expect(keys.length, "tasks are at least the fires that are counted").toBeGreaterThanOrEqual(told.fires);
  for (const { key } of keys) {
    const [, id, moment, madeAt] = key.split(":");
    const plan = PLANS.find((one) => one.id === id);
    expect(key).toBe(`sched:${plan?.id}:${Number(moment)}:${Number(madeAt)}`);
    expect((Number(moment) - START) % ((plan?.seconds ?? 0) * 1_000), key).toBe(0);
  }
}

async function live(seed: number, told: Told): Promise<void> {
  const random = chance(seed);
  const world = new DirectoryWorld();
  const steps: string[] = [];
  for (const { id, seconds, missed } of PLANS) await add(world, id, every(seconds, { missed }));
  try {
    for (let i = 0; i < STEPS; i++) {
      steps.push(await step(world, random));
      await world.settle();
      await check(world, told);
    }
    world.faults.clear();
    told.faultsMet += steps.filter((one) => one.startsWith("fault")).length;
    const before = told.fires;
    await world.pass(70_000);
    await check(world, told);
    const [waiting] = world.rows<{ n: number }>("default", "SELECT count(*) AS n FROM pending");
    expect(waiting?.n, "nothing waits once all is well").toBe(0);
    checkTasks(world, told);
    expect(told.fires, "fires go on once all is well").toBeGreaterThan(before + 60);
  } catch (error) {
    throw new Error(`seed ${seed}, steps: ${steps.join("; ")}`, { cause: error });
  }
}

describe("schedules while everything fails", () => {
  const first = Number(process.env.SEED ?? 1);
  const last = process.env.SEED === undefined ? Number(process.env.SIMULATION_SEEDS ?? SEEDS) : first;
  const seeds = last - first + 1;

  it(`170 no fire is lost and none becomes two tasks, over ${seeds} seeds`, {
    timeout: 2_000 * seeds + 60_000,
  }, async () => {
    const told: Told = { fires: 0, missed: 0, faultsMet: 0 };
    let fires = 0;
    let missed = 0;
    for (let seed = first; seed <= last; seed++) {
      await live(seed, told);
      fires += told.fires;
      missed += told.missed;
    }
    // It did something, and something of each kind.
    expect(fires).toBeGreaterThan(seeds * 100);
    expect(missed).toBeGreaterThan(seeds * 10);
    expect(told.faultsMet).toBeGreaterThan(seeds * 3);
  });
});
