/**
 * A schedule as it is sent and shown over HTTP. Each fire of it is a submission, so it says the same of a task; on top
 * stands when: exactly one of `cron` (with `timezone`), `everySeconds` and `at`. `core/make-schedule.ts` makes the
 * Directory's form of it.
 */
import { z } from "zod";
import { cronProblem, isTimeZone } from "../cron.ts";
import { parseTime } from "../parse-time.ts";
import { MISSED_POLICIES } from "../schedule.ts";
import {
  PayloadSchema,
  PrioritySchema,
  QueueNameSchema,
  TaskKeySchema,
  TimeSchema,
  TtlSchema,
  TypeNameSchema,
  taskOptionFields,
} from "./submission.ts";

/** No colon: it stands in the dedup key of each fire. */
export const SCHEDULE_ID = /^[A-Za-z0-9_.-]{1,64}$/;
export const ScheduleIdSchema = z
  .string()
  .regex(SCHEDULE_ID, { error: "must be 1 to 64 letters, digits, dots, hyphens or underscores" });

const YEAR_S = 365 * 86_400;

const CronSchema = z.string().superRefine((expression, context) => {
  const problem = cronProblem(expression);
  if (problem !== null) context.addIssue({ code: "custom", message: `is no cron expression: ${problem}` });
});
const TimeZoneSchema = z.string().refine(isTimeZone, { error: "must be an IANA time zone: Europe/Vienna, UTC" });

const whenFields = {
  cron: CronSchema.optional(),
  timezone: TimeZoneSchema.optional(),
  everySeconds: z.int().min(1).max(YEAR_S).optional(),
  at: TimeSchema.optional(),
};

const fields = {
  type: TypeNameSchema,
  payload: PayloadSchema,
  queue: QueueNameSchema.optional(),
  priority: PrioritySchema.optional(),
  limitKey: TaskKeySchema.optional(),
  fairnessKey: TaskKeySchema.optional(),
  ttlSeconds: TtlSchema.optional(),
  ...taskOptionFields,
  ...whenFields,
  missed: z.enum(MISSED_POLICIES).optional(),
  startAt: TimeSchema.optional(),
  endAt: TimeSchema.optional(),
  paused: z.boolean().optional(),
};

/** PUT /schedules/{id}: what is not named gets its default, `paused` stays. */
export const SchedulePutSchema = z.strictObject(fields).superRefine((body, context) => {
  if (KINDS.every((kind) => body[kind] === undefined))
    context.addIssue({ code: "custom", path: [], message: "needs one of cron, everySeconds and at" });
  if (body.timezone !== undefined && body.cron === undefined)
    context.addIssue({ code: "custom", path: ["timezone"], message: "goes with cron alone" });
  checkWhen(body, context);
});
export type SchedulePut = z.infer<typeof SchedulePutSchema>;

/** POST /schedules: the same, and perhaps an id. */
export const ScheduleCreateSchema = SchedulePutSchema.safeExtend({ id: ScheduleIdSchema.optional() });
export type ScheduleCreate = z.infer<typeof ScheduleCreateSchema>;

/** PATCH /schedules/{id}: any part of it; null takes a queue, a key, a time to begin or a bound away. */
export const SchedulePatchSchema = z
  .strictObject({
    ...fields,
    type: fields.type.optional(),
    payload: z.unknown().optional(),
    queue: QueueNameSchema.nullable().optional(),
    limitKey: TaskKeySchema.nullable().optional(),
    fairnessKey: TaskKeySchema.nullable().optional(),
    ttlSeconds: TtlSchema.nullable().optional(),
    startAt: TimeSchema.nullable().optional(),
    endAt: TimeSchema.nullable().optional(),
  })
  .superRefine(checkWhen);
export type SchedulePatch = z.infer<typeof SchedulePatchSchema>;

const KINDS = ["cron", "everySeconds", "at"] as const;

/** What fields must be to each other, whether all of them are here or a part. */
function checkWhen(
  body: Readonly<
    Partial<Record<"cron" | "everySeconds" | "at" | "startAt" | "endAt", string | number | null | undefined>>
  >,
  context: z.RefinementCtx,
): void {
  const [first, ...others] = KINDS.filter((kind) => body[kind] !== undefined);
  for (const kind of others)
    context.addIssue({ code: "custom", path: [kind], message: `cannot stand beside ${first}: say one of them` });
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
  readonly type: string;
  readonly payload: unknown;
  readonly queue: string | null;
  readonly priority: number;
  readonly limitKey?: string;
  readonly fairnessKey?: string;
  readonly ttlSeconds?: number;
  readonly cron?: string;
  readonly timezone?: string;
  readonly everySeconds?: number;
  readonly at?: string;
  readonly missed: string;
  readonly startAt: string | null;
  readonly endAt: string | null;
  readonly paused: boolean;
  readonly nextAt: string | null;
  readonly lastFireAt: string | null;
  readonly lastTaskId: string | null;
  readonly fires: number;
  readonly missedCount: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}
