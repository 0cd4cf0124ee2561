/**
 * POST /tasks/submissions: one task, or `{tasks: [...]}` of one queue, all or nothing, or with `atomic: false` each for
 * itself. 202 says that a shard has written them down, 200 that all of them have ended by that. The hot path of the
 * product: nothing here is done per task that could be done per request.
 */

import { publicCode } from "../../core/errors.ts";
import { batchId, type QueueName, taskId } from "../../core/ids.ts";
import type { Idempotency, Refusal } from "../../core/schema/answer.ts";
import { BatchSchema } from "../../core/schema/submission.ts";
import { type Accepted, acceptedTasks } from "../../core/submit-answer.ts";
import { iso } from "../../core/task.ts";
import { withoutMember } from "../../core/without-member.ts";
import { deadlineOf, problemOf } from "../../reads/ask.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { faultProblem, type ProblemView, problemView } from "../middleware/problems.ts";
import { type Body, checkBody, readBody } from "../middleware/read-body.ts";
import { byPlace } from "../submit/by-place.ts";
import { readIdempotency } from "../submit/idempotency.ts";
import { placeTasks } from "../submit/place-tasks.ts";
import { readBatch, readOne } from "../submit/read-tasks.ts";
import { readTogether } from "../submit/read-together.ts";
import { acceptedView, present, replayed, statusOf } from "../submit/show-accepted.ts";
import { tryEach, tryOne, tryTogether } from "./dry-run.ts";

export async function submitTasks(door: Door, c: Ctx): Promise<Response> {
  const { value: body, bytes } = await readBody(c.req.raw, door.env.bodyLimit);
  const idempotency = await readIdempotency(c.req.raw.headers, isToldDry(body) ? asSent(bytes) : bytes);
  const isBatch = typeof body === "object" && body !== null && "tasks" in body;
  if (!isBatch) {
    if (!isToldDry(body)) return await submitOne(door, c, body, idempotency);
    const { dryRun, ...task } = body;
    return dryRun === false
      ? await submitOne(door, c, task, idempotency)
      : await tryOne(door, c, task, idempotency, dryRun);
  }
  const { tasks, atomic = true, dryRun = false } = checkBody(BatchSchema, body);
  if (dryRun && atomic) return await tryTogether(door, c, tasks, idempotency);
  if (dryRun) return await tryEach(door, c, tasks, idempotency);
  return atomic ? await submitTogether(door, c, tasks, idempotency) : await submitEach(door, c, tasks, idempotency);
}

type Key = Idempotency | null;

function isToldDry(body: unknown): body is { readonly dryRun: unknown } {
  return typeof body === "object" && body !== null && "dryRun" in body;
}

/** Tried or sent, it is the same submission. */
function asSent(bytes: Body["bytes"]): Uint8Array {
  return new TextEncoder().encode(withoutMember(new TextDecoder().decode(bytes), "dryRun"));
}

async function submitOne(door: Door, c: Ctx, raw: unknown, idempotency: Key): Promise<Response> {
  const deadline = deadlineOf(door.ports);
  const ready = await readOne(door, raw, { deadline, isKeyed: idempotency !== null });
  if ("code" in ready) throw faultProblem(ready);
  const { task, entry } = ready;
  const { tenant } = c.env;
  const placed = await placeTasks(door, { tenant, entry, tasks: [task], atomic: true, idempotency, deadline });
  if ("ok" in placed) throw problemOf(ofOne(placed));
  const { shard, answer } = placed;
  const view = acceptedView(entry, shard, acceptedTasks([task], answer)[0]);
  noteTask(c, view.id);
  return json(view, statusOf([view]), {
    location: `/tasks/submissions/${view.id}`,
    ...replayed(answer.replayed),
  });
}

/** Its pointers are a batch's, as a shard knows no other. */
function ofOne(refusal: Refusal): Refusal {
  const { pointer } = refusal;
  return pointer === undefined ? refusal : { ...refusal, pointer: pointer.replace("/tasks/0", "") };
}

