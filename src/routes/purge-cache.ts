/**
 * POST /types/{type}/purge-cache: no result that was kept by now answers a submission after this. Every shard that any
 * queue ever had is asked, because a task may name its queue; where one is silent it is 503, and to send it again is
 * safe.
 */
import { Problem } from "../../core/errors.ts";
import { fanOut } from "../../durable-objects/stubs.ts";
import { ask, deadlineOf, problemOf, timeLeft } from "../../reads/ask.ts";
import { askDirectory } from "../ask-directory.ts";
import type { Ctx, Door } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { refuseFields } from "../middleware/read-body.ts";
import { resolveType } from "../submit/resolve-task.ts";

export async function purgeCache(door: Door, c: Ctx): Promise<Response> {
  const type = c.req.param("type") ?? "";
  await refuseFields(c.req.raw, door.env.bodyLimit);
  const deadline = deadlineOf(door.ports);
  const known = await resolveType(door, type, deadline);
  if ("code" in known)
    throw new Problem("not-found", `There is no task type ${type}. GET /types lists those that there are.`);
  const { entries } = await askDirectory(door, c, (directory) => directory.listQueues({ v: 1 }));
  const { tenant } = c.env;
  const shards = entries.flatMap(({ queue, shardsEver }) =>
    Array.from({ length: shardsEver }, (_, shard) => ({ tenant, queue, shard })),
  );
  const answers = await fanOut(shards, (shard) => {
    const question = { whom: `Shard ${shard.shard} of ${shard.queue}`, ms: timeLeft(door.ports, deadline) };
    return ask(door.ports, door.log, { ...question, lost: "unavailable" }, () =>
      door.ports.shard(shard).purgeCache({ v: 1, type }),
    );
  });
  let purged = 0;
  for (const answer of answers) {
    if (!answer.ok) throw problemOf(answer);
    purged += answer.purged;
  }
  return json({ type, purged });
}
