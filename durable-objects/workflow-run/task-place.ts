/**
 * Where the task of a node is. A change is another value: whoever awaited something compares, and has nothing to do where
 * it is not the one that was there before (a retry, a cancellation, an end came meanwhile).
 */
import { type Seq, type TaskId, taskId } from "../../core/ids.ts";
import type { RunNode } from "./node-rows.ts";

export type TaskPlace =
  /** There is none, and none was sent. */
  | { readonly is: "nowhere" }
  /** In that portion, which was not answered. */
  | { readonly is: "sent"; readonly portion: number }
  /** At its shard: it waits there; it may run, runs, or has ended; the shard is still to hear that it ends. */
  | { readonly is: "blocked" | "released" | "ending"; readonly seq: Seq };

export const NOWHERE: TaskPlace = { is: "nowhere" };

type Placed = Pick<RunNode, "at" | "task">;

/** null: it has no task, or it is not known which one. */
export function seqOf({ task }: Pick<RunNode, "task">): Seq | null {
  return "seq" in task ? task.seq : null;
}

/** As {@link seqOf}. */
export function taskIdOf({ at, task }: Placed): TaskId | null {
  return at && "seq" in task ? taskId(at, task.seq) : null;
}

/** Whether what becomes of its task is to be heard from its shard first: a portion's answer, or that it knows of an end. */
export function isUnderWay({ task }: Pick<RunNode, "task">): boolean {
  return task.is === "sent" || task.is === "ending";
}

/** Where it is once it is to end without a run, or to stop: its shard is told, if it has it; if it is sent, with its answer. */
export function toEnd(task: TaskPlace): TaskPlace {
  return "seq" in task ? { is: "ending", seq: task.seq } : task;
}

/** How rows keep it. */
export interface TaskColumns {
  seq: Seq | null;
  /** 0: nowhere. 1: it waits there. 2: it may run. */
  placed: number;
  portion: number | null;
  to_end: number;
}

export function placeOf({ seq, placed, portion, to_end }: TaskColumns): TaskPlace {
  if (portion !== null) return { is: "sent", portion };
  if (seq === null) return NOWHERE;
  if (to_end === 1) return { is: "ending", seq };
  return { is: placed === 1 ? "blocked" : "released", seq };
}

export function columnsOf(task: TaskPlace): TaskColumns {
  if (task.is === "nowhere") return { seq: null, placed: 0, portion: null, to_end: 0 };
  if (task.is === "sent") return { seq: null, placed: 0, portion: task.portion, to_end: 0 };
  return { seq: task.seq, placed: task.is === "blocked" ? 1 : 2, portion: null, to_end: task.is === "ending" ? 1 : 0 };
}
