/** How a shard is asked for what changes: by the streams of one task's events, and by live feeds, for many tasks at once. */
import type { Seq } from "../ids.ts";
import type { TaskRecord } from "../task.ts";
import type { Answer, Versioned } from "./answer.ts";

/** The most tasks that one call watches. */
export const MAX_WATCHED = 1_000;

export interface WatchRequest extends Versioned {
  /** Each task with the mark (core/mark.ts) of how the caller knows it; null: it knows nothing yet. */
  readonly seen: readonly (readonly [Seq, string | null])[];
  /** How long the question may stay open while all stand as they were seen. */
  readonly waitMs: number;
}

export interface Changed {
  readonly seq: Seq;
  /** Without payload and result; null: the shard does not hold it (any more). */
  readonly task: TaskRecord | null;
}

export type WatchAnswer = Answer<{
  /** Those that stand otherwise than they were seen; at most a hundred, the others with the next call. */
  readonly changed: readonly Changed[];
  /** The service stops: whoever watches is to come again later. */
  readonly stopping: boolean;
}>;

export interface WatchRpc {
  watch(request: WatchRequest): Promise<WatchAnswer>;
}
