/**
 * One thing done to many tasks of a queue, as a job that the Directory works off in the background: begun (or only
 * counted), looked at, cancelled. What a job has done by then stays done.
 */
import { workAt } from "../../core/bulk-work.ts";
import type { QueueName } from "../../core/ids.ts";
import type { Idempotency } from "../../core/schema/answer.ts";
import { BulkSchema, type BulkTold, RedriveSchema } from "../../core/schema/bulk.ts";
import { iso } from "../../core/task.ts";
import { askDirectory } from "../ask-directory.ts";
import { askEach, shardsOf } from "../bulk/ask-shards.ts";
import { asOfOf, readWork, type Work } from "../bulk/read-work.ts";
import { jobSummary, jobView } from "../bulk/show-job.ts";
import { tryRedriveMany } from "../bulk/try-redrive.ts";
import type { Ctx, Door } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { checkBody, readBody, refuseFields } from "../middleware/read-body.ts";
import { readQueue } from "../read/read-query.ts";
import { readPathKey } from "../submit/idempotency.ts";
import { replayed } from "../submit/show-accepted.ts";

/** POST /tasks/bulk {action, queue, filter, …}: 202 and the job; with `dryRun` 200 and how many are meant. */
export async function startBulk(door: Door, c: Ctx): Promise<Response> {
  const { value, bytes } = await readBody(c.req.raw, door.env.bodyLimit);
  return await start(door, c, checkBody(BulkSchema, value), await readPathKey(c, bytes));
}

/** POST /dead-letters/redrive {queue, filter, …}: the same, of one kind. */
export async function startRedrive(door: Door, c: Ctx): Promise<Response> {
  const { value, bytes } = await readBody(c.req.raw, door.env.bodyLimit);
  const told = { ...checkBody(RedriveSchema, value), action: "redrive" as const };
  return await start(door, c, told, await readPathKey(c, bytes));
}

export async function getJob(door: Door, c: Ctx): Promise<Response> {
  const { job } = await askDirectory(door, c, (directory) => directory.getJob({ v: 1, id: idOf(c) }));
  return json(jobView(job));
}

/** `?queue=`: of that one alone. The newest first. */
export async function listJobs(door: Door, c: Ctx): Promise<Response> {
  const queue = readQueue(c);
  const { jobs } = await askDirectory(door, c, (directory) => directory.listJobs({ v: 1, queue }));
  return json({ jobs: jobs.map(jobSummary) });
}

export async function cancelJob(door: Door, c: Ctx): Promise<Response> {
  await refuseFields(c.req.raw, door.env.bodyLimit);
  const { job } = await askDirectory(door, c, (directory) => directory.cancelJob({ v: 1, id: idOf(c) }));
  return json(jobView(job));
}

async function start(door: Door, c: Ctx, told: BulkTold, idempotency: Idempotency | null): Promise<Response> {
  const queue = told.queue as QueueName;
  const work = await readWork(door, told);
  const asOf = asOfOf(door, told.asOf);
  if (told.dryRun) return await count(door, c, queue, work, asOf ?? door.ports.now());
  const definition = {
    queue,
    work: work.work,
    ...(work.ids && { ids: work.ids }),
    asOf,
    rate: told.rate ?? null,
  };
  const { job, replayed: isReplay } = await askDirectory(door, c, (directory) =>
    directory.startJob({ v: 1, definition, idempotency }),
  );
  return json(jobView(job), 202, { location: `/tasks/bulk/${job.id}`, ...replayed(isReplay) });
}

/** How many are meant; `asOf`, given back, means no others. */
async function count(door: Door, c: Ctx, queue: QueueName, { work, ids }: Work, asOf: number): Promise<Response> {
  const shards = await shardsOf(door, c, queue, "/queue");
  const counts = await askEach(door, shards, (shard, at) =>
    shard.countBulk({ v: 1, work: workAt(work, ids, at), asOf, isDryRun: true }),
  );
  const matched = counts.reduce((sum, { answer }) => sum + answer.matched, 0);
  const tried = work.action === "redrive" ? await tryRedriveMany(door, shards, work, { ids, asOf, matched }) : {};
  return json({ queue, action: work.action, matched, ...tried, asOf: iso(asOf) });
}

function idOf(c: Ctx): string {
  return c.req.param("id") ?? "";
}
