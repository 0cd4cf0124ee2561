/** How many dead letters a queue holds, and how many bytes of them: the oldest go. */
import { describe, expect, it } from "vitest";
import { MIB } from "../../core/bytes.ts";
import { findSettingFault } from "../../core/check-settings.ts";
import { DEFAULT_SETTINGS, deadShareOf } from "../../core/schema/queue-settings.ts";
import { onAlarm } from "../../durable-objects/queue-shard/alarm.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { listDead } from "../../durable-objects/queue-shard/dead/dead-letters.ts";
import { loadMemory } from "../../durable-objects/queue-shard/load-memory.ts";
import { SHARD_MIGRATIONS } from "../../durable-objects/queue-shard/migrations.ts";
import { migrate } from "../../durable-objects/sql/migrate.ts";
import { openNodeSql } from "../../durable-objects/sql/node.ts";
import { bury } from "../support/node/dead-hand.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { many, taskAt } from "../support/node/worker-hand.ts";

const worldOf = (settings = {}) => makeWorld({ slots: 64, retry: { maxAttempts: 1 }, ...settings });

function held(world: ShardWorld): number[] {
  const answer = listDead(world.shard, { v: 1, filter: {}, after: null, limit: 100 });
  if (!answer.ok) throw new Error(answer.detail);
  return answer.tasks.map(({ seq }) => seq).sort((a, b) => a - b);
}

function asSql(world: ShardWorld) {
  const { dead } = world.shard.memory;
  world.evict();
  expect(world.shard.memory.dead).toEqual(dead);
  return dead;
}

describe("275 a queue holds so many dead letters", () => {
  it("by count: the oldest go with the death that is one too many, at once; history keeps what they were", () => {
    const world = worldOf({ deadLettersMax: 10 });
    const seqs: number[] = [];
    for (let i = 0; i < 4; i++) {
      seqs.push(...bury(world, many(6)));
      world.now += 10;
    }
    expect(held(world)).toEqual(seqs.slice(-10));
    expect(asSql(world)).toMatchObject({ count: 10 });
    expect(taskAt(world, seqs[0] as never)).toMatchObject({ status: "FAILED" });
  });

  it("by bytes of payload, attempts and error", () => {
    const world = worldOf({ deadLettersMaxBytes: MIB });
    const seqs = bury(
      world,
      Array.from({ length: 20 }, () => ({ payload: JSON.stringify("é".repeat(50_000)) })),
    );
    const { bytes, count } = asSql(world);
    expect(bytes).toBeLessThanOrEqual(MIB);
    expect(bytes + 110_000).toBeGreaterThan(MIB);
    expect(held(world)).toEqual(seqs.slice(-count));
  });

  it("a lowered bound is worked off a thousand at a time, by the alarm", () => {
    const world = worldOf({ depthLimit: 10_000 });
    const seqs = bury(world, many(2_560));
    const { settings } = world.shard.memory;
    if (!settings) throw new Error("no settings");
    configure(world.shard, { v: 1, settings: { ...settings, deadLettersMax: 50, version: 2 } });
    expect(world.shard.alarmAt).toBe(world.now);
    const left: number[] = [];
    for (let i = 0; i < 4; i++) {
      onAlarm(world.shard);
      left.push(world.shard.memory.dead.count);
    }
    expect(left).toEqual([1_560, 560, 50, 50]);
    expect(held(world)).toEqual(seqs.slice(-50));
  });

  it("those that died before bytes were counted are counted when the tables are brought up to date", () => {
    const sql = openNodeSql();
    const before = SHARD_MIGRATIONS.findIndex(({ id }) => id === "206-dead-letters");
    migrate(sql, SHARD_MIGRATIONS.slice(0, before));
    sql.run(`INSERT INTO task (seq, status, priority, type, version, payload, created_at, ended_at, attempts, error)
      VALUES (7, 'FAILED', 5, 'echo', 1, '"é"', 1, 9, '[]', '{}')`);
    migrate(sql, SHARD_MIGRATIONS);
    expect(loadMemory(sql, null).dead).toEqual({ count: 1, oldest: 9, bytes: 8 });
  });

  it("each shard has a whole share, also of those that autoscale may yet bring; a bound below one each is refused", () => {
    const settings = { ...DEFAULT_SETTINGS, shards: 3, deadLettersMax: 11, deadLettersMaxBytes: 8 * MIB };
    expect(deadShareOf(settings)).toEqual({ count: 3, bytes: Math.floor((8 * MIB) / 3) });
    const autoscale = { minShards: 1, maxShards: 8, targetDepth: 1, targetWaitMs: 100 };
    expect(deadShareOf({ ...settings, autoscale })).toEqual({ count: 1, bytes: MIB });
    const fault = (change: object) => findSettingFault({ ...settings, ...change }, 30_000)?.field;
    expect(fault({})).toBeUndefined();
    expect(fault({ deadLettersMax: 2 })).toBe("deadLettersMax");
    expect(fault({ deadLettersMaxBytes: 2 * MIB })).toBe("deadLettersMaxBytes");
  });
});
