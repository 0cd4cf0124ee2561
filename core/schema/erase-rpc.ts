/** What a shard is asked where the data of a finished task is to go. */
import type { Seq } from "../ids.ts";
import type { TaskRecord } from "../task.ts";
import type { Answer, Versioned } from "./answer.ts";

export interface EraseRequest extends Versioned {
  readonly seq: Seq;
  /** Refused as `rev-mismatch` where the task has another revision; absent or null: whichever it has. */
  readonly rev?: number | null;
}

export type EraseAnswer = Answer<{
  /** What the shard had of it, without its data; null: it had nothing, so history has it, or nobody. */
  readonly task: Pick<TaskRecord, "seq" | "status" | "createdAt" | "endedAt"> | null;
}>;

export interface EraseRpc {
  /** The task has ended, or it is refused as `task-unfinished`. Safe to repeat. */
  erase(request: EraseRequest): Promise<EraseAnswer>;
}
