/** Schedules: checked here like the submissions that they will make, kept and fired by the Directory. */
import { z } from "zod";
import { exceedsBytes } from "../../core/bytes.ts";
import { Problem } from "../../core/errors.ts";
import { parseRunId, runId, type TaskId, TYPE_NAME } from "../../core/ids.ts";
import {
  type Made,
  makeDefinition,
  makeDefinitionPatch,
  tellsTask,
  toFireView,
  toScheduleView,
} from "../../core/make-schedule.ts";
import { checkPayload, type Fault, type TaskType, under } from "../../core/make-task.ts";
import {
  OF_A_TASK,
  OF_CRON,
  SCHEDULE_ID_RULE,
  ScheduleCreateSchema,
  ScheduleIdSchema,
  type SchedulePatch,
  SchedulePatchSchema,
  type SchedulePut,
  SchedulePutSchema,
} from "../../core/schema/schedule.ts";
import type { ScheduleRecord } from "../../core/schema/schedule-rpc.ts";
import type { SubmittedWorkflow } from "../../core/schema/workflow.ts";
import { iso } from "../../core/task.ts";
import { deadlineOf } from "../../reads/ask.ts";
import { askDirectory } from "../ask-directory.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { faultProblem, pathProblem, queryProblem } from "../middleware/problems.ts";
import { checkBody, readBody, readJson, refuseFields } from "../middleware/read-body.ts";
import { IdCursorSchema, readCursor, writeCursor } from "../read/cursor.ts";
import { readFlag, readWhole } from "../read/read-query.ts";
import { readKey, readPathKey } from "../submit/idempotency.ts";
import { makeRun } from "../submit/make-run.ts";
import { resolveType, withoutMaking } from "../submit/resolve-task.ts";
import { replayed } from "../submit/show-accepted.ts";

const MAX_LISTED = 100;
const MAX_PREVIEW = 100;
const PREVIEW = 10;
/** One of those that are under way at once gets through each time. */
const MAX_PATCHES = 8;
/** Of a workflow that a schedule keeps: a value in a Directory holds 2 MB. */
const MAX_WORKFLOW_BYTES = 1024 * 1024;
/** No fire's, for a check alone. */
const NO_RUN = runId(new Uint8Array(24));
const FireCursorSchema = z.strictObject({ before: z.int() });

export async function createSchedule(door: Door, c: Ctx): Promise<Response> {
  const { value, bytes } = await readBody(c.req.raw, door.env.bodyLimit);
  const { id = null, ...body } = checkBody(ScheduleCreateSchema, value);
  const idempotency = await readPathKey(c, bytes);
  const definition = makeDefinition(body, await checkMade(door, body));
  const { schedule, replayed: isReplay } = await askDirectory(door, c, (directory) =>
    directory.createSchedule({ v: 1, id, definition, paused: body.paused ?? false, idempotency }),
  );
  return json(toScheduleView(schedule), 201, { location: `/schedules/${schedule.id}`, ...replayed(isReplay) });
}

/** `?paused=` and `?type=` (else all), `?limit=` (100), `?cursor=` of the answer before. */
export async function listSchedules(door: Door, c: Ctx): Promise<Response> {
  const type = c.req.query("type") ?? null;
  if (type !== null && !TYPE_NAME.test(type)) throw queryProblem("type", "is no name of a type");
  const paused = c.req.query("paused") === undefined ? null : readFlag(c, "paused");
  const limit = readWhole(c, "limit", 1, MAX_LISTED) ?? MAX_LISTED;
  const after = readCursor(c, IdCursorSchema);
  const { schedules, next } = await askDirectory(door, c, (directory) =>
    directory.listSchedules({ v: 1, after, limit, paused, type }),
  );
  return json({ schedules: schedules.map(toScheduleView), cursor: writeCursor(next) });
}

export async function getSchedule(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  const { schedule } = await askDirectory(door, c, (directory) => directory.getSchedule({ v: 1, id }));
  return json(toScheduleView(schedule));
}

export async function putSchedule(door: Door, c: Ctx): Promise<Response> {
  const id = c.req.param("id") ?? "";
  if (!ScheduleIdSchema.safeParse(id).success) throw pathProblem("id", "A schedule's id", SCHEDULE_ID_RULE);
  const body = checkBody(SchedulePutSchema, await readJson(c.req.raw, door.env.bodyLimit));
  const definition = makeDefinition(body, await checkMade(door, body));
  const { schedule, created } = await askDirectory(door, c, (directory) =>
    directory.putSchedule({ v: 1, id, definition, paused: body.paused ?? null }),
  );
  return json(toScheduleView(schedule), created ? 201 : 200, { location: `/schedules/${id}` });
}

/** What it does not name stays as it is; so does what it makes, a task or a run. */
export async function patchSchedule(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  const body = checkBody(SchedulePatchSchema, await readJson(c.req.raw, door.env.bodyLimit));
  for (let tries = 1; tries <= MAX_PATCHES; tries++) {
    const schedule = await patchOnce(door, c, id, body);
    if (schedule) return json(toScheduleView(schedule));
  }
  throw new Problem("unavailable", `The schedule ${id} is being changed by many at once.`);
}

/** A patch is checked against the schedule as it is. @returns null where that was changed meanwhile */
async function patchOnce(door: Door, c: Ctx, id: string, body: SchedulePatch): Promise<ScheduleRecord | null> {
  const { schedule: current } = await askDirectory(door, c, (directory) => directory.getSchedule({ v: 1, id }));
  checkZone(body, current);
  const patch = makeDefinitionPatch(body, current, await checkPatched(door, body, current));
  try {
    const { schedule } = await askDirectory(door, c, (directory) =>
      directory.patchSchedule({ v: 1, id, patch, paused: body.paused ?? null, asOf: current.updatedAt }),
    );
    return schedule;
  } catch (error) {
    if (error instanceof Problem && error.code === "rev-mismatch") return null;
    throw error;
  }
}

