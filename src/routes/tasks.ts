/** Reads of tasks by id: how one stands, what it gave, several at once, how a batch stands. */
import { Problem } from "../../core/errors.ts";
import { taskId } from "../../core/ids.ts";
import { isFinished } from "../../core/status.ts";
import { NO_PAYLOAD, type TaskRecord, toTask } from "../../core/task.ts";
import { timelineOf, toMoveView } from "../../core/timeline.ts";
import { type Found, findTask, findTasks, isFound } from "../../reads/find-tasks.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { json, jsonText } from "../middleware/answer.ts";
import { problemView, queryProblem } from "../middleware/problems.ts";
import { countBatch } from "../read/count-batch.ts";
import { readFlag, readList, readWhole } from "../read/read-query.ts";
import { resultText } from "../read/show-result.ts";

const MAX_WAIT_S = 60;
const MAX_IDS = 100;
/** The longest that a Retry-After asks for, of a task that is put off. */
const MAX_RETRY_MS = 3_600_000;

/** GET /tasks/submissions/{id}: as it stands, or with `?wait=` (seconds) when it has ended; `?payload=true`: and with that. */
export async function getSubmission(door: Door, c: Ctx): Promise<Response> {
  const waitMs = (readWhole(c, "wait", 0, MAX_WAIT_S) ?? 0) * 1_000;
  const texts = readFlag(c, "payload");
  const found = await findTask(door, c.env.tenant, c.req.param("id") ?? "", { waitMs, texts });
  noteTask(c, idOf(found));
  const { payload } = found.record;
  return showTask(found, 200, texts && payload !== NO_PAYLOAD ? payload : null);
}

/**
 * The task as it stands, with its revision as ETag.
 * @param payload JSON text, put in as it is; null: it is not shown
 */
export function showTask({ at, record }: Found, status = 200, payload: string | null = null): Response {
  const view = JSON.stringify(toTask(at.queue, at.shard, record));
  const text = payload === null ? view : `${view.slice(0, -1)},"payload":${payload}}`;
  return jsonText(text, status, { etag: `"${record.rev}"` });
}

/**
 * GET /tasks/submissions?ids=a,b: each in its place, a task or a problem. ?batch=: how many stand where, with `?wait=`
 * when all have ended.
 */
export async function getSubmissions(door: Door, c: Ctx): Promise<Response> {
  const batch = c.req.query("batch");
  if (batch !== undefined && c.req.query("ids") !== undefined)
    throw queryProblem("batch", "cannot stand beside ids: say one of them");
  const waitS = readWhole(c, "wait", 0, MAX_WAIT_S);
  if (batch !== undefined) return json(await countBatch(door, c.env.tenant, batch, (waitS ?? 0) * 1_000));
  if (waitS !== null) throw queryProblem("wait", "is for a batch; one task is waited for at /tasks/submissions/{id}");
  const ids = readList(c, "ids", MAX_IDS);
  if (ids === null)
    throw new Problem("invalid-request", "Say which: ?ids= with up to 100 task ids, or ?batch= with a batch id.", {
      errors: [{ pointer: "?ids", detail: "is required" }],
    });
  const found = await findTasks(door, c.env.tenant, ids);
  const tasks = found.map((task, i) =>
    isFound(task)
      ? toTask(task.at.queue, task.at.shard, task.record)
      : { id: ids[i], problem: problemView(task.code, task.detail) },
  );
  return json({ tasks });
}

/** GET /tasks/submissions/{id}/timeline: each move, when and why. `complete: false`: some in the middle were not kept. */
export async function getTimeline(door: Door, c: Ctx): Promise<Response> {
  const found = await findTask(door, c.env.tenant, c.req.param("id") ?? "", {});
  const id = idOf(found);
  noteTask(c, id);
  const { moves, isComplete } = timelineOf(found.record);
  return json({ id, moves: moves.map(toMoveView), complete: isComplete });
}

/** GET /tasks/{id}: what it gave. 409 while it has not ended, 410 where the result was kept long enough. */
export async function getResult(door: Door, c: Ctx): Promise<Response> {
  const found = await findTask(door, c.env.tenant, c.req.param("id") ?? "", { texts: true });
  const { record } = found;
  const id = idOf(found);
  noteTask(c, id);
  if (!isFinished(record.status))
    throw new Problem(
      "task-unfinished",
      `The task is ${record.status}. ?wait= at /tasks/submissions/${id} waits for its end.`,
      {
        retryAfterMs: untilNext(record, door.ports.now()),
      },
    );
  const { resultExpiresAt } = record;
  if (record.status === "SUCCEEDED" && resultExpiresAt !== null && resultExpiresAt <= door.ports.now())
    throw new Problem("result-expired", "The task succeeded; its result was kept as long as resultTtlSeconds says.");
  return jsonText(resultText(id, record));
}

function idOf({ at, record }: Found) {
  return taskId(at, record.seq);
}

/** When it makes sense to ask again (ms): a second, or when a task that is put off is due. */
function untilNext({ runAt }: TaskRecord, now: number): number {
  return runAt === null ? 1_000 : Math.min(MAX_RETRY_MS, Math.max(1_000, runAt - now));
}
