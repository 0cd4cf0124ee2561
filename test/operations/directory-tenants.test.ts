import { describe, expect, it } from "vitest";
import type { QueueName, TenantName } from "../../core/ids.ts";
import type { EventKind } from "../../core/schema/directory-rpc.ts";
import { drain } from "../../durable-objects/directory/drain.ts";
import { lookup } from "../../durable-objects/directory/lookup.ts";
import { DIRECTORY_MIGRATIONS } from "../../durable-objects/directory/migrations.ts";
import { changeQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { listTenants, registerTenant } from "../../durable-objects/directory/register-tenant.ts";
import { events, report } from "../../durable-objects/directory/report.ts";
import { tick } from "../../durable-objects/directory/tick.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { add, every } from "../support/node/schedules.ts";

async function addQueue(world: DirectoryWorld, tenant: string, name: string, shards = 1): Promise<void> {
  const patch = { shards, keyShards: 1 };
  const request = { queue: name as QueueName, patch, replace: true, create: true };
  const answer = await changeQueue(world.directory(tenant), request);
  if (!answer.ok) throw new Error(answer.detail);
}
const tenants = async (world: DirectoryWorld) => {
  const answer = await listTenants(world.directory("_root"));
  return answer.ok ? answer.tenants : answer;
};

describe("how _root knows its tenants", () => {
  it("the first write of a tenant's Directory registers it, a question does not", async () => {
    const world = new DirectoryWorld();
    await lookup(world.directory("a"), { v: 1, queue: "x" as QueueName, type: null, create: false });
    await addQueue(world, "b", "q");
    await world.pass(10);
    expect(await tenants(world)).toEqual(["b"]);
    await world.pass(60_000);
    expect([world.alarmOf("b"), world.alarmOf("_root")]).toEqual([null, null]);
  });

  it("is tried until it is acked, over the death of the object too", async () => {
    const world = new DirectoryWorld();
    world.rootFault = "hang";
    await addQueue(world, "a", "q");
    await world.pass(20_000);
    expect(await tenants(world)).toEqual([]);
    world.loseAlarm("a");
    await world.evict("a");
    world.rootFault = "lose";
    await world.pass(5_000);
    expect(world.rows("a", "SELECT register_at IS NULL AS known FROM directory")).toEqual([{ known: 0 }]);
    world.rootFault = null;
    await world.pass(5_000);
    expect(await tenants(world)).toEqual(["a"]);
    expect(world.rows("a", "SELECT register_at IS NULL AS known FROM directory")).toEqual([{ known: 1 }]);
  });

  it("takes names of tenants alone, and no tenant keeps tenants", async () => {
    const world = new DirectoryWorld();
    const register = (at: string, tenant: string) =>
      registerTenant(world.directory(at), { tenant: tenant as TenantName });
    expect(await register("_root", "_root")).toMatchObject({ ok: false });
    expect(await register("_root", "a:b")).toMatchObject({ ok: false });
    expect(await register("default", "a")).toMatchObject({ ok: false });
    expect(await register("_root", "a")).toMatchObject({ ok: true });
    expect(await register("_root", "a")).toMatchObject({ ok: true });
    expect(world.rows("_root", "SELECT kind, detail FROM event")).toEqual([{ kind: "tenant-created", detail: "a" }]);
  });
});

describe("the tick", () => {
  it("passes from _root to every tenant", async () => {
    const world = new DirectoryWorld();
    for (const tenant of ["a", "b"]) await addQueue(world, tenant, "default");
    await world.pass(10);
    world.loseAlarm("a");
    world.loseAlarm("b");
    const told = every(60);
    world.directory("a").sql.run(
      `INSERT INTO schedule (id, type, version, priority, timing, missed, anchor, paused, next_at, created_at, updated_at)
       VALUES ('s', 'echo', 1, 5, ?1, 'once', ?2, 0, ?2, 0, 0)`,
      JSON.stringify(told.timing),
      START,
    );
    expect(await tick(world.directory("_root"))).toMatchObject({ ok: true });
    await world.settle();
    expect(world.shard("default", 0, "a").sql.all("SELECT count(*) AS n FROM task")).toEqual([{ n: 1 }]);
  });

  it("wakes every shard that ever was once a boot, not each minute, not after an eviction", async () => {
    const world = new DirectoryWorld();
    await addQueue(world, "default", "a", 3);
    await addQueue(world, "default", "b", 1);
    await tick(world.directory());
    expect(world.countCalls("wake")).toBe(0);
    world.boot = "boot-1";
    await tick(world.directory());
    await world.evict();
    await tick(world.directory());
    expect(world.calls.map((call) => call.shard)).toEqual(
      ["a:0", "a:1", "a:2", "b:0"].map((name) => `default:${name}`),
    );
    world.boot = "boot-2";
    await tick(world.directory());
    expect(world.countCalls("wake")).toBe(8);
  });

  it("wakes them again where one did not answer", async () => {
    const world = new DirectoryWorld();
    world.boot = "boot-1";
    await addQueue(world, "default", "a", 2);
    world.faults.set("default:a:1", "throw");
    await tick(world.directory());
    world.faults.clear();
    await tick(world.directory());
    await tick(world.directory());
    expect(world.countCalls("wake")).toBe(4);
  });

  it("writes nothing where nothing ever was written", async () => {
    const world = new DirectoryWorld();
    world.boot = "boot-1";
    expect(await tick(world.directory())).toMatchObject({ ok: true });
    expect(world.rows("default", "SELECT name FROM sqlite_master")).toEqual([]);
  });
});

describe("the drain", () => {
  it("passes from _root to every tenant and every shard; a silent one costs a second", async () => {
    const world = new DirectoryWorld();
    await addQueue(world, "a", "q", 2);
    await addQueue(world, "b", "q", 1);
    await world.pass(10);
    world.faults.set("a:q:0", "hang");
    const drained = drain(world.directory("_root"));
    await world.pass(1_000);
    expect(await drained).toMatchObject({ ok: false, code: "unavailable" });
    const told = world.calls.filter((call) => call.method === "drain").map((call) => call.shard);
    expect(new Set(told)).toEqual(new Set(["a:q:0", "a:q:1", "b:q:0"]));
    world.faults.clear();
    expect(await world.ask(drain(world.directory("_root")))).toMatchObject({ ok: true, sessions: 3 });
  });
});

describe("185 operator events", () => {
  it("are kept newest first, a thousand of them, and logged as one line each", async () => {
    const world = new DirectoryWorld();
    expect(await events(world.directory(), {})).toMatchObject({ events: [] });
    for (let i = 0; i < 1_005; i++)
      await report(world.directory(), { event: { kind: "dead-ticket", detail: `ticket ${i}` } });
    const told = await events(world.directory(), {});
    if (!told.ok) throw new Error(told.detail);
    expect(told.events).toHaveLength(1_000);
    expect(told.events[0]).toEqual({ at: START, kind: "dead-ticket", detail: "ticket 1004", queue: null });
    expect(told.events.at(-1)?.detail).toBe("ticket 5");
    expect(world.rows("default", "SELECT count(*) AS n FROM event")).toEqual([{ n: 1_000 }]);
    expect(JSON.parse(world.logs[0] ?? "")).toEqual({
      at: "2026-05-01T10:00:00.000Z",
      level: "warn",
      event: "dead-ticket",
      directory: "default",
      detail: "ticket 0",
    });
  });
});

describe("185 operator events of a queue, or of a kind", () => {
  it("are a thousand of each kind: what comes each minute drives out nothing that comes once a day", async () => {
    const world = new DirectoryWorld();
    const tell = (kind: EventKind, detail: string, queue: string) =>
      report(world.directory(), { event: { kind, detail, queue: queue as QueueName } });
    await tell("queue-scaled", "1 to 2", "mails");
    for (let i = 0; i < 1_001; i++) await tell("queue-changed", `change ${i}`, i % 2 === 0 ? "mails" : "other");
    const scaled = await events(world.directory(), { kind: "queue-scaled" });
    expect(scaled).toMatchObject({ events: [{ detail: "1 to 2", queue: "mails" }], next: null });
    const queue = "other" as QueueName;
    const seen: string[] = [];
    for (let before: number | null = null; ; ) {
      const page = await events(world.directory(), { queue, limit: 200, before });
      if (!page.ok) throw new Error(page.detail);
      seen.push(...page.events.map(({ detail }) => detail));
      before = page.next;
      if (before === null) break;
    }
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => `change ${999 - 2 * i}`));
  });
});

