/** When faults have stopped and the clock has run on: every task has ended, once, and D1 has it as it was. */
import { canMove } from "../../core/moves.ts";
import { mergeRetry } from "../../core/retry.ts";
import type { QueueSettings } from "../../core/schema/queue-settings.ts";
import type { Status } from "../../core/status.ts";
import { ASKED_TO_STOP, NO_PAYLOAD } from "../../core/task.ts";
import { timelineOf } from "../../core/timeline.ts";
import type { HistoryRecord } from "../../history/record.ts";
import { isDeleted } from "../../history/tombstone.ts";
import { checkErased } from "./erasures.ts";
import { type SimulatedHistory, UNWELCOME } from "./history-database.ts";
import type { KnownTask, Model } from "./model.ts";
import { predict } from "./script.ts";
import { must } from "./violation.ts";

export function checkEnd(
  model: Model,
  history: SimulatedHistory,
  settings: QueueSettings,
  deadLetters: ReadonlySet<number>,
  hasSteppedClock: boolean,
): void {
  for (const seq of model.promised)
    must(model.tasks.has(seq), () => `task ${seq} was promised to a client and is nowhere`);
  for (const task of model.tasks.values()) {
    const { seq, status } = task;
    must(status === "GONE" || status === "FAILED", () => `task ${seq} is stranded: ${status}`);
    const row = history.find(seq);
    if (checkErased(seq, model, row)) continue;
    // What was changed and replaced at about the same time may have the one's note and the other's.
    const isMixed = task.replacedAfter !== null && model.edits.has(seq);
    if (isMixed && row === null) continue;
    // Without its payload it has no note.
    if (task.script.note === UNWELCOME && !isMixed && task.options.keepPayload !== false) {
      must(row === null, () => `task ${seq} is in D1, which does not take it`);
      continue;
    }
    must(row !== null, () => `D1 does not have task ${seq}`);
    if (task.source !== null) {
      checkCachedEnd(row, history.find(task.source));
      continue;
    }
    checkRecord(task, row);
    // What ran before it was replaced was another payload, under other options.
    if (!task.replacedAfter) {
      checkOnce(task, row);
      checkCrashes(task, row, model, settings);
    }
    checkCancelled(task, row, model);
    const isKept = row.payload !== NO_PAYLOAD;
    must(isKept === (task.options.keepPayload !== false), () => `D1 has of task ${seq}: ${row.payload}`);
    if (!hasSteppedClock) checkTimeline(row);
    const hasRun = row.attempts.length > 0;
    if (row.status === "FAILED" && (hasRun || !model.ending.has(seq)))
      must(deadLetters.has(seq), () => `nobody was told that ${seq} ended FAILED`);
    const isForeseen = !task.replacedAfter && task.expiresAt === null && !model.asked.has(seq) && !model.edits.has(seq);
    if (!model.isDisturbed && isForeseen) checkPrediction(task, row, settings);
  }
}

/** It ended once, by the other's result, and never ran. */
function checkCachedEnd(row: HistoryRecord, source: HistoryRecord | null): void {
  must(row.status === "SUCCEEDED" && row.attempts.length === 0, () => `cached task ${row.seq} ended ${row.status}`);
  // The other may be one that D1 does not take, or whose data was deleted since.
  const isKnown = source !== null && !isDeleted(source);
  must(!isKnown || source.result === row.result, () => `task ${row.seq} has not the result of ${source?.seq}`);
  checkTimeline(row);
}

/** The record tells of runs that there were. */
function checkRecord({ seq, executions }: KnownTask, row: HistoryRecord): void {
  const { attempts, error } = row;
  const succeeded = attempts.filter(({ outcome }) => outcome === "succeeded");
  if (row.status !== "SUCCEEDED") {
    must(error !== null, () => `task ${seq} ended ${row.status} without an error`);
    must(succeeded.length === 0, () => `task ${seq} is ${row.status}, but has a success`);
    return;
  }
  const [success] = succeeded;
  must(success !== undefined && succeeded.length === 1, () => `task ${seq} has ${succeeded.length} successes`);
  must(success === attempts.at(-1), () => `task ${seq} went on after its success`);
  const run = executions.find(
    ({ attempt, stay, end }) => attempt === success.attempt && stay.worker === success.worker && end === "ok",
  );
  must(run !== undefined, () => `task ${seq} succeeded by a run that there was not: ${JSON.stringify(success)}`);
  must(row.result === JSON.stringify(run.result), () => `task ${seq} has another run's result`);
}