async function submitTogether(door: Door, c: Ctx, raws: readonly unknown[], idempotency: Key): Promise<Response> {
  const deadline = deadlineOf(door.ports);
  const { entry, tasks } = await readTogether(door, raws, deadline, idempotency !== null);
  const placed = await placeTasks(door, { tenant: c.env.tenant, entry, tasks, atomic: true, idempotency, deadline });
  if ("ok" in placed) throw problemOf(placed);
  const { shard, answer } = placed;
  const at = { queue: entry.queue, shard };
  const ids = answer.seqs.map((seq) => taskId(at, present(seq)));
  for (const id of ids.slice(0, 1)) noteTask(c, id);
  const { batch, made, duplicates } = batchOf(at, answer);
  const { known = [] } = answer;
  const cached = known.flatMap(({ index, source }) => (source === undefined ? [] : [index]));
  const replaced = known.flatMap(({ index, replaced }) => (replaced ? [index] : []));
  const few = { ...duplicates, ...(replaced.length > 0 && { replaced }), ...(cached.length > 0 && { cached }) };
  const view = { ...(batch !== null && { batch }), queue: entry.queue, accepted: ids.length, made, ...few };
  const location = batch === null ? {} : { location: `/tasks/submissions?batch=${batch}` };
  const headers = { ...location, ...replayed(answer.replayed) };
  const status = known.length === ids.length ? statusOf(known) : 202;
  return json({ ...view, createdAt: iso(answer.createdAt), ids }, status, headers);
}

/** The id is of the tasks that were made, whose seqs follow each other; null: there were all of them before. */
function batchOf(at: { readonly queue: QueueName; readonly shard: number }, { seqs, duplicates }: Accepted) {
  if (duplicates.length === 0)
    return { batch: batchId(at, present(seqs[0]), seqs.length), made: seqs.length, duplicates: null };
  const old = new Set(duplicates);
  const made = seqs.filter((_, index) => !old.has(index));
  const batch = made.length === 0 ? null : batchId(at, present(made[0]), made.length);
  return { batch, made: made.length, duplicates: { duplicates } };
}

type Result = ReturnType<typeof acceptedView> | { readonly problem: ProblemView };

/** Each task for itself: those of one place go together, what fails tells why in its own place. */
async function submitEach(door: Door, c: Ctx, raws: readonly unknown[], idempotency: Key): Promise<Response> {
  const deadline = deadlineOf(door.ports);
  const read = await readBatch(door, raws, { deadline, stopEarly: false, isKeyed: idempotency !== null });
  const results: Result[] = [];
  for (const { index, fault } of read.faults)
    results[index] = { problem: problemView(fault.code, fault.detail, fault) };
  const { tenant } = c.env;
  const loads = Array.from(byPlace(read, idempotency?.key).values());
  const answers = await Promise.all(
    loads.map(async ({ entry, members }) => {
      const tasks = members.map(({ task }) => task);
      const placed = await placeTasks(door, { tenant, entry, tasks, atomic: false, idempotency, deadline });
      if ("ok" in placed) {
        const problem = problemView(publicCode(placed.code), placed.detail);
        for (const { index } of members) results[index] = { problem };
        return placed;
      }
      const { shard, answer } = placed;
      const accepted = acceptedTasks(tasks, answer);
      const refused = new Map(answer.refused.map((refusal) => [refusal.index, refusal]));
      for (const [i, { index }] of members.entries()) {
        const refusal = refused.get(i);
        results[index] = refusal
          ? { problem: problemView(refusal.code, refusal.detail, refusal) }
          : acceptedView(entry, shard, accepted[i]);
      }
      return answer;
    }),
  );
  const [reused] = answers;
  if (reused && !reused.ok && answers.every((answer) => !answer.ok && answer.code === "idempotency-key-reused"))
    throw problemOf(reused);
  const accepted = results.flatMap((result) => ("problem" in result ? [] : [result]));
  const duplicates = results.flatMap((result, index) => ("duplicate" in result ? [index] : []));
  for (const { id } of accepted) noteTask(c, id);
  const status = accepted.length === results.length ? statusOf(accepted) : 202;
  const isReplay = answers.length > 0 && answers.every((answer) => answer.ok && answer.replayed === true);
  const counts = { accepted: accepted.length, refused: results.length - accepted.length };
  const made = { made: accepted.length - duplicates.length, ...(duplicates.length > 0 && { duplicates }) };
  return json({ ...counts, ...made, results }, status, replayed(isReplay));
}
