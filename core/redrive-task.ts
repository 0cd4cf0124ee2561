/**
 * What a dead letter becomes: the task that repeats it (replay.ts), with what is edited. An edited payload must fit the
 * type as this deployment has it; one that is not edited stays as it was accepted. Pure.
 */
import type { TaskId } from "./ids.ts";
import { canonicalJson } from "./json.ts";
import { checkPayload, declaredType, type Fault, type TaskType, under } from "./make-task.ts";
import { hashKey } from "./placement.ts";
import { replayOf } from "./replay.ts";
import { CAP_BELOW_BASE, isCapBelowBase } from "./retry.ts";
import type { BulkFailure } from "./schema/bulk-rpc.ts";
import type { RedriveEdit, Unfit } from "./schema/dead-letters-rpc.ts";
import type { NewTask, TaskChanges } from "./schema/rpc.ts";
import type { TaskRecord } from "./task.ts";

/**
 * @param dead with its payload; `id` is its own
 * @param type as this deployment has it; null: it has no handler for it, and any payload will do
 * @param now Unix ms
 * @returns the task, or a fault with pointers into the edit
 */
export function redriveTask(
  dead: TaskRecord,
  id: TaskId,
  edit: RedriveEdit,
  type: TaskType | null,
  now: number,
): NewTask | Fault {
  const payload = editPayload(dead, edit, type ?? declaredType(dead.type));
  if (typeof payload !== "string") return payload;
  const retry = { ...dead.options?.retry, ...edit.retry };
  if (isCapBelowBase(retry))
    return {
      code: "invalid-request",
      detail: "With what the task says of retry itself, a field is wrong.",
      errors: [{ pointer: "/retry/capMs", detail: CAP_BELOW_BASE }],
    };
  const { partOf } = dead.links ?? {};
  const options = {
    ...dead.options,
    // Its run, or its schedule, waits for this one in its place.
    ...(partOf && { partOf }),
    ...(Object.keys(retry).length > 0 && { retry }),
    ...(edit.timeoutMs !== undefined && { timeoutMs: edit.timeoutMs }),
  };
  const runAt = timeOfEdit(edit, now);
  const changes: TaskChanges = {
    ...(edit.priority !== undefined && { priority: edit.priority }),
    runAt,
    ...(payload !== dead.payload && { payload: { text: payload, version: type?.version ?? dead.version } }),
  };
  return replayOf({ ...dead, options }, id, changes);
}

/** Whether there may be a dead letter that the edit does not fit. */
export function mayFail({ payload, payloadPatch, retry }: RedriveEdit): boolean {
  return payload !== undefined || payloadPatch !== undefined || retry !== undefined;
}

/** As a job tells it: by the first of its places. */
export function failureOf({ seq, fault }: Unfit): BulkFailure {
  const { code, detail, errors } = fault;
  return { seq, code, ...(errors[0] ?? { pointer: "/edit", detail }) };
}

/** JSON text. */
function editPayload({ payload }: TaskRecord, edit: RedriveEdit, type: TaskType): string | Fault {
  const isWhole = edit.payload !== undefined;
  if (!isWhole && edit.payloadPatch === undefined) return payload;
  const edited: unknown = isWhole
    ? JSON.parse(edit.payload ?? "")
    : mergePatch(JSON.parse(payload), JSON.parse(edit.payloadPatch ?? ""));
  const text = checkPayload(edited, type);
  return typeof text === "string" ? text : under(isWhole ? "/payload" : "/payloadPatch", text);
}

/** When the new task is to run (Unix ms); null: at once. @param now when it is made */
export function timeOfEdit({ delayMs, runAt }: RedriveEdit, now: number): number | null {
  const at = delayMs === undefined ? (runAt ?? null) : now + delayMs;
  return at !== null && at > now ? at : null;
}

/** Tells one edit from another, whatever the order of a payload's fields; null: nothing is edited. */
export function editMark(edit: RedriveEdit | undefined): string | null {
  if (edit === undefined || Object.keys(edit).length === 0) return null;
  const { payload, payloadPatch, ...rest } = edit;
  const parsed = [payload, payloadPatch].map((text) => (text === undefined ? [] : [JSON.parse(text) as unknown]));
  return hashKey(canonicalJson([rest, ...parsed]))
    .toString(16)
    .padStart(8, "0");
}

/** The cause in the old task's timeline. @param mark of the edit, see {@link editMark} */
export function redriveCause(by: TaskId, mark: string | null): string {
  return mark === null ? `redriven as ${by}` : `redriven as ${by}, edited (${mark})`;
}

const REDRIVEN = /^redriven as (\S+?)(?:, edited \(([0-9a-f]{8})\))?$/;

export interface Redriven {
  /** What it has become. */
  readonly id: TaskId;
  /** Unix ms. */
  readonly at: number;
  /** Of the edit that it was redriven with. */
  readonly mark: string | null;
}

/** What a task was redriven as; null where it was not. A replay is none: it may come after the redrive, or before. */
export function redrivenAs({ moves }: Pick<TaskRecord, "moves">): Redriven | null {
  for (const [, at, cause] of moves.toReversed()) {
    const [, id, mark = null] = REDRIVEN.exec(cause) ?? [];
    if (id !== undefined) return { id: id as TaskId, at, mark };
  }
  return null;
}

/** JSON Merge Patch (RFC 7396): null takes a field away, an object is merged, anything else stands in its place. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch))
    if (value === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), value));
  return Object.fromEntries(merged);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
