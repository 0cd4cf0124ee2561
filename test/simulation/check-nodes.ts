/**
 * Nodes of runs: one that waits for others goes on by its run's word alone and with what that told it, and each end is told
 * to its run, at least once and as it was.
 */
import { parseTaskId, type RunId, type Seq } from "../../core/ids.ts";
import type { NodeEnd } from "../../core/schema/workflow-rpc.ts";
import { isDeleted } from "../../history/tombstone.ts";
import type { SimulatedHistory } from "./history-database.ts";
import type { KnownTask, Model } from "./model.ts";
import type { Script } from "./script.ts";
import { must } from "./violation.ts";
import type { SeenMove } from "./witness.ts";

/** A move of one that is BLOCKED. */
export function checkBlocked({ seq, now, payload, expires_at }: SeenMove, task: KnownTask, model: Model): void {
  if (now === "GONE") return;
  if (now === "BLOCKED") {
    must(payload === "", () => `task ${seq} waits for others, and was given another payload: ${payload}`);
    return;
  }
  must(model.releases.has(seq), () => `task ${seq} went from BLOCKED to ${now}, and its run did not release it`);
  task.expiresAt = expires_at;
}

/** What a worker runs is what its run made of it, unless somebody changed it since. */
export function checkReleased(seq: Seq, script: Script, { edits, releases }: Model): void {
  must(
    releases.get(seq) !== true || edits.has(seq) || script.isReleased === true,
    () => `task ${seq} runs with what it was placed with`,
  );
}

/** An end that a run is told. @returns whether that is news to it */
export function checkEnded(run: RunId, end: NodeEnd, model: Model): boolean {
  const seq = parseTaskId(end.task)?.seq;
  const task = seq === undefined ? undefined : (model.tasks.get(seq) ?? model.forgotten.get(seq));
  must(seq !== undefined && task !== undefined, () => `${run} was told that ${end.task} ended, which no commit has`);
  // Of one that was born and forgotten in one commit nothing is known.
  if (task === null) return true;
  const { partOf } = task.options;
  const isIts = partOf !== undefined && "run" in partOf && partOf.run === run && partOf.node === end.node;
  must(isIts, () => `${run} was told of its node ${end.node}, and task ${seq} is ${JSON.stringify(partOf)}`);
  const hasEnded = task.status === "GONE" || task.status === "FAILED" || model.forgotten.has(seq);
  must(hasEnded, () => `${run} was told that task ${seq} ended ${end.status}, and it is ${task.status}`);
  const known = model.ends.get(seq);
  if (!known) return true;
  // Whose data was deleted is told without it from then on.
  const isSame = model.erasing.has(seq) ? known.status === end.status : JSON.stringify(known) === JSON.stringify(end);
  must(isSame, () => `${run} was told ${JSON.stringify(known)}, then ${JSON.stringify(end)}`);
  return false;
}

/** When all has ended. */
export function checkEnds(model: Model, history: SimulatedHistory): void {
  for (const { seq, options } of model.tasks.values()) {
    const end = model.ends.get(seq);
    const isNode = options.partOf !== undefined && "run" in options.partOf;
    must(
      isNode === (end !== undefined),
      () => `task ${seq} is ${isNode ? "" : "no "}node, its run was told ${end?.status}`,
    );
    const row = history.find(seq);
    if (!end || !row) continue;
    must(
      end.status === row.status,
      () => `the run of ${seq} was told that it ended ${end.status}, and it is ${row.status}`,
    );
    const isKept = !isDeleted(row) && !model.erasing.has(seq);
    must(
      !isKept || end.result === row.result,
      () => `the run of ${seq} was told ${end.result}, and D1 has ${row.result}`,
    );
  }
}
