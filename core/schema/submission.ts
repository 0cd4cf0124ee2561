/**
 * A task as it is submitted. The schema says what is right and names what is wrong; `core/accept-task.ts` accepts the
 * right ones without it, because a batch of 100 cannot pay for zod a task. A test holds the two to each other.
 * Nothing here transforms: what was sent is what was checked, defaults come later (`core/make-task.ts`).
 */
import { z } from "zod";
import { exceedsBytes, MAX_TAGS_BYTES } from "../bytes.ts";
import { MAX_BATCH, QUEUE_NAME, TYPE_NAME } from "../ids.ts";
import { isCallersKey } from "../keys.ts";
import { parseTime } from "../parse-time.ts";
import { CallbackSchema } from "./callback.ts";
import { RetrySchema, TASK_KEY } from "./queue-settings.ts";

export const PRIORITY_NAMES = { low: 2, normal: 5, high: 7, critical: 9 } as const;
export type PriorityName = keyof typeof PRIORITY_NAMES;
export const DEFAULT_PRIORITY = 5;
export const MAX_PRIORITY = 9;

export const MAX_TAGS = 32;
export const MAX_TIMEOUT_MS = 600_000;
export const MAX_CRASHES = 100;
const YEAR_S = 365 * 86_400;
/** How far ahead a task may be put off. */
export const MAX_DELAY_S = YEAR_S;
export const MAX_RESULT_TTL_S = YEAR_S;

/** use: answered by an equal task's result, where there is one. bypass: neither that nor kept. refresh: run, and kept anew. */
export const CACHE_MODES = ["use", "bypass", "refresh"] as const;
export type CacheMode = (typeof CACHE_MODES)[number];

export const QueueNameSchema = z
  .string()
  .regex(QUEUE_NAME, { error: "must be 1 to 64 letters, digits, hyphens or underscores" });
export const TypeNameSchema = z
  .string()
  .regex(TYPE_NAME, { error: "must be 1 to 128 letters, digits or any of _ . : / -" });

export const PrioritySchema = z.union(
  [z.int().min(0).max(MAX_PRIORITY), z.enum(["low", "normal", "high", "critical"])],
  {
    error: "must be a whole number from 0 to 9 (most urgent), or low (2), normal (5), high (7), critical (9)",
  },
);

export const TimeSchema = z
  .string()
  .refine((text) => parseTime(text) !== null, {
    error: "must be a time of RFC 3339 with its offset: 2026-12-24T18:00:00Z",
  })
  .meta({ format: "date-time" });

export const TagsSchema = z
  .array(
    z
      .string()
      .min(1)
      .refine((tag) => tag.isWellFormed(), { error: "has a lone surrogate" }),
  )
  .max(MAX_TAGS)
  .refine((tags) => !exceedsBytes(JSON.stringify(tags), MAX_TAGS_BYTES), {
    error: "must be at most 2 KiB as JSON, all together",
  });

export const TaskKeySchema = z.string().regex(TASK_KEY, { error: "must be 1 to 128 visible ASCII characters" });

/** Seconds from its submission by which a task must have begun. */
export const TtlSchema = z.number().positive().max(MAX_DELAY_S);

/** Where a task goes and how it stands among others: the same for a submission, a node of a workflow and a fire. */
export const placeFields = {
  queue: QueueNameSchema.optional(),
  priority: PrioritySchema.optional(),
  limitKey: TaskKeySchema.optional(),
  fairnessKey: TaskKeySchema.optional(),
  ttlSeconds: TtlSchema.optional(),
};

/** When it runs, where later than at once. */
export const timeFields = {
  delaySeconds: z.number().min(0).max(MAX_DELAY_S).optional(),
  runAt: TimeSchema.optional(),
};
export function tellsOneTime(task: { readonly delaySeconds?: unknown; readonly runAt?: unknown }): boolean {
  return task.delaySeconds === undefined || task.runAt === undefined;
}
export const ONE_TIME = {
  path: ["delaySeconds"],
  error: "cannot stand beside runAt: say one of them",
  when: isObject,
};

/** What a task may be told beyond type, payload and place: the same for a submission and for each fire of a schedule. */
export const taskOptionFields = {
  timeoutMs: z.int().min(1).max(MAX_TIMEOUT_MS).optional(),
  retry: RetrySchema.optional(),
  maxCrashes: z.int().min(1).max(MAX_CRASHES).optional(),
  onCrash: z.enum(["retry", "fail"]).optional(),
  tags: TagsSchema.optional(),
  resultTtlSeconds: z.int().min(0).max(MAX_RESULT_TTL_S).optional(),
  keepPayload: z.boolean().optional(),
  callback: CallbackSchema.optional(),
};

export const MAX_WINDOW_S = 30 * 86_400;
export const MAX_DEBOUNCE_S = 86_400;

