/** What the Directory does under an Idempotency-Key: once, over the loss of the object, for a day. */
import { expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import type { JobDefinition } from "../../core/schema/bulk-rpc.ts";
import { startJob } from "../../durable-objects/directory/jobs/jobs.ts";
import { changeQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { deleteQueue } from "../../durable-objects/directory/queues/delete-queue.ts";
import { deleteSchedule } from "../../durable-objects/directory/schedules/delete-schedule.ts";
import { createSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { tick } from "../../durable-objects/directory/tick.ts";
import { createWebhook, deleteWebhook, webhookSecrets } from "../../durable-objects/directory/webhooks/save-webhook.ts";
import { DirectoryWorld } from "../support/node/directory-world.ts";
import { every, see } from "../support/node/schedules.ts";

const queue = "a" as QueueName;
const JOB: JobDefinition = { queue, work: { action: "cancel", filter: {} }, asOf: null, rate: null };
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

it("202 a key goes with its queue: a webhook and a job are refused while there is none, and made anew when there is", async () => {
  const world = new DirectoryWorld();
  const put = () => changeQueue(world.directory(), { queue, patch: {}, replace: true, create: true });
  const job = () =>
    startJob(world.directory(), { definition: JOB, idempotency: { key: "/tasks/bulk k", fingerprint: "f" } });
  await put();
  const webhook = await make(world, "https://hook.example/a");
  const first = await job();
  expect([await make(world, "https://hook.example/a"), await job()]).toMatchObject([
    { replayed: true },
    { replayed: true },
  ]);
  await world.ask(deleteQueue(world.directory(), { queue, force: true }));
  expect([await make(world, "https://hook.example/a"), await job()]).toMatchObject([
    { code: "queue-unknown" },
    { code: "queue-unknown" },
  ]);
  expect(world.rows("default", "SELECT * FROM request_key")).toEqual([]);
  await put();
  const again = await make(world, "https://hook.example/a");
  const second = await job();
  expect(again.ok && webhook.ok && again.webhook.id !== webhook.webhook.id && !again.replayed).toBe(true);
  expect(second.ok && first.ok && second.job.id !== first.job.id && !second.replayed).toBe(true);
});

it("202 a key goes with its webhook, a new secret's too, and with its schedule", async () => {
  const world = new DirectoryWorld();
  await changeQueue(world.directory(), { queue, patch: {}, replace: true, create: true });
  const made = await make(world, "https://hook.example/a");
  const id = made.ok ? made.webhook.id : "";
  const rotate = () =>
    webhookSecrets(world.directory(), { id, rotate: true, idempotency: { key: "/rotate k", fingerprint: "" } });
  expect([await rotate(), await rotate()]).toMatchObject([{ ok: true }, { replayed: true }]);
  await deleteWebhook(world.directory(), { id });
  expect(await rotate()).toMatchObject({ code: "webhook-unknown" });
  expect(await make(world, "https://hook.example/a")).not.toHaveProperty("replayed");

  const schedule = () =>
    createSchedule(world.directory(), {
      id: "s",
      definition: every(600),
      paused: false,
      idempotency: { key: "/schedules k", fingerprint: "f" },
    });
  expect([await schedule(), await schedule()]).toMatchObject([{ ok: true }, { replayed: true }]);
  await deleteSchedule(world.directory(), { id: "s" });
  expect(await schedule()).not.toHaveProperty("replayed");
  expect(await see(world, "s")).toMatchObject({ id: "s" });
});
