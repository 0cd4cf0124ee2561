/**
 * POST /tasks/submissions: one task, or `{tasks: [...]}` of one queue, all or nothing, or with `atomic: false` each for
 * itself. 202 says that a shard has written them down. The hot path of the product: nothing here is done per task that
 * could be done per request.
 */
import { type ErrorCode, Problem } from "../../core/errors.ts";
import { MAX_ERRORS } from "../../core/explain-issues.ts";
import { batchId, type Seq, taskId } from "../../core/ids.ts";
import type { Fault } from "../../core/make-task.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { NewTask, SubmitAnswer } from "../../core/schema/rpc.ts";
import { BatchSchema } from "../../core/schema/submission.ts";
import { iso } from "../../core/task.ts";
import { deadlineOf, problemOf, publicCode } from "../ask.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { faultProblem, type ProblemView, problemView } from "../middleware/problems.ts";
import { checkBody, readJson } from "../middleware/read-body.ts";
import { placeTasks } from "../submit/place-tasks.ts";
import { readBatch, readOne } from "../submit/read-tasks.ts";

export async function submitTasks(door: Door, c: Ctx): Promise<Response> {
  const body = await readJson(c.req.raw, door.env.bodyLimit);
  const isBatch = typeof body === "object" && body !== null && "tasks" in body;
  if (!isBatch) return await submitOne(door, c, body);
  const { tasks, atomic = true } = checkBody(BatchSchema, body);
  return atomic ? await submitTogether(door, c, tasks) : await submitEach(door, c, tasks);
}

async function submitOne(door: Door, c: Ctx, raw: unknown): Promise<Response> {
  const deadline = deadlineOf(door.ports);
  const ready = await readOne(door, raw, deadline);
  if ("code" in ready) throw faultProblem(ready);
  const { task, entry } = ready;
  const placed = await placeTasks(door, { tenant: c.env.tenant, entry, tasks: [task], atomic: true, deadline });
  if ("ok" in placed) throw problemOf(placed);
  const { shard, answer } = placed;
  const view = acceptedView(task, entry, shard, answer, answer.seqs[0]);
  noteTask(c, view.id);
  return json(view, 202, { location: `/tasks/submissions/${view.id}` });
}

async function submitTogether(door: Door, c: Ctx, raws: readonly unknown[]): Promise<Response> {
  const deadline = deadlineOf(door.ports);
  const read = await readBatch(door, raws, deadline, true);
  const faults = read.faults.map(({ fault }) => fault);
  const entry = read.entries.find((found) => found !== null);
  const tasks: NewTask[] = [];
  for (const [index, task] of read.tasks.entries()) {
    if (task === null) continue;
    tasks.push(task);
    const own = read.entries[index];
    if (own?.queue !== entry?.queue && faults.length < MAX_ERRORS) faults.push(otherQueue(index));
  }
  if (faults.length > 0) throw batchProblem(faults);
  if (!entry) throw new Problem("invalid-request", "The batch is empty.");
  const placed = await placeTasks(door, { tenant: c.env.tenant, entry, tasks, atomic: true, deadline });
  if ("ok" in placed) throw problemOf(placed);
  const { shard, answer } = placed;
  const at = { queue: entry.queue, shard };
  const ids = answer.seqs.map((seq) => taskId(at, present(seq)));
  const batch = batchId(at, present(answer.seqs[0]), ids.length);
  for (const id of ids.slice(0, 1)) noteTask(c, id);
  const view = { batch, queue: entry.queue, accepted: ids.length, createdAt: iso(answer.createdAt), ids };
  return json(view, 202, { location: `/tasks/submissions?batch=${batch}` });
}

type Result = ReturnType<typeof acceptedView> | { readonly problem: ProblemView };

/** Each task for itself: those of one queue go together to one of its shards, what fails tells why in its own place. */
async function submitEach(door: Door, c: Ctx, raws: readonly unknown[]): Promise<Response> {
  const deadline = deadlineOf(door.ports);
  const read = await readBatch(door, raws, deadline, false);
  const results: Result[] = [];
  for (const { index, fault } of read.faults)
    results[index] = { problem: problemView(fault.code, fault.detail, fault.errors) };
  const loads = Array.from(byQueue(read.tasks, read.entries).values());
  await Promise.all(
    loads.map(async ({ entry, members }) => {
      const tasks = members.map(({ task }) => task);
      const placed = await placeTasks(door, { tenant: c.env.tenant, entry, tasks, atomic: false, deadline });
      if ("ok" in placed) {
        const problem = problemView(publicCode(placed.code), placed.detail);
        for (const { index } of members) results[index] = { problem };
        return;
      }
      const { shard, answer } = placed;
      const refused = new Map(answer.refused.map((refusal) => [refusal.index, refusal]));
      for (const [i, { index, task }] of members.entries()) {
        const refusal = refused.get(i);
        results[index] = refusal
          ? { problem: problemView(refusal.code, refusal.detail) }
          : acceptedView(task, entry, shard, answer, answer.seqs[i]);
      }
    }),
  );
  let accepted = 0;
  for (const result of results) {
    if ("problem" in result) continue;
    accepted++;
    noteTask(c, result.id);
  }
  return json({ accepted, refused: results.length - accepted, results }, 202);
}

interface Load {
  readonly entry: QueueEntry;
  readonly members: { readonly index: number; readonly task: NewTask }[];
}

function byQueue(tasks: readonly (NewTask | null)[], entries: readonly (QueueEntry | null)[]): Map<string, Load> {
  const loads = new Map<string, Load>();
  for (const [index, task] of tasks.entries()) {
    const entry = entries[index];
    if (task === null || !entry) continue;
    const load = loads.get(entry.queue) ?? { entry, members: [] };
    loads.set(entry.queue, load);
    load.members.push({ index, task });
  }
  return loads;
}

type Accepted = Extract<SubmitAnswer, { ok: true }>;

/** A task as its submission answers it. Its status is what it was when it was written down. */
function acceptedView(task: NewTask, entry: QueueEntry, shard: number, answer: Accepted, seq: Seq | null | undefined) {
  const { createdAt } = answer;
  const status = task.runAt !== null && task.runAt > createdAt ? ("SCHEDULED" as const) : ("QUEUED" as const);
  const id = taskId({ queue: entry.queue, shard }, present(seq));
  return { id, queue: entry.queue, status, createdAt: iso(createdAt) };
}

/** A shard that accepted a task gave it a seq; one that did not is out of order. */
function present(seq: Seq | null | undefined): Seq {
  if (seq === null || seq === undefined) throw new Error("a shard accepted a task and gave it no seq");
  return seq;
}

function otherQueue(index: number): Fault {
  return {
    code: "invalid-request",
    detail: "A batch that is all or nothing is of one queue. Send one batch a queue, or atomic: false.",
    errors: [{ pointer: `/tasks/${index}`, detail: "goes to another queue than the first task" }],
  };
}

/** All the faults as one problem: the first one's code, because that decides the status, and everyone's pointers. */
function batchProblem(faults: readonly Fault[]): Problem {
  const first = faults[0];
  const code: ErrorCode = first?.code ?? "invalid-request";
  const detail = `${first?.detail ?? ""} Nothing of the batch was accepted.`;
  return new Problem(code, detail, { errors: faults.flatMap((fault) => fault.errors).slice(0, MAX_ERRORS) });
}
