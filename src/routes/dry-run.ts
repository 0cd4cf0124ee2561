/**
 * `dryRun: true` in a submission: checked, routed and admitted like any other, and then left. The answer says what would
 * become of it: which queue and shard, in which status, what goes first, or why it would be refused.
 */
import { Problem, publicCode } from "../../core/errors.ts";
import { taskId } from "../../core/ids.ts";
import type { Idempotency, Refusal } from "../../core/schema/answer.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { TriedTask, TryAnswer } from "../../core/schema/explain-rpc.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import { iso } from "../../core/task.ts";
import { deadlineOf, problemOf } from "../../reads/ask.ts";
import type { Ctx, Door } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { faultProblem, problemView } from "../middleware/problems.ts";
import { byPlace } from "../submit/by-place.ts";
import { readBatch, readOne } from "../submit/read-tasks.ts";
import { readTogether } from "../submit/read-together.ts";
import { withoutMaking } from "../submit/resolve-task.ts";
import { type Tried, tryTasks } from "../submit/try-tasks.ts";

type Key = Idempotency | null;

/** @param dryRun as it was told: it may be anything but false */
export async function tryOne(door: Door, c: Ctx, raw: unknown, idempotency: Key, dryRun: unknown): Promise<Response> {
  const deadline = deadlineOf(door.ports);
  const ready = await readOne(withoutMaking(door), raw, { deadline, isKeyed: idempotency !== null });
  if (dryRun !== true) {
    const errors = [{ pointer: "/dryRun", detail: "must be true or false" }, ...("code" in ready ? ready.errors : [])];
    throw new Problem("invalid-request", "The task has a field that is missing, wrong or not known.", { errors });
  }
  if ("code" in ready) throw faultProblem(ready);
  const { task, entry } = ready;
  const tasks = [task];
  const tried = await tryTasks(door, { tenant: c.env.tenant, entry, tasks, atomic: true, idempotency, deadline });
  const shards = tried.shards.map(({ shard, answer }) => {
    if (!answer.ok) return { shard, accepted: false, problem: refusalView(answer, true) };
    const [one] = answer.tasks;
    return {
      shard,
      ...(one && triedView(entry, shard, task, one)),
      ...(answer.replayed && { replayed: true }),
    };
  });
  return answerTried(entry, tried, { shards });
}

/** All or nothing: one result a task, of the first shard that would take them. */
export async function tryTogether(door: Door, c: Ctx, raws: readonly unknown[], idempotency: Key): Promise<Response> {
  const deadline = deadlineOf(door.ports);
  const { entry, tasks } = await readTogether(withoutMaking(door), raws, deadline, idempotency !== null);
  const tried = await tryTasks(door, { tenant: c.env.tenant, entry, tasks, atomic: true, idempotency, deadline });
  const shards = tried.shards.map(({ shard, answer }) =>
    answer.ok
      ? { shard, accepted: true, ...(answer.replayed && { replayed: true }) }
      : { shard, accepted: false, problem: refusalView(answer, false) },
  );
  return answerTried(entry, tried, { tasks: tasks.length, shards, results: resultsOf(entry, tried, tasks) ?? [] });
}

/** Each task for itself, its result in its place. */
export async function tryEach(door: Door, c: Ctx, raws: readonly unknown[], idempotency: Key): Promise<Response> {
  const deadline = deadlineOf(door.ports);
  const read = await readBatch(withoutMaking(door), raws, {
    deadline,
    stopEarly: false,
    isKeyed: idempotency !== null,
  });
  const results: object[] = [];
  for (const { index, fault } of read.faults)
    results[index] = { accepted: false, problem: problemView(fault.code, fault.detail, fault) };
  let accepted = 0;
  const { tenant } = c.env;
  const told = await Promise.all(
    Array.from(byPlace(read, idempotency?.key).values(), async ({ entry, members }) => {
      const tasks = members.map(({ task }) => task);
      const tried = await tryTasks(door, { tenant, entry, tasks, atomic: false, idempotency, deadline });
      const views = resultsOf(entry, tried, tasks, (i) => members[i]?.index ?? i);
      for (const [i, { index }] of members.entries()) {
        const result = views?.[i] ?? { accepted: false, problem: problemOfAll(tried) };
        if (result.accepted) accepted++;
        results[index] = { queue: entry.queue, shard: tried.decided, ...result };
      }
      return tried.shards.map(({ answer }) => answer);
    }),
  );
  const counts = { accepted, refused: results.length - accepted };
  return json({ dryRun: true, ...counts, ...ofKey(told.flat()), results });
}

