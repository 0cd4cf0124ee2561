/** Queues: their settings, which the Directory keeps and tells the shards, and their counts, which the shards tell. */

import { QUEUE_NAME } from "../../core/ids.ts";
import type { ChangeAnswer, QueueAction, QueueEntry } from "../../core/schema/directory-rpc.ts";
import { type QueuePatch, QueuePatchSchema } from "../../core/schema/queue-settings.ts";
import { iso } from "../../core/task.ts";
import { type SettingWarning, warnOfSettings } from "../../core/warn-settings.ts";
import { countQueue } from "../../reads/count-queue.ts";
import { askDirectory } from "../ask-directory.ts";
import type { Ctx, Door, Route } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { pathProblem } from "../middleware/problems.ts";
import { checkBody, readJson, refuseFields } from "../middleware/read-body.ts";
import { readFlag } from "../read/read-query.ts";
import { nameOf, unknownQueue } from "./queue-name.ts";

export async function listQueues(door: Door, c: Ctx): Promise<Response> {
  const { entries } = await askDirectory(door, c, (directory) => directory.listQueues({ v: 1 }));
  return json({ queues: entries.map(queueView) });
}

/** Settings and live counts; a shard that does not answer in a second is missing from the counts, and `shards` says so. */
export async function getQueue(door: Door, c: Ctx): Promise<Response> {
  const queue = nameOf(c);
  const { entry } = await askDirectory(door, c, (directory) =>
    directory.lookup({ v: 1, queue, type: null, create: false }),
  );
  if (entry === null) throw unknownQueue(queue);
  door.known.remember(entry);
  return json({ ...queueView(entry), ...(await countQueue(door, c.env.tenant, entry)) });
}

/** PUT: all settings, what is not named gets its default; makes the queue where there is none. */
export async function putQueue(door: Door, c: Ctx): Promise<Response> {
  return await changeQueue(door, c, true);
}

/** PATCH: what is named. */
export async function patchQueue(door: Door, c: Ctx): Promise<Response> {
  return await changeQueue(door, c, false);
}

export const pauseQueue = controlQueue("pause");
export const drainQueue = controlQueue("drain");
export const resumeQueue = controlQueue("resume");

/** 204 where it is gone; `?force=true` also with what it holds. */
export async function deleteQueue(door: Door, c: Ctx): Promise<Response> {
  const queue = nameOf(c);
  const force = readFlag(c, "force");
  await refuseFields(c.req.raw, door.env.bodyLimit);
  await askDirectory(door, c, (directory) => directory.deleteQueue({ v: 1, queue, force }));
  door.known.forgetQueue(queue);
  return new Response(null, { status: 204 });
}

async function changeQueue(door: Door, c: Ctx, replace: boolean): Promise<Response> {
  const name = c.req.param("queue") ?? "";
  if (replace && !QUEUE_NAME.test(name))
    throw pathProblem("queue", "A queue's name", "must be 1 to 64 letters, digits, hyphens or underscores");
  const queue = nameOf(c);
  // What came from JSON has no undefined in it, which is all that the two types differ by.
  const patch = checkBody(QueuePatchSchema, await readJson(c.req.raw, door.env.bodyLimit)) as QueuePatch;
  const answer = await askDirectory(door, c, (directory) =>
    directory.changeQueue({ v: 1, queue, patch, replace, create: replace }),
  );
  const undeclared = new Set(answer.undeclared);
  const warnings = warnOfSettings(answer.entry.settings, (type) => door.handlers.has(type) || !undeclared.has(type));
  return changed(door, answer, warnings);
}

function controlQueue(action: QueueAction): Route {
  return async (door, c) => {
    const queue = nameOf(c);
    await refuseFields(c.req.raw, door.env.bodyLimit);
    return changed(door, await askDirectory(door, c, (directory) => directory.controlQueue({ v: 1, queue, action })));
  };
}

/** `shards`: how many objects have taken the change by now; the others are told again every 2 s. */
function changed(door: Door, { entry, shards }: ChangeAnswer, warnings: readonly SettingWarning[] = []): Response {
  door.known.remember(entry);
  return json({ ...queueView(entry), shards, ...(warnings.length > 0 && { warnings }) });
}

function queueView({ queue, settings, createdAt }: QueueEntry) {
  const { version, paused, draining, deleted: _, generation: __, hooks: ___, ...rest } = settings;
  return { queue, paused, draining, version, settings: rest, createdAt: iso(createdAt) };
}
