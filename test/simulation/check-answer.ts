/** What a shard may answer, checked as it does, against what it then holds. */
import type { Seq } from "../../core/ids.ts";
import type { ChangeRequest, ReadAnswer, SubmitAnswer, SubmitRequest, TaskAnswer } from "../../core/schema/rpc.ts";
import type { AdvanceAnswer, AdvanceRequest, CloseAnswer, CloseRequest } from "../../core/schema/session-rpc.ts";
import { isFinished } from "../../core/status.ts";
import type { Accepted } from "../../core/submit-answer.ts";
import { depthOf } from "../../durable-objects/queue-shard/memory.ts";
import type { Shard } from "../../durable-objects/queue-shard/shard.ts";
import { checkHandout } from "./check-advance.ts";
import type { Leases } from "./check-leases.ts";
import { checkStaysErased } from "./erasures.ts";
import type { SimulatedHistory } from "./history-database.ts";
import type { Model } from "./model.ts";
import type { Method } from "./operations.ts";
import { must } from "./violation.ts";

export interface AnswerDeps {
  readonly history: SimulatedHistory;
  readonly leases: Leases;
  readonly model: Model;
}

export function checkAnswer(shard: Shard, method: Method, request: unknown, answer: unknown, deps: AnswerDeps): void {
  if (method === "submit") checkSubmission(shard, request as SubmitRequest, answer as SubmitAnswer);
  else if (method === "advance") checkHandout(shard, request as AdvanceRequest, answer as AdvanceAnswer);
  else if (method === "close" && (answer as CloseAnswer).ok) deps.leases.closed((request as CloseRequest).session);
  else if (method === "cancel") checkCancel(shard, (request as { seq: Seq }).seq, answer as TaskAnswer, deps);
  else if (method === "change") checkChange(request as ChangeRequest, answer as TaskAnswer, shard.ports.now());
  else if (method === "read") checkRead(shard, (request as { seqs: Seq[] }).seqs, answer as ReadAnswer, deps);
  else if (method === "wait") checkRead(shard, [(request as { seq: Seq }).seq], answer as ReadAnswer, deps);
}

/** The depth limit is exact: never more, and no refusal while there is room. A replay tells of another time. */
function checkSubmission(shard: Shard, request: SubmitRequest, answer: SubmitAnswer): void {
  const { tasks } = request;
  const { depthLimit = 0, draining = false, generation = 0 } = shard.memory.settings ?? {};
  const limit = draining ? 0 : depthLimit;
  const depth = depthOf(shard.memory);
  if (!answer.ok) {
    if (answer.code === "queue-full")
      must(depth + tasks.length > limit, () => `queue-full at ${depth} of ${limit} for ${tasks.length} tasks`);
    if (answer.code === "batch-too-large")
      must(tasks.length > depthLimit, () => `${tasks.length} tasks were too many for an empty queue of ${depthLimit}`);
    return;
  }
  must((request.generation ?? generation) >= generation, () => "a submission to a queue that was deleted was taken");
  if (answer.replayed || isToldInPart(request, answer)) return;
  for (const index of answer.duplicates) checkHeld(shard, tasks[index]?.dedup?.key ?? "");
  for (const { index, code } of answer.refused)
    if (code === "duplicate-task") checkHeld(shard, tasks[index]?.dedup?.key ?? "");
  const cached = answer.known?.filter(({ source }) => source !== undefined).length ?? 0;
  const taken = answer.seqs.filter((seq) => seq !== null).length - answer.duplicates.length - cached;
  must(cached === 0 || !draining, () => "a draining queue took a task that ended at once");
  // Tasks that are there wait for such a one, so it is taken in any case.
  if (tasks.some(({ isAwaited }) => isAwaited)) return;
  if (taken > 0) must(!draining, () => "a draining queue took a task");
  if (taken > 0) must(depth <= limit, () => `${depth} unfinished tasks, but the limit is ${limit}`);
  if (answer.refused.some(({ code }) => code !== "duplicate-task" && code !== "invalid-request"))
    must(depth >= limit, () => `a task was refused at ${depth} of ${limit}`);
}

/** What an Idempotency-Key was told before, with tasks that were refused then: of each it tells how it stood when it was taken. */
function isToldInPart({ idempotency, atomic }: SubmitRequest, { seqs, known = [] }: Accepted): boolean {
  return idempotency !== undefined && !atomic && known.length === seqs.filter((seq) => seq !== null).length;
}

const HOLDER = `SELECT within, dedup.expires_at, status FROM dedup LEFT JOIN task ON task.seq = dedup.seq WHERE key = ?`;

/** What is told of a key is told while its task has it. */
function checkHeld({ sql, ports }: Shard, key: string): void {
  const [row] = sql.all<{ within: string | null; expires_at: number; status: string | null }>(HOLDER, key);
  const waits = row?.status !== null && row?.status !== "RUNNING" && row?.status !== "FAILED";
  const lives = row?.status !== null && row?.status !== "FAILED";
  const holds = row?.within === "queued" ? waits : row?.within === "running" ? lives : true;
  const isInTime = (row?.expires_at ?? 0) > ports.now() || row?.within === "queued" || row?.within === "running";
  must(row !== undefined && holds && isInTime, () => `${key} is nobody's: ${JSON.stringify(row)}`);
}

/** Whoever is told so has a task that ended, or one that is asked to stop. */
function checkCancel(shard: Shard, seq: Seq, answer: TaskAnswer, deps: AnswerDeps): void {
  if (!answer.ok) return;
  const { task } = answer;
  if (task === null) checkKnown(shard, seq, deps);
  else
    must(
      isFinished(task.status) || (task.status === "RUNNING" && task.cancelRequested === true),
      () => `task ${seq} was cancelled, and is ${task.status}`,
    );
}

/** What was changed is so now, one revision later; what runs, has ended or has another revision is left alone. */
function checkChange({ seq, rev, changes }: ChangeRequest, answer: TaskAnswer, now: number): void {
  if (!answer.ok || answer.task === null || isFinished(answer.task.status)) return;
  const { task } = answer;
  const { runAt, priority, payload } = changes;
  must(task.status !== "RUNNING", () => `task ${seq} runs, and was changed`);
  const isLater = typeof runAt === "number" && runAt > now;
  if (runAt !== undefined)
    must(isLater ? task.runAt === runAt : task.status === "QUEUED", () => `task ${seq} kept its time`);
  // A payload that comes is another one; all else may be so already.
  const isStill = payload === undefined;
  const isNext = task.rev === (rev ?? 0) + 1 || (isStill && task.rev === rev);
  must(rev === null || isNext, () => `task ${seq} went from revision ${rev} to ${task.rev}`);
  must((priority ?? task.priority) === task.priority, () => `task ${seq} kept its priority`);
  must((payload?.text ?? task.payload) === task.payload, () => `task ${seq} kept its payload`);
}

/** What the shard does not have, history must. */
function checkRead(shard: Shard, seqs: readonly Seq[], answer: ReadAnswer, deps: AnswerDeps): void {
  if (!answer.ok) return;
  for (const [i, seq] of seqs.entries()) {
    const task = answer.tasks[i] ?? null;
    if (task === null) checkKnown(shard, seq, deps);
    else checkStaysErased(task, deps.model);
  }
}

function checkKnown({ memory }: Shard, seq: Seq, { history, model }: AnswerDeps): void {
  const isGone = model.isForgotten(seq, memory.settings?.generation ?? 0);
  must(isGone || history.find(seq) !== null, () => `task ${seq} is neither in the shard nor in D1`);
}