/** Who was asked to stop has not failed, and its handler was told. */
function checkCancelled(
  { seq, executions }: KnownTask,
  { status, attempts, error }: HistoryRecord,
  model: Model,
): void {
  const isRight = status === "CANCELLED" || status === "SUCCEEDED";
  must(!model.stopping.has(seq) || isRight, () => `task ${seq} was asked to stop, and ended ${status}`);
  // A node ends by its run's word.
  for (const [end, code] of [
    ["CANCELLED", "cancelled"],
    ["EXPIRED", "expired"],
  ])
    must(
      model.ending.has(seq) || (status === end) === (error?.code === code),
      () => `task ${seq} is ${status}: ${error?.code}`,
    );
  if (model.isDisturbed) return;
  for (const { attempt, outcome } of attempts)
    if (outcome === "cancelled")
      must(
        executions.some((run) => run.attempt === attempt && run.isTold),
        () => `attempt ${attempt} of task ${seq} was cancelled, and its handler was not told`,
      );
}

/** Each move of the way that a task went is one that there is; what waits may wait on, changed or never begun. */
function checkTimeline(row: HistoryRecord): void {
  const { moves, isComplete } = timelineOf(row);
  if (!isComplete) return;
  let was: Status | "NEW" = "NEW";
  for (const [status, , cause] of moves) {
    const from: Status | "NEW" = was;
    must(
      canMove(from, status) || (from === status && (status !== "RUNNING" || cause === ASKED_TO_STOP)),
      () => `${row.seq} went from ${from} to ${status}: ${JSON.stringify(moves)}`,
    );
    was = status;
  }
  must(was === row.status, () => `task ${row.seq} is ${row.status}, its timeline ends ${was}`);
}

/** `onCrash: "fail"`: after an attempt of which nobody knows how far it came, there is none. */
function checkOnce({ seq, options }: KnownTask, { attempts }: HistoryRecord): void {
  if (options.onCrash !== "fail") return;
  const unknown = attempts.findIndex(({ outcome }) => outcome === "crashed" || outcome === "returned");
  must(unknown < 0 || unknown === attempts.length - 1, () => `task ${seq} went on, though it is to run at most once`);
}

/** Crashes in company condemn nobody, three alone do, and so do `maxCrashes` of all kinds. */
function checkCrashes({ seq, options }: KnownTask, row: HistoryRecord, model: Model, settings: QueueSettings): void {
  const crashes = row.attempts.filter(({ outcome }) => outcome === "crashed");
  const alone = crashes.filter(({ worker }) => model.stays.get(worker)?.queue === "solo").length;
  const { error } = row;
  const isLast = row.attempts.at(-1)?.outcome === "crashed";
  if (error?.code === "poisoned")
    must(alone === 3 && isLast, () => `task ${seq} is poisoned by ${alone} crashes alone`);
  else if (row.status === "FAILED")
    must(alone < 3 || options.onCrash === "fail", () => `task ${seq} crashed ${alone} times alone, and went on`);
  if (error?.code !== "crashed" || options.onCrash === "fail") return;
  const most = options.maxCrashes ?? settings.maxCrashes;
  must(crashes.length === most && isLast, () => `task ${seq} ended by ${crashes.length} of ${most} crashes`);
}

/** Where nothing interfered, the script alone says how the task ends and how often it ran. */
function checkPrediction(
  { seq, script, options, executions }: KnownTask,
  row: HistoryRecord,
  settings: QueueSettings,
): void {
  const { status, runs } = predict(script, mergeRetry(options.retry, settings.retry).maxAttempts);
  must(row.status === status, () => `task ${seq} ended ${row.status}, by its script ${script.acts} it is ${status}`);
  must(executions.length === runs, () => `task ${seq} ran ${executions.length} times, by its script ${runs}`);
}
