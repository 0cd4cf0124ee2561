/** What the Directory does under an Idempotency-Key: once, over the loss of the object, for a day. */
import { expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import { changeQueue } from "../../durable-objects/directory/change-queue.ts";
import { createWebhook } from "../../durable-objects/directory/save-webhook.ts";
import { tick } from "../../durable-objects/directory/tick.ts";
import { DirectoryWorld } from "../support/node/directory-world.ts";

const queue = "a" as QueueName;
const DAY_MS = 86_400_000;
const make = (world: DirectoryWorld, url: string, fingerprint = url) =>
  createWebhook(world.directory(), { queue, url, idempotency: { key: "/webhooks k", fingerprint } });

it("202 203 207 a key's first answer outlives the object; after a day the key is free, and its row gone by itself", async () => {
  const world = new DirectoryWorld();
  await changeQueue(world.directory(), { queue, patch: {}, replace: true, create: true });
  const first = await make(world, "https://hook.example/a");
  await world.evict();
  expect(await make(world, "https://hook.example/a")).toEqual({ ...first, replayed: true });
  expect(await make(world, "https://hook.example/b")).toMatchObject({ code: "idempotency-key-reused" });
  world.stand(DAY_MS - 1);
  await world.ask(tick(world.directory()));
  expect(await make(world, "https://hook.example/b")).toMatchObject({ ok: false });
  world.stand(1);
  await world.ask(tick(world.directory()));
  expect(world.rows("default", "SELECT * FROM request_key")).toEqual([]);
  expect(await make(world, "https://hook.example/b")).toMatchObject({ ok: true });
});
