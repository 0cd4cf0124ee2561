/**
 * POST /queues/{queue}/purge: ends the tasks that wait, in all of the queue's shards, for as long as a request may take;
 * where more are left the answer says so, and the same call goes on. What runs goes on too.
 */

import { z } from "zod";
import { countOf } from "../../core/count-of.ts";
import type { QueueName } from "../../core/ids.ts";
import { WAITING, type WaitingStatus } from "../../core/status.ts";
import { directoryOf, fanOut } from "../../durable-objects/stubs.ts";
import { ask, deadlineOf, giveWay, timeLeft } from "../../reads/ask.ts";
import { askDirectory } from "../ask-directory.ts";
import type { Ctx, Door } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { checkBody, readOptionalBody } from "../middleware/read-body.ts";
import { nameOf, unknownQueue } from "./queue-name.ts";

const PurgeSchema = z.strictObject({
  status: z.array(z.enum(WAITING)).min(1).max(WAITING.length).optional(),
});

interface Purged {
  readonly purged: number;
  readonly more: boolean;
  readonly answered: boolean;
}

export async function purgeQueue(door: Door, c: Ctx): Promise<Response> {
  const queue = nameOf(c);
  const deadline = deadlineOf(door.ports);
  const { value = {} } = await readOptionalBody(c.req.raw, door.env.bodyLimit);
  const told = checkBody(PurgeSchema, value);
  const statuses = told.status ?? WAITING;
  const { entry } = await askDirectory(door, c, (directory) =>
    directory.lookup({ v: 1, queue, type: null, create: false }),
  );
  if (entry === null) throw unknownQueue(queue);
  const shards = Array.from({ length: entry.shardsEver }, (_, shard) => shard);
  const each = await fanOut(shards, (shard) => purgeShard(door, c, queue, shard, statuses, deadline));
  const purged = each.reduce((sum, one) => sum + one.purged, 0);
  const answered = each.filter((one) => one.answered).length;
  if (purged > 0) await report(door, c, queue, `${queue}: ${countOf(purged, "task")}`, deadline);
  const more = each.some((one) => one.more);
  return json({ queue, purged, more, shards: { asked: shards.length, answered } });
}

/** What is purged is purged: where the Directory does not take the event, the log has it, and the caller the count. */
async function report(door: Door, c: Ctx, queue: QueueName, detail: string, deadline: number): Promise<void> {
  const { ports, log } = door;
  const question = { whom: "The directory", ms: timeLeft(ports, deadline), lost: "unavailable" } as const;
  const answer = await ask(ports, log, question, () =>
    directoryOf(ports, c.env.tenant).report({ v: 1, event: { kind: "queue-purged", detail, queue } }),
  );
  if (!answer.ok) log("warn", "queue-purged", { detail, unreported: answer.detail });
}

/** Portion after portion, until nothing is left or the time is up. Never throws. */
async function purgeShard(
  door: Door,
  c: Ctx,
  queue: QueueName,
  shard: number,
  statuses: readonly WaitingStatus[],
  deadline: number,
): Promise<Purged> {
  const { tenant } = c.env;
  const whom = `Shard ${shard} of ${queue}`;
  let purged = 0;
  let place = {};
  for (;;) {
    const ms = timeLeft(door.ports, deadline);
    const request = { v: 1 as const, statuses, ...place };
    const answer = await ask(door.ports, door.log, { whom, ms, lost: "unavailable" }, () =>
      door.ports.shard({ tenant, queue, shard }).purge(request),
    );
    if (!answer.ok) return { purged, more: true, answered: false };
    purged += answer.purged;
    if (!answer.more || answer.purged === 0 || door.ports.now() >= deadline)
      return { purged, more: answer.more, answered: true };
    await giveWay(door.ports);
    place = { after: answer.after, upTo: answer.upTo };
  }
}