/** What the Idempotency-Key makes of the whole: told as it was, or refused; as `submitEach` has it. */
function ofKey(answers: readonly TryAnswer[]) {
  if (answers.length > 0 && answers.every((answer) => answer.ok && answer.replayed)) return { replayed: true };
  const [reused] = answers;
  if (!reused || reused.ok || answers.some((answer) => answer.ok || answer.code !== "idempotency-key-reused"))
    return {};
  return { problem: refusalView(reused, false) };
}

function answerTried(entry: QueueEntry, tried: Tried, told: object): Response {
  const { decided, shards } = tried;
  const isAccepted = shards.some(({ answer }) => answer.ok && answer.tasks.some(({ accepted }) => accepted));
  // A shard that says nothing says nothing of the submission either.
  const silent = shards.map(({ answer }) => answer).find((answer) => !answer.ok && answer.code === "unavailable");
  if (!isAccepted && silent && !silent.ok) throw problemOf(silent);
  const made = entry.shardsEver === 0 ? { makesQueue: true } : {};
  return json({ dryRun: true, accepted: isAccepted, queue: entry.queue, ...made, shard: decided, ...told });
}

/**
 * Of the first shard that would take some; null: none would.
 * @param placeOf a task's index in the body, by that in `tasks`
 */
function resultsOf(
  entry: QueueEntry,
  { shards }: Tried,
  tasks: readonly NewTask[],
  placeOf = (index: number): number => index,
) {
  for (const { shard, answer } of shards)
    if (answer.ok) return answer.tasks.map((tried, i) => triedView(entry, shard, tasks[i], tried, placeOf));
  return null;
}

function triedView(
  entry: QueueEntry,
  shard: number,
  task: NewTask | undefined,
  tried: TriedTask,
  placeOf = (index: number): number => index,
) {
  const { duplicateOfIndex } = tried;
  const sibling = duplicateOfIndex === undefined ? {} : { duplicateOfIndex: placeOf(duplicateOfIndex) };
  if (!tried.accepted) {
    const { code, detail } = tried.refusal;
    return { accepted: false, problem: problemView(code, detail, tried.refusal), ...sibling };
  }
  const { status, duplicateOf, replaces, source, ahead, among, more, explanation } = tried;
  const isNew = duplicateOf === undefined && duplicateOfIndex === undefined;
  return {
    accepted: true,
    status,
    ...(isNew && status === "SCHEDULED" && task?.runAt != null && { runAt: iso(task.runAt) }),
    ...(duplicateOf !== undefined && { duplicateOf: taskId({ queue: entry.queue, shard }, duplicateOf) }),
    ...sibling,
    ...(replaces && { replaces }),
    ...(source !== undefined && { cached: true, source }),
    ...(isNew && source === undefined && { ahead, among, more, ...(explanation ?? { explained: false }) }),
  };
}

/** @param isOne its pointers are a batch's, as a shard knows no other */
function refusalView({ code, detail, pointer, taskId: inTheWay }: Refusal, isOne: boolean) {
  const at = pointer === undefined || !isOne ? pointer : pointer.replace("/tasks/0", "");
  return problemView(publicCode(code), detail, {
    ...(at !== undefined && { errors: [{ pointer: at, detail }] }),
    ...(inTheWay !== undefined && { taskId: inTheWay }),
  });
}

function problemOfAll({ shards }: Tried) {
  for (const { answer } of shards) if (!answer.ok) return refusalView(answer, false);
  return problemView("internal", "no shard was asked");
}
