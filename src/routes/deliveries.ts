/** Deliveries of webhooks and callbacks: listed over all of a queue's shards, looked at, sent again. */
import { z } from "zod";
import { Problem } from "../../core/errors.ts";
import { type ParsedTaskId, parseTaskId, type QueueName, type ShardAddress, taskId } from "../../core/ids.ts";
import { QueueNameSchema } from "../../core/schema/submission.ts";
import { DeliveryStatusSchema } from "../../core/schema/webhooks.ts";
import type { DeliveryFilter, DeliveryRecord } from "../../core/schema/webhooks-rpc.ts";
import { iso } from "../../core/task.ts";
import { deliveryId, placeOfDelivery } from "../../core/webhook-message.ts";
import { deadlineOf } from "../../reads/ask.ts";
import { knownPlace } from "../../reads/find-tasks.ts";
import { askDirectory } from "../ask-directory.ts";
import { askEach, shardsOf } from "../bulk/ask-shards.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { queryProblem } from "../middleware/problems.ts";
import { refuseFields } from "../middleware/read-body.ts";
import { readCursor } from "../read/cursor.ts";
import { listOver } from "../read/list-over.ts";
import { readWhole } from "../read/read-query.ts";
import { unknownQueue } from "./queue-name.ts";

const MAX_LISTED = 100;

/** `?queue=`, or what tells it: `?webhook=`, `?task=`; `?status=`, `?limit=` (50), `?cursor=`; the newest first. */
export async function listDeliveries(door: Door, c: Ctx): Promise<Response> {
  const limit = readWhole(c, "limit", 1, MAX_LISTED) ?? 50;
  const cursor = readCursor(c, CursorSchema);
  const task = readTask(c);
  const filter = readFilter(c, task);
  const shards = await placesOf(door, c, task);
  const { page, cursor: next } = await listOver(door, shards, limit, {
    ask: (shard, at) => shard.listDeliveries({ v: 1, filter, before: beginIn(at.shard, cursor), limit }),
    listOf: ({ deliveries }) => deliveries,
    placeOf: ({ at, one }): Cursor => ({ n: one.n, shard: at.shard }),
    compare: (a, b) => b.n - a.n || a.shard - b.shard,
  });
  return json({ deliveries: page.map(({ at, one }) => deliveryView(at, one)), cursor: next });
}

/** One, with what is sent. */
export async function getDelivery(door: Door, c: Ctx): Promise<Response> {
  const { at, seq: n } = await placeOf(door, c);
  const [{ answer } = { answer: null }] = await askEach(door, [at], (shard) =>
    shard.listDeliveries({ v: 1, filter: { n }, before: null, limit: 1, texts: true }),
  );
  const delivery = answer?.deliveries[0];
  if (!delivery) throw unknownDelivery(c);
  return json(deliveryView(at, delivery));
}

/** 202: an attempt more at once, under the same id. */
export async function redeliver(door: Door, c: Ctx): Promise<Response> {
  await refuseFields(c.req.raw, door.env.bodyLimit);
  const { at, seq: n } = await placeOf(door, c);
  const [{ answer } = { answer: null }] = await askEach(door, [at], (shard) => shard.redeliver({ v: 1, n }));
  if (!answer) throw unknownDelivery(c);
  const { seq } = answer.delivery;
  if (seq !== null) noteTask(c, taskId(at, seq));
  return json(deliveryView(at, answer.delivery), 202);
}

export function deliveryView(at: ShardAddress, delivery: DeliveryRecord) {
  const { n, event, seq, webhook, url, status, createdAt, nextAt, attempts, attemptCount, body } = delivery;
  return {
    id: deliveryId(at, n),
    queue: at.queue,
    event,
    task: seq === null ? null : taskId(at, seq),
    webhook,
    url,
    status,
    createdAt: iso(createdAt),
    ...(nextAt !== null && { nextAttemptAt: iso(nextAt) }),
    attempts: attempts.map(({ at: startedAt, ...attempt }) => ({ at: iso(startedAt), ...attempt })),
    attemptCount,
    ...(body !== null && { body: JSON.parse(body) as unknown }),
  };
}

function readFilter(c: Ctx, task: ParsedTaskId | null): DeliveryFilter {
  const webhook = c.req.query("webhook");
  const status = c.req.query("status");
  const parsed = DeliveryStatusSchema.optional().safeParse(status);
  if (!parsed.success) throw queryProblem("status", "must be pending, delivered or failed");
  return {
    ...(task && { seq: task.seq }),
    ...(parsed.data && { status: parsed.data }),
    ...(webhook !== undefined && { webhook }),
  };
}

function readTask(c: Ctx): ParsedTaskId | null {
  const text = c.req.query("task");
  if (text === undefined) return null;
  const task = parseTaskId(text);
  if (!task) throw new Problem("task-unknown", `There is no task ${text}.`);
  return task;
}

/** Where what is asked for may be. */
async function placesOf(door: Door, c: Ctx, task: ParsedTaskId | null): Promise<readonly ShardAddress[]> {
  const { tenant } = c.env;
  const queue = c.req.query("queue");
  if (queue !== undefined && !QueueNameSchema.safeParse(queue).success) throw unknownQueue(queue, "?queue");
  if (task) {
    if ((await knownPlace(door, c.env.tenant, task, deadlineOf(door.ports))) === null)
      throw new Problem("task-unknown", "There is no such task.");
    return queue === undefined || queue === task.queue ? [{ tenant, queue: task.queue, shard: task.shard }] : [];
  }
  if (queue !== undefined) return await shardsOf(door, c, queue as QueueName, "?queue");
  const id = c.req.query("webhook");
  if (id === undefined) throw queryProblem("queue", "is required, or webhook or task: deliveries are a queue's");
  const { webhook } = await askDirectory(door, c, (directory) => directory.getWebhook({ v: 1, id }));
  return await shardsOf(door, c, webhook.queue, "?queue");
}

async function placeOf(door: Door, c: Ctx) {
  const parsed = parseTaskId(placeOfDelivery(c.req.param("id") ?? ""));
  const entry = parsed && (await knownPlace(door, c.env.tenant, parsed, deadlineOf(door.ports)));
  if (!parsed || !entry) throw unknownDelivery(c);
  const { queue, shard, seq } = parsed;
  return { at: { tenant: c.env.tenant, queue, shard }, seq };
}

function unknownDelivery(c: Ctx): Problem {
  return new Problem("delivery-unknown", `There is no delivery ${c.req.param("id")}, or no longer.`);
}

const CursorSchema = z.strictObject({ n: z.int(), shard: z.int() });
type Cursor = z.infer<typeof CursorSchema>;

/** Where a shard goes on: of a number that several have, earlier shards have told theirs and later ones have not. */
function beginIn(shard: number, cursor: Cursor | null): number | null {
  if (cursor === null) return null;
  return shard > cursor.shard ? cursor.n + 1 : cursor.n;
}