describe("195 tables of a Directory", () => {
  it("a migration that fails answers migration-failed, writes nothing, and can be mended", async () => {
    const world = new DirectoryWorld();
    world.migrations = [...DIRECTORY_MIGRATIONS, { id: "199-broken", statements: ["INSERT INTO nowhere VALUES (1)"] }];
    const request = { v: 1, queue: null, type: null, create: true } as const;
    const failed = await lookup(world.directory(), request);
    expect(failed).toMatchObject({
      ok: false,
      code: "migration-failed",
      detail: expect.stringContaining("199-broken"),
    });
    expect(world.rows("default", "SELECT name FROM sqlite_master")).toEqual([]);
    world.migrations = null;
    await world.evict();
    expect(await lookup(world.directory(), request)).toMatchObject({ ok: true, entry: { queue: "default" } });
  });

  it("one that fails on an object with data leaves the alarm alive, and all is done once it is mended", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    world.migrations = [...DIRECTORY_MIGRATIONS, { id: "199-broken", statements: ["INSERT INTO nowhere VALUES (1)"] }];
    await world.evict();
    await world.pass(60_000);
    expect(world.tasks()).toEqual([]);
    expect(world.alarmOf()).not.toBeNull();
    world.migrations = null;
    await world.evict();
    await world.pass(120_000);
    expect(world.tasks().length).toBeGreaterThan(0);
  });
});
