/** What a portion of a job has done, of whatever kind it is. */
import type { BulkPortion } from "../../../core/schema/bulk-rpc.ts";
import type { TaskRecord } from "../../../core/task.ts";
import type { Session } from "../memory.ts";

/** What a portion is, and what is to be told once it is on disk. */
export interface PortionWork {
  readonly portion: BulkPortion;
  readonly ended: readonly TaskRecord[];
  readonly asked: readonly Session[];
}

export const NOTHING_LEFT: BulkPortion = {
  done: 0,
  stopping: 0,
  failed: 0,
  failures: [],
  after: null,
  more: false,
  refusal: null,
};
