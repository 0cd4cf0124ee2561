/**
 * What is told over HTTP of many tasks at once: which ones, what is done to them, and what is different of those that
 * become new ones. Nothing here transforms; src/bulk/read-work.ts makes of it what shards are asked.
 */
import { z } from "zod";
import { findJsonProblem } from "../json.ts";
import { UNFINISHED } from "../status.ts";
import { RateSchema, RetrySchema } from "./queue-settings.ts";
import {
  isRight,
  MAX_DELAY_S,
  MAX_TIMEOUT_MS,
  PrioritySchema,
  QueueNameSchema,
  TaskKeySchema,
  TimeSchema,
  TypeNameSchema,
} from "./submission.ts";

/** Tasks that a filter may name by id. */
export const MAX_IDS = 1_000;
export const MAX_Q = 256;

const ids = z.array(z.string()).min(1).max(MAX_IDS).optional();
const text = (max: number) => z.string().min(1).max(max);

/** Which dead letters; all that is told must hold. The same fields stand in a query. */
export const DeadFilterSchema = z.strictObject({
  ids,
  type: TypeNameSchema.optional(),
  code: text(64).optional(),
  fingerprint: text(128).optional(),
  q: text(MAX_Q).optional(),
  tag: text(2_048).optional(),
  from: TimeSchema.optional(),
  to: TimeSchema.optional(),
});
export type DeadFilterTold = z.infer<typeof DeadFilterSchema>;

/** Which unfinished tasks. */
export const LiveFilterSchema = z.strictObject({
  ids,
  status: z.array(z.enum(UNFINISHED)).min(1).max(UNFINISHED.length).optional(),
  type: TypeNameSchema.optional(),
  tag: text(2_048).optional(),
  limitKey: TaskKeySchema.optional(),
  fairnessKey: TaskKeySchema.optional(),
  submittedAfter: TimeSchema.optional(),
  submittedBefore: TimeSchema.optional(),
});
export type LiveFilterTold = z.infer<typeof LiveFilterSchema>;

export const EditSchema = z
  .strictObject({
    payload: z.unknown().optional(),
    payloadPatch: z
      .record(z.string(), z.unknown(), { error: "must be an object: a merge patch (RFC 7396)" })
      .refine((patch) => findJsonProblem(patch) === null, { error: "has a value that no payload may have" })
      .optional(),
    priority: PrioritySchema.optional(),
    delaySeconds: z.number().min(0).max(MAX_DELAY_S).optional(),
    runAt: TimeSchema.optional(),
    timeoutMs: z.int().min(1).max(MAX_TIMEOUT_MS).optional(),
    retry: RetrySchema.optional(),
  })
  .refine((edit) => !("payload" in edit && edit.payloadPatch !== undefined), {
    path: ["payloadPatch"],
    error: "cannot stand beside payload: say one of them",
  })
  .refine((edit) => edit.delaySeconds === undefined || edit.runAt === undefined, {
    path: ["delaySeconds"],
    error: "cannot stand beside runAt: say one of them",
  })
  .refine((edit) => Object.keys(edit).length > 0, { error: "names nothing to change: leave it out", when: isRight });
export type Edit = z.infer<typeof EditSchema>;

/** POST /dead-letters/{id}/redrive; there may be no body. */
export const RedriveOneSchema = z.strictObject({
  edit: EditSchema.optional(),
  /** Nothing is made: what would become of it is told. */
  dryRun: z.boolean().optional(),
});

const about = {
  queue: QueueNameSchema,
  /** Only those that had ended, or were submitted, by then: what a dry run counted. */
  asOf: TimeSchema.optional(),
  /** Counts, and changes nothing. */
  dryRun: z.boolean().optional(),
};
const paced = { ...about, rate: RateSchema.optional() };

export const DiscardSchema = z.strictObject({ ...about, filter: DeadFilterSchema });

export const RedriveSchema = z.strictObject({ ...paced, filter: DeadFilterSchema, edit: EditSchema.optional() });

/** POST /tasks/bulk. `filter` must stand there, be it empty: nobody means all by leaving it out. */
export const BulkSchema = z.discriminatedUnion(
  "action",
  [
    z.strictObject({ action: z.literal("cancel"), ...paced, filter: LiveFilterSchema }),
    z.strictObject({ action: z.literal("discard"), ...paced, filter: DeadFilterSchema }),
    RedriveSchema.extend({ action: z.literal("redrive") }),
  ],
  { error: "must be cancel, discard or redrive" },
);
export type BulkTold = z.infer<typeof BulkSchema>;
