/**
 * Takes tasks in: the act that a 202 promises. Group commit: a submission that arrives while nothing is under way is
 * written at once; those of the same turn of the event loop after it go in together. Always waiting for the turn costs
 * 1.3 ms at low load, never waiting costs half the throughput (3,000 against 1,400 a second, sketch).
 * Must stay true: every caller is answered, and one member's fault is not its neighbour's.
 */
import { unpackTasks } from "../../../core/pack-tasks.ts";
import type { PackedSubmitRequest, SubmitAnswer } from "../../../core/schema/rpc.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { afterOperation } from "../after.ts";
import { adoptSettings, configure, isAnotherQueue } from "../configure.ts";
import { failure, type PendingSubmission, refuse, type Shard } from "../shard.ts";
import { Admission } from "./admission.ts";
import { rememberKeys } from "./dedup-rows.ts";
import { insertTasks } from "./insert-tasks.ts";
import { linkReplay } from "./link-replay.ts";
import { replaceTasks } from "./replace-tasks.ts";
import { reserveSeq } from "./reserve-seq.ts";
import { recordCached } from "./serve-cached.ts";

/** Accepts tasks, exactly as many as the depth limit allows. `respond` is called once, at the latest with the group. */
export function submit(shard: Shard, packed: PackedSubmitRequest, respond: (answer: SubmitAnswer) => void): void {
  // What is in the way of a queue that was made again goes first: this submission is worked out against what is left.
  if (packed.settings && isAnotherQueue(shard, packed.settings)) configure(shard, { v: 1, settings: packed.settings });
  shard.submissions.push({ request: { ...packed, tasks: unpackTasks(packed.tasks) }, respond });
  if (shard.grouping) return;
  shard.grouping = true;
  endOfTurn(shard);
  commitGroup(shard);
}

/**
 * Writes what waits for the turn to end, if anything does. Sessions with quick tasks can keep the event loop from turning
 * at all: then the next of their calls ends the wait, or submissions would starve behind the work that they bring.
 */
export function commitWaiting(shard: Shard): void {
  if (shard.submissions.length > 0) commitGroup(shard);
}

function endOfTurn(shard: Shard): void {
  shard.ports.later(0, () => {
    if (shard.submissions.length === 0) {
      shard.grouping = false;
      return;
    }
    endOfTurn(shard);
    commitGroup(shard);
  });
}

function commitGroup(shard: Shard): void {
  const group = shard.submissions.splice(0);
  const now = shard.ports.now();
  try {
    answerAll(group, write(shard, group, now));
  } catch (error) {
    if (group.length === 1) answerAll(group, [failure(error)]);
    else for (const member of group) answerAll([member], writeAlone(shard, member, now));
  }
  afterOperation(shard, now);
}

function writeAlone(shard: Shard, member: PendingSubmission, now: number): SubmitAnswer[] {
  try {
    return write(shard, [member], now);
  } catch (error) {
    return [failure(error)];
  }
}

function answerAll(group: readonly PendingSubmission[], answers: readonly SubmitAnswer[]): void {
  for (const [i, member] of group.entries()) member.respond(answers[i] ?? refuse("internal", "no answer was made"));
}

/** Checks every member first, then writes what was admitted in one transaction. */
function write(shard: Shard, group: readonly PendingSubmission[], now: number): SubmitAnswer[] {
  const admission = new Admission(shard, now, group);
  const answers = group.map((member) => admission.admit(member.request));
  if (admission.isEmpty) return answers;
  shard.transact(() => {
    if (admission.newSettings) adoptSettings(shard, admission.newSettings);
    reserveSeq(shard, now, admission.lastSeq);
    insertTasks(shard, admission.planned, now);
    recordCached(shard, admission.cached, now);
    rememberKeys(shard, admission.newKeys);
    replaceTasks(shard, admission.replaced, now);
    for (const [i, { request }] of group.entries()) if (request.repeats) link(shard, request.repeats, answers[i], now);
  });
  return answers;
}

function link(shard: Shard, repeats: TaskRecord, answer: SubmitAnswer | undefined, now: number): void {
  const seq = answer?.ok && !answer.replayed ? answer.seqs[0] : null;
  if (seq) linkReplay(shard, repeats, seq, now);
}