/** Of its type and queue there is to be one such task. */
export const UniqueSchema = z
  .strictObject({
    by: z.enum(["key", "payload"]),
    key: z.string().refine(isCallersKey, { error: "must be 1 to 255 visible ASCII characters" }).optional(),
    within: z.enum(["queued", "running", "window"]).optional(),
    windowSeconds: z.int().min(1).max(MAX_WINDOW_S).optional(),
    onConflict: z.enum(["return", "reject", "replace"]).optional(),
  })
  .refine((unique) => unique.by !== "key" || unique.key !== undefined, {
    path: ["key"],
    error: 'is required with by: "key"',
    when: isObject,
  })
  .refine((unique) => unique.by === "key" || unique.key === undefined, {
    path: ["key"],
    error: 'stands only with by: "key"; by: "payload" makes it of the payload',
    when: isObject,
  })
  .refine((unique) => unique.within !== "window" || unique.windowSeconds !== undefined, {
    path: ["windowSeconds"],
    error: 'is required with within: "window"',
    when: isObject,
  })
  .refine((unique) => unique.within === "window" || unique.windowSeconds === undefined, {
    path: ["windowSeconds"],
    error: 'stands only with within: "window"',
    when: isObject,
  });

export type Unique = z.infer<typeof UniqueSchema>;

/** Present, whatever it is: `null` is a payload, nothing is not. What it must be is its type's affair. */
export const PayloadSchema = z.unknown().refine((value): boolean => value !== undefined, { error: "is required" });

export const SubmittedTaskSchema = z
  .strictObject({
    type: TypeNameSchema,
    payload: PayloadSchema,
    ...placeFields,
    ...timeFields,
    unique: UniqueSchema.optional(),
    debounceSeconds: z.int().min(1).max(MAX_DEBOUNCE_S).optional(),
    throttleSeconds: z.int().min(1).max(MAX_WINDOW_S).optional(),
    expiresAt: TimeSchema.optional(),
    cache: z.enum(CACHE_MODES).optional(),
    ...taskOptionFields,
  })
  .refine(tellsOneTime, ONE_TIME)
  .refine((task) => task.debounceSeconds === undefined || task.throttleSeconds === undefined, {
    path: ["throttleSeconds"],
    error: "cannot stand beside debounceSeconds: say one of them",
    when: isObject,
  })
  .refine(
    (task) => task.debounceSeconds === undefined || (task.delaySeconds === undefined && task.runAt === undefined),
    {
      path: ["debounceSeconds"],
      error: "is a delay by itself: neither delaySeconds nor runAt stands beside it",
      when: isObject,
    },
  )
  .refine(({ unique, ...task }) => !isTold(unique) || isPaced(task) !== (unique.within !== undefined), {
    path: ["unique", "within"],
    error: "must stand there, unless debounceSeconds or throttleSeconds do, which tell it themselves",
    when: isObject,
  })
  .refine(({ unique, ...task }) => !isTold(unique) || !isPaced(task) || unique.onConflict === undefined, {
    path: ["unique", "onConflict"],
    error: "is told by debounceSeconds and throttleSeconds themselves",
    when: isObject,
  })
  .refine((task) => task.ttlSeconds === undefined || task.expiresAt === undefined, {
    path: ["ttlSeconds"],
    error: "cannot stand beside expiresAt: say one of them",
    when: isObject,
  });
export type SubmittedTask = z.infer<typeof SubmittedTaskSchema>;

/** What may be told of a task that is there: that a replay is to have otherwise, or a task that waits. */
export const TaskEditSchema = z
  .strictObject({
    priority: PrioritySchema.optional(),
    ...timeFields,
    payload: z.unknown().optional(),
  })
  .refine(tellsOneTime, ONE_TIME);
export type TaskEdit = z.infer<typeof TaskEditSchema>;

export const TaskPatchSchema = TaskEditSchema.refine((patch) => Object.keys(patch).length > 0, {
  error: "names nothing to change",
  when: isRight,
});

/** A batch; its tasks are read one by one, so that each fault has its index and a good one costs next to nothing. */
export const BatchSchema = z.strictObject({
  tasks: z.array(z.unknown()).min(1).max(MAX_BATCH),
  /** false: each task for itself, and one result for each. */
  atomic: z.boolean().optional(),
  /** Nothing is submitted: what would become of it is told. */
  dryRun: z.boolean().optional(),
});

/** When what is missing is judged: a field that is not known is told by itself, not as nothing told. */
export function isRight({ issues }: { readonly issues: readonly unknown[] }): boolean {
  return issues.length === 0;
}

/** When what stands side by side is judged: beside other faults too, so that one answer is enough to mend a body by. */
function isObject({ value }: { readonly value: unknown }): boolean {
  return typeof value === "object" && value !== null;
}

/** Whether debounceSeconds or throttleSeconds say how long its key is its own. */
function isPaced(task: { readonly debounceSeconds?: unknown; readonly throttleSeconds?: unknown }): boolean {
  return task.debounceSeconds !== undefined || task.throttleSeconds !== undefined;
}

/** A check may come before what it checks was found to be an object. */
function isTold<T>(unique: T | undefined): unique is T {
  return typeof unique === "object" && unique !== null;
}
