/**
 * A task that ended as it came: by the result of an equal one that succeeded, within its time, that nobody had purged.
 */
import { parseTaskId, type TaskId } from "../../core/ids.ts";
import type { TaskRecord } from "../../core/task.ts";
import { type HistoryBody, unpackBody } from "../../history/outbox-body.ts";
import { recordOfRow } from "../../history/record.ts";
import { type CommitDeps, checkKey, generationOf } from "./check-commit.ts";
import { cacheLifeOf, lifeOf } from "./draw-task.ts";
import type { KnownTask } from "./model.ts";
import type { Script } from "./script.ts";
import { must } from "./violation.ts";

const OUTBOX = "SELECT body, payload, result FROM outbox WHERE lo <= ? AND hi >= ?";

export function checkCached(record: TaskRecord, cachedFrom: TaskId, deps: CommitDeps): void {
  const { model, tally, now } = deps;
  const { seq } = record;
  // Set aside, or put back to be sent again.
  if (model.tasks.get(seq)?.source) return;
  must(!model.numbers.has(seq), () => `number ${seq} was given twice`);
  model.numbers.add(seq);
  tally.count("answered from the cache");
  const source = model.tasks.get(parseTaskId(cachedFrom)?.seq ?? seq);
  must(source?.status === "GONE", () => `task ${seq} has the result of ${cachedFrom}, which is ${source?.status}`);
  const script = JSON.parse(record.payload) as Script;
  if (!source) return;
  checkEqual(record, script, source);
  const ended = recordOf(source, deps);
  if (now !== null && ended?.endedAt && source.script.cache)
    must(
      record.createdAt < ended.endedAt + cacheLifeOf(source.script.cache),
      () =>
        `task ${seq} has the result of ${source.seq}, which ended ${record.createdAt - (ended.endedAt ?? 0)} ms before`,
    );
  const erasedAt = model.erased.get(source.seq) ?? Number.POSITIVE_INFINITY;
  must(seq <= erasedAt, () => `task ${seq} has the result of ${source.seq}, which was erased`);
  for (const { type, before, after } of model.purges)
    must(
      type !== record.type || source.seq > before || seq < after,
      () => `task ${seq} has the result of ${source.seq}, which was purged`,
    );
  const task: KnownTask = {
    seq,
    generation: generationOf(deps.gate),
    script,
    options: record.options ?? {},
    replacedAfter: null,
    bornAt: now ?? 0,
    expiresAt: null,
    executions: [],
    source: source.seq,
    status: "GONE",
  };
  model.tasks.set(seq, task);
  must(now === null || !model.byId.has(script.id), () => `submission ${script.id} became two tasks`);
  if (script.key !== undefined && (lifeOf(script.key).within ?? "window") === "window")
    checkKey(task, model, now, deps.gate);
  model.byId.set(script.id, task);
}

function checkEqual({ seq, result }: TaskRecord, script: Script, source: KnownTask): void {
  const { script: other, executions } = source;
  must(
    other.cache !== undefined && script.cache === other.cache && other.isEdited !== true,
    () => `task ${seq} (${script.cache}) has the result of ${source.seq} (${other.cache}, ${other.isEdited})`,
  );
  must(
    executions.some((run) => run.end === "ok" && JSON.stringify(run.result) === result),
    () => `task ${seq} has a result that ${source.seq} never gave: ${result}`,
  );
}

function recordOf({ seq }: KnownTask, { gate, history }: CommitDeps): TaskRecord | null {
  for (const row of gate.all<HistoryBody>(OUTBOX, seq, seq))
    for (const record of unpackBody(row).map(recordOfRow)) if (record.seq === seq) return record;
  return history.find(seq);
}
