/** Webhooks of queues, and the secrets that they and tasks' own callbacks are signed with. The Directory keeps them. */
import { Problem } from "../../core/errors.ts";
import type { QueueName } from "../../core/ids.ts";
import { QueueNameSchema } from "../../core/schema/submission.ts";
import { WebhookCreateSchema, WebhookPatchSchema } from "../../core/schema/webhooks.ts";
import type { WebhookRecord, WebhookSecret } from "../../core/schema/webhooks-rpc.ts";
import { FINISHED } from "../../core/status.ts";
import { iso } from "../../core/task.ts";
import { answered, ask, PATIENCE_MS } from "../../reads/ask.ts";
import { askDirectory } from "../ask-directory.ts";
import type { Ctx, Door, Route } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { checkBody, readBody, readJson, refuseFields } from "../middleware/read-body.ts";
import { IdCursorSchema, readCursor, writeCursor } from "../read/cursor.ts";
import { readWhole } from "../read/read-query.ts";
import { readPathKey } from "../submit/idempotency.ts";
import { replayed } from "../submit/show-accepted.ts";
import { deliveryView } from "./deliveries.ts";
import { unknownQueue } from "./queue-name.ts";

const MAX_LISTED = 100;

/** 201 with its secret, which no later answer but `/secret` has. */
export async function createWebhook(door: Door, c: Ctx): Promise<Response> {
  const { value, bytes } = await readBody(c.req.raw, door.env.bodyLimit);
  const { queue, url, ...told } = checkBody(WebhookCreateSchema, value);
  const idempotency = await readPathKey(c, bytes);
  const answer = await askDirectory(door, c, (directory) =>
    directory.createWebhook({ v: 1, queue: queue as QueueName, url, ...told, idempotency }),
  );
  const { webhook, secret, shards } = answer;
  const headers = { location: `/webhooks/${webhook.id}`, ...replayed(answer.replayed) };
  return json({ ...webhookView(webhook), secret, shards }, 201, headers);
}

/** `?queue=`, `?limit=` (100), `?cursor=` of the answer before. */
export async function listWebhooks(door: Door, c: Ctx): Promise<Response> {
  const limit = readWhole(c, "limit", 1, MAX_LISTED) ?? MAX_LISTED;
  const name = c.req.query("queue");
  if (name !== undefined && !QueueNameSchema.safeParse(name).success) throw unknownQueue(name, "?queue");
  const queue = name === undefined ? null : (name as QueueName);
  const after = readCursor(c, IdCursorSchema);
  const { webhooks, next } = await askDirectory(door, c, (directory) =>
    directory.listWebhooks({ v: 1, queue, after, limit }),
  );
  return json({ webhooks: webhooks.map(webhookView), cursor: writeCursor(next) });
}

export async function getWebhook(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  const { webhook } = await askDirectory(door, c, (directory) => directory.getWebhook({ v: 1, id }));
  return json(webhookView(webhook));
}

/** What is named; `shards` says how many objects have taken it by now. */
export async function patchWebhook(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  const changes = checkBody(WebhookPatchSchema, await readJson(c.req.raw, door.env.bodyLimit));
  const { webhook, shards } = await askDirectory(door, c, (directory) =>
    directory.changeWebhook({ v: 1, id, changes }),
  );
  return json({ ...webhookView(webhook), shards });
}

/** 204: nothing more is sent to it. */
export async function deleteWebhook(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  await refuseFields(c.req.raw, door.env.bodyLimit);
  await askDirectory(door, c, (directory) => directory.deleteWebhook({ v: 1, id }));
  return new Response(null, { status: 204 });
}

export const getSecret = tellSecrets(idOf, false);
export const rotateSecret = tellSecrets(idOf, true);
export const getSigningSecret = tellSecrets(() => null, false);
export const rotateSigningSecret = tellSecrets(() => null, true);

/** 202 with a delivery that tells of no task; it is sent at once, also where the webhook is disabled. */
export async function testWebhook(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  await refuseFields(c.req.raw, door.env.bodyLimit);
  const { webhook } = await askDirectory(door, c, (directory) => directory.getWebhook({ v: 1, id }));
  const { queue } = webhook;
  const { entry } = await askDirectory(door, c, (directory) =>
    directory.lookup({ v: 1, queue, type: null, create: false }),
  );
  if (entry === null) throw unknownQueue(queue);
  const at = { tenant: c.env.tenant, queue, shard: 0 };
  const question = { whom: `Shard 0 of ${queue}`, ms: PATIENCE_MS, lost: "unavailable" } as const;
  const { settings } = entry;
  // The shard may not have heard of the webhook yet, or of any settings.
  const { delivery } = answered(
    await ask(door.ports, door.log, question, async () => {
      const configured = await door.ports.shard(at).configure({ v: 1, settings });
      return configured.ok ? await door.ports.shard(at).pingWebhook({ v: 1, webhook: id }) : configured;
    }),
  );
  const view = deliveryView(at, delivery);
  return json(view, 202, { location: `/webhooks/deliveries/${view.id}` });
}

function tellSecrets(idOfSecret: (c: Ctx) => string | null, rotate: boolean): Route {
  return async (door, c) => {
    const id = idOfSecret(c);
    const idempotency = rotate ? await readPathKey(c, await refuseFields(c.req.raw, door.env.bodyLimit)) : null;
    const { secrets, replayed: isReplay } = await askDirectory(door, c, (directory) =>
      directory.webhookSecrets({ v: 1, id, rotate, idempotency }),
    );
    return json(secretView(secrets), 200, replayed(isReplay));
  };
}

/** `previous` signs besides, until then. */
function secretView([first, ...others]: readonly WebhookSecret[]) {
  const [before] = others;
  return {
    secret: first?.secret ?? null,
    previous: before?.until ? { secret: before.secret, until: iso(before.until) } : null,
  };
}

function webhookView(webhook: WebhookRecord) {
  const { id, queue, url, events, description, disabled, disabledReason, createdAt, updatedAt } = webhook;
  const why = disabledReason === null ? {} : { disabledReason };
  const times = { createdAt: iso(createdAt), updatedAt: iso(updatedAt) };
  return { id, queue, url, events: events ?? FINISHED, description, disabled, ...why, ...times };
}

function idOf(c: Ctx): string {
  const id = c.req.param("id") ?? "";
  if (!/^wh_[0-9a-f-]{1,64}$/.test(id)) throw new Problem("webhook-unknown", `There is no webhook ${id}.`);
  return id;
}