export async function deleteSchedule(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  await askDirectory(door, c, (directory) => directory.deleteSchedule({ v: 1, id }));
  return new Response(null, { status: 204 });
}

export async function pauseSchedule(door: Door, c: Ctx): Promise<Response> {
  return await setPaused(door, c, true);
}

export async function resumeSchedule(door: Door, c: Ctx): Promise<Response> {
  return await setPaused(door, c, false);
}

/** One task (or run) more, at once; the next fire stays. Under an Idempotency-Key it is one however often it is sent. */
export async function runSchedule(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  await refuseFields(c.req.raw, door.env.bodyLimit);
  const key = await readKey(c.req.raw.headers);
  const { taskId, replayed: isReplay } = await askDirectory(
    door,
    c,
    (directory) => directory.runSchedule({ v: 1, id, ...(key !== null && { key }) }),
    key === null ? "outcome-unknown" : "unavailable",
  );
  const run = parseRunId(taskId);
  if (run === null) noteTask(c, taskId as TaskId);
  const location = run === null ? `/tasks/submissions/${taskId}` : `/workflows/${run}`;
  return json({ id: taskId, schedule: id }, 202, { location, ...replayed(isReplay) });
}

/** `?n=` (10): when it would fire next, whether it is paused or not. */
export async function previewSchedule(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  const count = readWhole(c, "n", 1, MAX_PREVIEW) ?? PREVIEW;
  const { fires } = await askDirectory(door, c, (directory) => directory.previewSchedule({ v: 1, id, count }));
  return json({ id, fires: fires.map(iso) });
}

/** `?limit=` (100), `?cursor=` of the answer before: the newest first. */
export async function listFires(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  const limit = readWhole(c, "limit", 1, MAX_LISTED) ?? MAX_LISTED;
  const before = readCursor(c, FireCursorSchema)?.before ?? null;
  const { fires, next } = await askDirectory(door, c, (directory) => directory.listFires({ v: 1, id, before, limit }));
  return json({ fires: fires.map(toFireView), cursor: writeCursor(next === null ? null : { before: next }) });
}

async function setPaused(door: Door, c: Ctx, paused: boolean): Promise<Response> {
  const id = idOf(c);
  await refuseFields(c.req.raw, door.env.bodyLimit);
  const { schedule } = await askDirectory(door, c, (directory) => directory.pauseSchedule({ v: 1, id, paused }));
  return json(toScheduleView(schedule));
}

/** What each fire is. @throws Problem as a submission of it would be refused */
async function checkMade(door: Door, body: Pick<SchedulePut, "type" | "payload" | "workflow">): Promise<Made> {
  if (body.workflow) return await checkWorkflow(door, body.workflow);
  return await checkTask(door, body.type ?? "", body.payload);
}

/**
 * The same of a PATCH: a new payload must fit the type, and so must the old one where the type changes.
 * @returns null where it says nothing of it
 */
async function checkPatched(door: Door, body: SchedulePatch, current: ScheduleRecord): Promise<Made | null> {
  if (!current.isWorkflow) {
    if (body.workflow) throw otherKind("/workflow", "is not what this schedule makes, a task; PUT replaces it");
    if (!tellsTask(body)) return null;
    const payload = body.payload === undefined ? (JSON.parse(current.payload) as unknown) : body.payload;
    return await checkTask(door, body.type ?? current.type, payload);
  }
  const field = OF_A_TASK.find((one) => body[one] !== undefined);
  if (field) throw otherKind(`/${field}`, "is nothing that a schedule of workflows has; PUT replaces it");
  return body.workflow ? await checkWorkflow(door, body.workflow) : null;
}

/** A body that names another kind was looked at by itself. */
function checkZone(body: SchedulePatch, { timing }: ScheduleRecord): void {
  const field = OF_CRON.find((one) => body[one] !== undefined);
  if (field !== undefined && body.cron === undefined && timing.kind !== "cron")
    throw otherKind(`/${field}`, "goes with cron alone, which this schedule has not");
}

function otherKind(pointer: string, detail: string): Problem {
  return new Problem("invalid-request", `${pointer} ${detail}.`, { errors: [{ pointer, detail }] });
}

/** As a POST of it would be checked; no queue comes by that, and which are there is looked at again at each fire. */
async function checkWorkflow(door: Door, workflow: SubmittedWorkflow): Promise<Made> {
  await makeRun(withoutMaking(door), workflow, NO_RUN, "/workflow");
  const text = JSON.stringify(workflow);
  if (!exceedsBytes(text, MAX_WORKFLOW_BYTES)) return { workflow: text };
  const detail = `is larger than ${MAX_WORKFLOW_BYTES} bytes`;
  throw new Problem("payload-too-large", `/workflow ${detail}.`, { errors: [{ pointer: "/workflow", detail }] });
}

async function checkTask(door: Door, name: string, value: unknown): Promise<{ type: TaskType; payload: string }> {
  const type = await resolveType(door, name, deadlineOf(door.ports));
  if (isFault(type)) throw faultProblem(type);
  const payload = checkPayload(value, type);
  if (typeof payload !== "string") throw faultProblem(under("/payload", payload));
  return { type, payload };
}

function isFault(type: TaskType | Fault): type is Fault {
  return "code" in type;
}

function idOf(c: Ctx): string {
  const id = c.req.param("id") ?? "";
  if (!ScheduleIdSchema.safeParse(id).success) throw new Problem("schedule-unknown", `There is no schedule ${id}.`);
  return id;
}
