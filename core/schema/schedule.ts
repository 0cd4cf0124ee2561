/**
 * A schedule as it is sent and shown over HTTP. Each fire of it is a submission, so it says the same of a task, or a
 * workflow as it would be submitted; on top stands when: exactly one of `cron` (with `timezone`), `everySeconds` and
 * `at`. `core/make-schedule.ts` makes the Directory's form of it.
 */
import { z } from "zod";
import { cronProblem, DST_RULES } from "../cron.ts";
import { OVERLAP_POLICIES } from "../overlap.ts";
import { parseTime } from "../parse-time.ts";
import { MISSED_POLICIES } from "../schedule.ts";
import { isTimeZone } from "../zone-clocks.ts";
import { placeFields, TimeSchema, TypeNameSchema, taskOptionFields } from "./submission.ts";
import { WorkflowSchema } from "./workflow.ts";

/** No colon: it stands in the dedup key of each fire. No dots alone: clients take `.` and `..` out of a path. */
const SCHEDULE_ID = /^(?!\.+$)[A-Za-z0-9_.-]{1,64}$/;
export const SCHEDULE_ID_RULE = "must be 1 to 64 letters, digits, dots, hyphens or underscores, and not dots alone";
export const ScheduleIdSchema = z.string().regex(SCHEDULE_ID, { error: SCHEDULE_ID_RULE });

const YEAR_S = 365 * 86_400;

const CronSchema = z.string().superRefine((expression, context) => {
  const problem = cronProblem(expression);
  if (problem !== null) context.addIssue({ code: "custom", message: `is no cron expression: ${problem}` });
});
const TimeZoneSchema = z.string().refine(isTimeZone, { error: "must be an IANA time zone: Europe/Vienna, UTC" });

const whenFields = {
  cron: CronSchema.optional(),
  timezone: TimeZoneSchema.optional(),
  dst: z.enum(DST_RULES).optional(),
  everySeconds: z.int().min(1).max(YEAR_S).optional(),
  at: TimeSchema.optional(),
};

const MAX_JITTER_S = 86_400;
/** No more fires are kept than can be counted. */
const MAX_DISABLE_AFTER = 100;

const taskFields = { ...placeFields, ...taskOptionFields };
const fields = {
  type: TypeNameSchema.optional(),
  payload: z.unknown().optional(),
  workflow: WorkflowSchema.optional(),
  ...taskFields,
  ...whenFields,
  missed: z.enum(MISSED_POLICIES).optional(),
  overlap: z.enum(OVERLAP_POLICIES).optional(),
  jitterSeconds: z.int().min(1).max(MAX_JITTER_S).optional(),
  disableAfter: z.int().min(1).max(MAX_DISABLE_AFTER).optional(),
  startAt: TimeSchema.optional(),
  endAt: TimeSchema.optional(),
  paused: z.boolean().optional(),
};

/** PUT /schedules/{id}: what is not named gets its default, `paused` stays. */
export const SchedulePutSchema = z.strictObject(fields).superRefine((body, context) => {
  if (KINDS.every((kind) => body[kind] === undefined))
    context.addIssue({ code: "custom", path: [], message: "needs one of cron, everySeconds and at" });
  if (body.workflow === undefined)
    for (const field of ["type", "payload"] as const)
      if (body[field] === undefined) context.addIssue({ code: "custom", path: [field], message: "is required" });
  checkWhat(body, context);
  checkWhen(body, context);
});
export type SchedulePut = z.infer<typeof SchedulePutSchema>;

/** POST /schedules: the same, and perhaps an id. */
export const ScheduleCreateSchema = SchedulePutSchema.safeExtend({ id: ScheduleIdSchema.optional() });
export type ScheduleCreate = z.infer<typeof ScheduleCreateSchema>;

