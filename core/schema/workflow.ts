/**
 * A workflow as it is submitted. A node is one of four kinds, told apart by the field that only that kind has; it is read
 * by the schema of its kind alone, so that a fault is told as that kind's. What nodes are to one another is not zod's
 * affair but `core/workflow/plan-run.ts`'s.
 */
import { z } from "zod";
import { FINISHED } from "../status.ts";
import {
  ONE_TIME,
  PayloadSchema,
  placeFields,
  TypeNameSchema,
  taskOptionFields,
  tellsOneTime,
  timeFields,
} from "./submission.ts";

export const MAX_NODES = 1_000;
export const MAX_EDGES = 10_000;
/** Of payloads and kept results, in all. */
export const MAX_RUN_BYTES = 50 * 1024 * 1024;
/** Of a signal, or of a run. */
export const MAX_TIMEOUT_S = 365 * 86_400;
/** How deep workflows may stand in workflows. */
export const MAX_NESTING = 8;

const KEY = /^[A-Za-z0-9_-]{1,64}$/;
export const NodeKeySchema = z
  .string()
  .regex(KEY, { error: "must be 1 to 64 letters, digits, hyphens or underscores" });
export const SignalNameSchema = z
  .string()
  .regex(KEY, { error: "must be 1 to 64 letters, digits, hyphens or underscores" });

/** A task within a workflow: as a submission, without what makes it another's or ends it before its time. */
const taskFields = {
  type: TypeNameSchema,
  payload: PayloadSchema,
  ...placeFields,
  ...timeFields,
  ...taskOptionFields,
};
export const StepTaskSchema = z.strictObject(taskFields).refine(tellsOneTime, ONE_TIME);
/** One that is undone where the run does not succeed. */
const undoneFields = { ...taskFields, compensate: StepTaskSchema.optional() };

const nodeFields = {
  key: NodeKeySchema.optional(),
  dependsOn: z.array(z.string().min(1).max(1_024)).max(MAX_NODES).optional(),
  onParentFailure: z.enum(["fail", "continue", "skip"]).optional(),
};
const TaskNodeSchema = z.strictObject({ ...nodeFields, ...undoneFields }).refine(tellsOneTime, ONE_TIME);
const SignalNodeSchema = z.strictObject({
  ...nodeFields,
  waitFor: SignalNameSchema,
  timeoutSeconds: z.number().positive().max(MAX_TIMEOUT_S).optional(),
});
const MapNodeSchema = z.strictObject({
  ...nodeFields,
  /** `over`: a list, or a reference to a result that is one. */
  map: z.strictObject({
    over: PayloadSchema,
    task: z.strictObject(undoneFields).refine(tellsOneTime, ONE_TIME),
  }),
});
const shapeFields = {
  tasks: z.array(z.unknown()).min(1).max(MAX_NODES).optional(),
  chain: z.array(z.unknown()).min(1).max(MAX_NODES).optional(),
  group: z.array(z.unknown()).min(1).max(MAX_NODES).optional(),
  chord: z.strictObject({ group: z.array(z.unknown()).min(1).max(MAX_NODES), finally: z.unknown() }).optional(),
};
const SHAPES = ["tasks", "chain", "group", "chord"] as const;
export const ShapeSchema = z.strictObject(shapeFields).refine(hasOneShape, { error: ONE_SHAPE() });
const SubNodeSchema = z.strictObject({ ...nodeFields, workflow: ShapeSchema });

/** By one attempt of a handler. */
export const MAX_SPAWNED = 100;
/** What a handler asks for with `ctx.spawn`. Its payload is data: nothing in it refers to other nodes. */
export const SpawnedSchema = z
  .strictObject({
    key: NodeKeySchema,
    /** Keys of what the same attempt spawned before it. */
    dependsOn: z.array(NodeKeySchema).max(MAX_SPAWNED).optional(),
    onParentFailure: nodeFields.onParentFailure,
    ...taskFields,
  })
  .refine(tellsOneTime, ONE_TIME);
export const SpawnedListSchema = z.array(SpawnedSchema);
export type SpawnedTask = z.infer<typeof SpawnedSchema>;

export type StepTask = z.infer<typeof StepTaskSchema>;
export type TaskNode = z.infer<typeof TaskNodeSchema>;
export type SignalNode = z.infer<typeof SignalNodeSchema>;
export type MapNode = z.infer<typeof MapNodeSchema>;
export type SubNode = z.infer<typeof SubNodeSchema>;
export type SubmittedNode = TaskNode | SignalNode | MapNode | SubNode;
export type Shape = z.infer<typeof ShapeSchema>;

/** The fields that tell the kind of a node, and the schema of each. */
export const NODE_SCHEMAS = {
  type: TaskNodeSchema,
  waitFor: SignalNodeSchema,
  map: MapNodeSchema,
  workflow: SubNodeSchema,
} as const;

export const FinishSchema = z
  .strictObject({
    ...taskFields,
    on: z
      .array(z.enum(["SUCCEEDED", "FAILED", "CANCELLED"]))
      .min(1)
      .max(FINISHED.length)
      .optional(),
  })
  .refine(tellsOneTime, ONE_TIME);

export const WorkflowSchema = z
  .strictObject({
    ...shapeFields,
    name: z
      .string()
      .min(1)
      .max(128)
      .refine((name) => name.isWellFormed(), { error: "has a lone surrogate" })
      .optional(),
    onFinish: FinishSchema.optional(),
    /** From when it is submitted, or retried: how long it may take, compensations aside. */
    timeoutSeconds: z.number().positive().max(MAX_TIMEOUT_S).optional(),
    /** How long the run can be read once it has ended. */
    keepSeconds: z
      .int()
      .min(60)
      .max(365 * 86_400)
      .optional(),
  })
  .refine(hasOneShape, { error: ONE_SHAPE() });
export type SubmittedWorkflow = z.infer<typeof WorkflowSchema>;

export const RetryRunSchema = z.strictObject({ nodes: z.array(z.string().min(1)).min(1).max(MAX_NODES).optional() });

function hasOneShape(told: Partial<Record<(typeof SHAPES)[number], unknown>>): boolean {
  return SHAPES.filter((shape) => told[shape] !== undefined).length === 1;
}
function ONE_SHAPE() {
  return `must have one of ${SHAPES.join(", ")}`;
}
