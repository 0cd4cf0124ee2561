import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { parseTaskId, type QueueName, seqTime } from "../../core/ids.ts";
import type { ScheduleDefinition, ScheduleRecord } from "../../core/schema/schedule-rpc.ts";

const PATIENCE = { timeout: 10_000, interval: 20 };

/** Each test has a tenant of its own. */
const directory = (tenant: string) => env.DIRECTORY.getByName(tenant);

function every(everySeconds: number, told: Partial<ScheduleDefinition> = {}): ScheduleDefinition {
  return {
    type: "echo",
    version: 1,
    payload: "{}",
    options: null,
    priority: 5,
    queue: null,
    timing: { kind: "every", everySeconds },
    missed: "once",
    startAt: null,
    endAt: null,
    ...told,
  };
}

async function see(tenant: string, id: string): Promise<ScheduleRecord> {
  const answer = await directory(tenant).getSchedule({ v: 1, id });
  if (!answer.ok) throw new Error(answer.detail);
  return answer.schedule as ScheduleRecord;
}

/** When its latest task was made (Unix ms), as the task's id tells. */
function madeAt(schedule: ScheduleRecord): number {
  const id = parseTaskId(schedule.lastTaskId ?? "");
  return id === null ? Number.POSITIVE_INFINITY : seqTime(id.seq);
}

function registered(sql: SqlStorage): boolean {
  return sql.exec("SELECT 1 FROM directory WHERE register_at IS NULL").toArray().length > 0;
}

/** Waits until a schedule has fired `fires` times. */
async function fired(tenant: string, id: string, fires: number): Promise<ScheduleRecord> {
  return await vi.waitFor(async () => {
    const schedule = await see(tenant, id);
    expect(schedule.fires).toBeGreaterThanOrEqual(fires);
    return schedule;
  }, PATIENCE);
}

describe("the Directory on workerd", () => {
  it("a question leaves an object without tables", async () => {
    const stub = directory("ask");
    const request = { v: 1, queue: "x" as QueueName, type: null, create: false } as const;
    expect(await stub.lookup(request)).toMatchObject({ ok: true, entry: null });
    await runInDurableObject(stub, (_instance, ctx) => {
      expect(ctx.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'queue'").toArray()).toEqual([]);
    });
  });

  it("182 queues, their settings in the shards, and routes", async () => {
    const stub = directory("queues");
    const queue = "a" as QueueName;
    const put = { v: 1, queue, patch: { shards: 2, concurrency: 4 }, replace: true, create: true } as const;
    expect(await stub.changeQueue(put)).toMatchObject({ ok: true, entry: { shardsEver: 2 } });
    expect(await stub.changeQueue({ ...put, patch: { concurrency: 5 }, replace: false })).toMatchObject({
      entry: { settings: { version: 2 } },
      shards: { asked: 2, answered: 2 },
    });
    const summary = await env.QUEUE_SHARD.getByName("queues:a:1").summary();
    expect(summary).toMatchObject({ ok: true, summary: { settingsVersion: 2 } });
    expect(await stub.putRoute({ v: 1, type: "echo", queue })).toMatchObject({ ok: true });
    expect(await stub.listRoutes({ v: 1 })).toMatchObject({ routes: [{ type: "echo", queue: "a" }] });
  });

  it("E1 170 a schedule fires by the object's alarm, and goes on after an eviction", async () => {
    const stub = directory("fires");
    const made = await stub.createSchedule({ v: 1, id: "a", definition: every(1), paused: false });
    expect(made).toMatchObject({ ok: true });
    const first = await fired("fires", "a", 1);
    expect(first.lastTaskId).toMatch(/^default\.0\./);
    await evictDurableObject(stub);
    const later = await fired("fires", "a", first.fires + 2);
    expect(later.missedCount).toBe(0);
    // 8 to 18 ms on a quiet machine.
    expect(madeAt(later) - (later.lastFireAt ?? 0)).toBeLessThan(1_000);
    expect(((later.lastFireAt ?? 0) - (first.lastFireAt ?? 0)) % 1_000).toBe(0);
    await stub.deleteSchedule({ v: 1, id: "a" });
  });

  it("E1 176 run-now answers with the task, paused or not", async () => {
    const stub = directory("run-now");
    await stub.createSchedule({ v: 1, id: "a", definition: every(3_600), paused: true });
    const ran = await stub.runSchedule({ v: 1, id: "a" });
    expect(ran).toMatchObject({ ok: true, taskId: expect.stringMatching(/^default\.0\./) });
  });

  it("registers its tenant at _root by its own alarm", async () => {
    await directory("known").putRoute({ v: 1, type: "echo", queue: "a" as QueueName });
    await vi.waitFor(
      async () =>
        expect(await directory("_root").listTenants({ v: 1 })).toMatchObject({
          tenants: expect.arrayContaining(["known"]),
        }),
      PATIENCE,
    );
  });

  it("an idle Directory has no alarm", async () => {
    const stub = directory("idle");
    await stub.putRoute({ v: 1, type: "echo", queue: "a" as QueueName });
    const alarm = () => runInDurableObject(stub, (_instance, ctx) => ctx.storage.getAlarm());
    const known = () => runInDurableObject(stub, (_instance, ctx) => registered(ctx.storage.sql));
    await vi.waitFor(async () => expect(await known()).toBe(true), PATIENCE);
    // The one that was set for the case that _root did not answer.
    await runDurableObjectAlarm(stub);
    expect(await alarm()).toBeNull();
  });

  it("170 an alarm that is lost is set again when the object starts", async () => {
    const stub = directory("lost");
    await stub.createSchedule({ v: 1, id: "a", definition: every(2), paused: false });
    await runInDurableObject(stub, (_instance, ctx) => ctx.storage.deleteAlarm());
    await evictDurableObject(stub);
    await fired("lost", "a", 1);
    await stub.deleteSchedule({ v: 1, id: "a" });
  });
});