/** PATCH /schedules/{id}: any part of it; null takes what may be absent away. */
export const SchedulePatchSchema = z
  .strictObject({
    ...fields,
    queue: fields.queue.nullable(),
    limitKey: fields.limitKey.nullable(),
    fairnessKey: fields.fairnessKey.nullable(),
    ttlSeconds: fields.ttlSeconds.nullable(),
    timeoutMs: fields.timeoutMs.nullable(),
    retry: fields.retry.nullable(),
    maxCrashes: fields.maxCrashes.nullable(),
    onCrash: fields.onCrash.nullable(),
    tags: fields.tags.nullable(),
    resultTtlSeconds: fields.resultTtlSeconds.nullable(),
    keepPayload: fields.keepPayload.nullable(),
    callback: fields.callback.nullable(),
    startAt: fields.startAt.nullable(),
    endAt: fields.endAt.nullable(),
    jitterSeconds: fields.jitterSeconds.nullable(),
    disableAfter: fields.disableAfter.nullable(),
  })
  .superRefine((body, context) => {
    checkWhat(body, context);
    checkWhen(body, context);
  });
export type SchedulePatch = z.infer<typeof SchedulePatchSchema>;

/** What is said of a task, and so not beside a workflow, whose nodes say it. */
export const OF_A_TASK = ["type", "payload", ...(Object.keys(taskFields) as (keyof typeof taskFields)[])] as const;

function checkWhat(
  body: Readonly<Partial<Record<(typeof OF_A_TASK)[number] | "workflow", unknown>>>,
  context: z.RefinementCtx,
): void {
  if (body.workflow === undefined) return;
  for (const field of OF_A_TASK)
    if (body[field] !== undefined)
      context.addIssue({ code: "custom", path: [field], message: "cannot stand beside workflow, whose nodes say it" });
}

const KINDS = ["cron", "everySeconds", "at"] as const;
/** How an expression is read. */
export const OF_CRON = ["timezone", "dst"] as const;

/** What fields must be to each other, whether all of them are here or a part. */
function checkWhen(
  body: Readonly<
    Partial<Record<(typeof KINDS | typeof OF_CRON)[number] | "startAt" | "endAt", string | number | null | undefined>>
  >,
  context: z.RefinementCtx,
): void {
  const [first, ...others] = KINDS.filter((kind) => body[kind] !== undefined);
  for (const kind of others)
    context.addIssue({ code: "custom", path: [kind], message: `cannot stand beside ${first}: say one of them` });
  for (const field of OF_CRON)
    if (body[field] !== undefined && first !== undefined && body.cron === undefined)
      context.addIssue({ code: "custom", path: [field], message: "goes with cron alone" });
  for (const bound of ["startAt", "endAt"] as const)
    if (body.at !== undefined && typeof body[bound] === "string")
      context.addIssue({ code: "custom", path: [bound], message: "cannot stand beside at, which is one moment" });
  const { startAt, endAt } = body;
  if (typeof startAt !== "string" || typeof endAt !== "string") return;
  if ((parseTime(endAt) ?? 0) <= (parseTime(startAt) ?? 0))
    context.addIssue({ code: "custom", path: ["endAt"], message: "must be after startAt" });
}

/** A schedule as it is shown. */
export interface ScheduleView {
  readonly id: string;
  readonly type?: string;
  readonly payload?: unknown;
  /** In the place of all that is said of a task. */
  readonly workflow?: unknown;
  readonly queue?: string | null;
  readonly priority?: number;
  readonly limitKey?: string;
  readonly fairnessKey?: string;
  readonly ttlSeconds?: number;
  readonly cron?: string;
  /** The expression in words; absent where there are none for it. */
  readonly cronText?: string;
  readonly timezone?: string;
  readonly dst?: string;
  readonly everySeconds?: number;
  readonly at?: string;
  readonly missed: string;
  readonly overlap: string;
  readonly jitterSeconds?: number;
  readonly disableAfter?: number;
  readonly startAt: string | null;
  readonly endAt: string | null;
  readonly paused: boolean;
  /** Why, where nobody paused it. */
  readonly stoppedReason?: string;
  readonly nextAt: string | null;
  readonly lastFireAt: string | null;
  readonly lastTaskId: string | null;
  /** Of a schedule of workflows, in the place of a task. */
  readonly lastWorkflowId?: string;
  readonly lastStatus: string | null;
  readonly failuresInRow: number;
  readonly fires: number;
  readonly missedCount: number;
  readonly skippedCount: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** A fire as it is shown; SKIPPED and MISSED stand for `count` of them, and say why. */
export interface FireView {
  readonly fireAt: string;
  readonly status: string;
  readonly firedAt?: string;
  readonly taskId?: string;
  readonly workflowId?: string;
  readonly endedAt?: string;
  readonly code?: string;
  readonly count?: number;
  readonly reason?: string;
}
