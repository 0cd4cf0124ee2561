/** Webhooks at the Directory: kept there, and brought to every shard with the queue's settings. */
import { describe, expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import { OVERLAP_MS } from "../../core/webhook-secrets.ts";
import { lookup } from "../../durable-objects/directory/lookup.ts";
import { changeQueue, controlQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { deleteQueue } from "../../durable-objects/directory/queues/delete-queue.ts";
import { tick } from "../../durable-objects/directory/tick.ts";
import { listWebhooks } from "../../durable-objects/directory/webhooks/read-webhooks.ts";
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  webhookGone,
  webhookSecrets,
} from "../../durable-objects/directory/webhooks/save-webhook.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { DirectoryWorld } from "../support/node/directory-world.ts";

const queue = "a" as QueueName;
const url = "https://hook.example/a";

async function withQueue(shards = 2): Promise<DirectoryWorld> {
  const world = new DirectoryWorld();
  await changeQueue(world.directory(), { queue, patch: { shards }, replace: true, create: true });
  return world;
}

async function create(world: DirectoryWorld, more: object = {}) {
  const made = await createWebhook(world.directory(), { queue, url, ...more });
  if (!made.ok) throw new Error(made.detail);
  return made;
}

/** As each shard knows it. */
function hooksAt(world: DirectoryWorld, shard: number) {
  return world.shard("a", shard).memory.settings?.hooks;
}

describe("297 webhooks", () => {
  it("are told to every shard as a change of settings is, with their secrets; deleted, they are gone there too", async () => {
    const world = await withQueue();
    const { webhook, secret, shards } = await create(world, { events: ["FAILED"] });
    expect(shards).toEqual({ asked: 2, answered: 2 });
    for (const shard of [0, 1])
      expect(hooksAt(world, shard)?.webhooks).toEqual([
        { id: webhook.id, url, events: ["FAILED"], disabled: false, secrets: [{ secret, until: null }] },
      ]);
    await world.pass(1_000);
    const changedAt = world.now;
    world.faults.set("default:a:1", "hang");
    const change = changeWebhook(world.directory(), {
      id: webhook.id,
      changes: { url: "https://b.example", events: null },
    });
    await world.pass(1_000);
    expect(await change).toMatchObject({
      webhook: { url: "https://b.example", events: null },
      shards: { answered: 1 },
    });
    world.faults.clear();
    await world.pass(2_000);
    expect(hooksAt(world, 1)?.webhooks).toMatchObject([{ url: "https://b.example", events: null }]);
    expect(await change).toMatchObject({ webhook: { createdAt: webhook.createdAt, updatedAt: changedAt } });
    const { version } = world.shard("a", 0).memory.settings ?? {};
    await changeWebhook(world.directory(), { id: webhook.id, changes: { url: "https://b.example" } });
    expect(world.shard("a", 0).memory.settings?.version).toBe(version);
    await deleteWebhook(world.directory(), { id: webhook.id });
    for (const shard of [0, 1]) expect(hooksAt(world, shard)?.webhooks).toEqual([]);
    expect(await deleteWebhook(world.directory(), { id: webhook.id })).toMatchObject({ code: "webhook-unknown" });
  });

  it("stay when the settings are put anew, and are no setting: nothing else changes by that", async () => {
    const world = await withQueue();
    await create(world);
    const put = { queue, patch: { shards: 2 }, replace: true, create: true };
    expect(await changeQueue(world.directory(), put)).toMatchObject({ shards: { asked: 0 } });
    await changeQueue(world.directory(), { ...put, patch: { shards: 2, slots: 3 } });
    expect(hooksAt(world, 0)?.webhooks).toHaveLength(1);
    const [row] = world.rows<{ settings: string }>("default", "SELECT settings FROM queue");
    expect(row?.settings).not.toContain("whsec_");
  });

  it("are ten of a queue at most, of a queue that is there or comes by itself, and go with it", async () => {
    const world = await withQueue(1);
    for (let i = 0; i < 10; i++) await create(world, { url: `${url}${i}` });
    expect(await createWebhook(world.directory(), { queue, url })).toMatchObject({
      code: "invalid-request",
      pointer: "/queue",
    });
    const other = (name: string) => createWebhook(world.directory(), { queue: name as QueueName, url });
    expect(await other("none")).toMatchObject({ code: "queue-unknown" });
    expect(await other("default")).toMatchObject({ ok: true });
    await deleteQueue(world.directory(), { queue, force: true });
    const left = await listWebhooks(world.directory(), { queue: null, after: null, limit: 100 });
    expect(left).toMatchObject({ webhooks: [{ queue: "default" }] });
  });

  it("298 a queue with deliveries to be sent is not empty", async () => {
    const world = await withQueue(1);
    await create(world);
    const task = { type: "echo", version: 1, priority: 5, payload: "1", runAt: null, options: null };
    const settings = world.shard("a", 0).memory.settings;
    if (!settings) throw new Error("no settings");
    const request = { v: 1, settingsVersion: settings.version, atomic: true, tasks: [task] } as const;
    const answer = await world.ports.shard({ ...world.shard("a", 0).address }).submit(request);
    cancel(world.shard("a", 0), { v: 1, seq: answer.ok ? (answer.seqs[0] ?? (0 as never)) : (0 as never) });
    await controlQueue(world.directory(), { queue, action: "drain" });
    const refused = await deleteQueue(world.directory(), { queue, force: false });
    expect(refused).toMatchObject({ code: "queue-not-empty" });
    expect(!refused.ok && refused.detail).toContain("1 webhook delivery to be sent");
  });

  it("a receiver that says 410 is disabled once, an operator is told why, and whoever enables it again ends that", async () => {
    const world = await withQueue();
    const { id } = (await create(world)).webhook;
    await webhookGone(world.directory(), { id });
    const { version } = world.shard("a", 0).memory.settings ?? {};
    await webhookGone(world.directory(), { id });
    expect(world.shard("a", 0).memory.settings?.version).toBe(version);
    expect(hooksAt(world, 0)?.webhooks).toMatchObject([{ disabled: true }]);
    const events = world.rows<{ kind: string }>("default", "SELECT kind FROM event WHERE kind = 'webhook-disabled'");
    expect(events).toHaveLength(1);
    const enabled = await changeWebhook(world.directory(), { id, changes: { disabled: false } });
    expect(enabled).toMatchObject({ webhook: { disabled: false, disabledReason: null } });
  });

  it("a secret that was changed signs for a day more, beside the new one", async () => {
    const world = await withQueue(1);
    const { webhook, secret } = await create(world);
    const rotated = await webhookSecrets(world.directory(), { id: webhook.id, rotate: true });
    if (!rotated.ok) throw new Error(rotated.detail);
    expect(rotated.secrets[1]).toEqual({ secret, until: world.now + OVERLAP_MS });
    expect(rotated.secrets[0]?.secret).not.toBe(secret);
    expect(hooksAt(world, 0)?.webhooks[0]?.secrets).toEqual(rotated.secrets);
    await world.pass(OVERLAP_MS);
    const left = await webhookSecrets(world.directory(), { id: webhook.id, rotate: false });
    expect(left).toMatchObject({ secrets: [rotated.secrets[0]] });
  });
});

describe("295 the secret of tasks' callbacks", () => {
  it("is there with the first queue, the same for all, and comes to every shard with its settings", async () => {
    const world = await withQueue(1);
    const kept = await webhookSecrets(world.directory(), { id: null, rotate: false });
    if (!kept.ok) throw new Error(kept.detail);
    expect(kept.secrets).toHaveLength(1);
    const found = await lookup(world.directory(), { v: 1, queue, type: null, create: false });
    expect(found).toMatchObject({ entry: { settings: { version: 1, hooks: { signing: kept.secrets } } } });
  });

  it("changed, it is told to the shards of every queue", async () => {
    const world = await withQueue();
    await changeQueue(world.directory(), { queue: "b" as QueueName, patch: {}, replace: true, create: true });
    const rotated = await webhookSecrets(world.directory(), { id: null, rotate: true });
    if (!rotated.ok) throw new Error(rotated.detail);
    expect(rotated.secrets).toHaveLength(2);
    for (const [name, shard] of [
      ["a", 0],
      ["a", 1],
      ["b", 0],
    ] as const)
      expect(world.shard(name, shard).memory.settings?.hooks?.signing).toEqual(rotated.secrets);
  });

  it("a tenant from before there was one gets it within a minute, and its shards with it", async () => {
    const world = await withQueue(1);
    world.directory().sql.run("UPDATE directory SET signing = NULL");
    await tick(world.directory());
    expect(hooksAt(world, 0)?.signing).toHaveLength(1);
    const { version } = world.shard("a", 0).memory.settings ?? {};
    await tick(world.directory());
    expect(world.shard("a", 0).memory.settings?.version).toBe(version);
  });
});
