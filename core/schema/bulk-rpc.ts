/**
 * Jobs that do one thing to many tasks of a queue: what a shard is asked, a portion a call, and what the Directory is,
 * which owns the jobs and works them off. Times are Unix ms.
 */
import type { ErrorCode } from "../errors.ts";
import type { QueueName, Seq, TaskId } from "../ids.ts";
import type { UnfinishedStatus } from "../status.ts";
import type { Answer, Keyed, Replayed, Versioned } from "./answer.ts";
import type { DeadFilter, RedriveEdit } from "./dead-letters-rpc.ts";
import type { RateSetting } from "./queue-settings.ts";

/** Which unfinished tasks; what is not named is not looked at. */
export interface LiveFilter {
  readonly seqs?: readonly Seq[];
  readonly status?: readonly UnfinishedStatus[];
  readonly type?: string;
  readonly tag?: string;
  readonly limitKey?: string;
  readonly fairnessKey?: string;
  /** Submitted then or later. */
  readonly submittedAfter?: number;
  /** Submitted before that. */
  readonly submittedBefore?: number;
}

/** What is done, and to which tasks. */
export type BulkWork =
  | { readonly action: "cancel"; readonly filter: LiveFilter }
  | { readonly action: "discard"; readonly filter: DeadFilter }
  | { readonly action: "redrive"; readonly filter: DeadFilter; readonly edit?: RedriveEdit };
export type BulkAction = BulkWork["action"];

/** Where a walk over a shard's tasks is: of dead letters by the time of their end, then by seq; of others by seq alone. */
export interface BulkPlace {
  readonly endedAt: number;
  readonly seq: number;
}

export interface CountBulkRequest extends Versioned {
  readonly work: BulkWork;
  /** Only what had ended, or was submitted, by then; null: by now. */
  readonly asOf: number | null;
  /** Somebody may come back with that `asOf`, and means what is counted now. */
  readonly isDryRun?: boolean;
  /** As in {@link BulkRequest}; absent: whichever the queue is. */
  readonly generation?: number;
}
export type CountBulkAnswer = Answer<{
  readonly matched: number;
  /** What comes beyond it is not meant: the last seq there is, or the last moment of an end. */
  readonly upTo: number;
}>;

export interface BulkRequest extends Versioned {
  /** Names the job; with `portion` (1, 2, 3 …) the call: the same again gets the answer that it got. */
  readonly job: string;
  readonly portion: number;
  /** Of the queue when the job began. What a shard holds of an earlier one is not meant, of a later one neither. */
  readonly generation: number;
  readonly work: BulkWork;
  readonly asOf: number | null;
  readonly upTo: number;
  /** null: from the beginning. */
  readonly after: BulkPlace | null;
  /** At most so many tasks. */
  readonly most: number;
}

/** A task to which it could not be done. */
export interface BulkFailure {
  readonly seq: Seq;
  readonly code: ErrorCode;
  /** JSON Pointer into what was asked for, to where it does not fit: `/edit/payload/to`. */
  readonly pointer: string;
  readonly detail: string;
}

export interface BulkPortion {
  readonly done: number;
  /** Of those done: they run, and were asked to stop. */
  readonly stopping: number;
  readonly failed: number;
  /** The first of them. */
  readonly failures: readonly BulkFailure[];
  readonly after: BulkPlace | null;
  /** Whether there may be more after that. */
  readonly more: boolean;
  /** Why it went no further for now. */
  readonly refusal: BulkRefusal | null;
}
export interface BulkRefusal {
  readonly code: ErrorCode;
  readonly detail: string;
}

export interface BulkRpc {
  countBulk(request: CountBulkRequest): Promise<CountBulkAnswer>;
  /** Refused: `stale-turn`, where a later portion of the job was asked for; `queue-unknown`, where the queue is another. */
  bulk(request: BulkRequest): Promise<Answer<BulkPortion>>;
}

// ---------------------------------------------------------------------------------------------- the Directory's

/** What a job is told. `ids` go before what the filter of `work` says of seqs, which is a shard's affair. */
export interface JobDefinition {
  readonly queue: QueueName;
  readonly work: BulkWork;
  readonly ids?: readonly TaskId[];
  readonly asOf: number | null;
  /** Tasks over all of the queue's shards; null: as fast as it goes. */
  readonly rate: RateSetting | null;
}

export type JobStatus = "running" | "waiting" | "done" | "cancelled" | "failed";

export interface JobCounts {
  /** As counted at its start; null: not yet. */
  readonly matched: number | null;
  readonly done: number;
  readonly stopping: number;
  readonly failed: number;
}
export interface JobPart extends JobCounts {
  readonly shard: number;
  readonly ended: boolean;
  readonly refusal: BulkRefusal | null;
}

export interface JobFailure extends Omit<BulkFailure, "seq"> {
  readonly id: TaskId;
}

export interface Job extends Omit<JobDefinition, "ids"> {
  readonly id: string;
  /** How many it was told; null: none, so the filter says which. */
  readonly ids: number | null;
  readonly status: JobStatus;
  readonly parts: readonly JobPart[];
  /** The first hundred. */
  readonly failures: readonly JobFailure[];
  /** Why it failed. */
  readonly refusal: BulkRefusal | null;
  readonly createdAt: number;
  readonly endedAt: number | null;
}

interface ById extends Versioned {
  readonly id: string;
}
type JobAnswer = Answer<{ readonly job: Job }>;

export interface JobRpc {
  /** Refused: `queue-unknown`, `too-many-jobs`. */
  startJob(
    request: Versioned & Keyed & { readonly definition: JobDefinition },
  ): Promise<Answer<{ readonly job: Job } & Replayed>>;
  /** Refused: `job-unknown`. */
  getJob(request: ById): Promise<JobAnswer>;
  /** The newest first; those that have ended are kept for seven days, a hundred at most. */
  /** The newest first. `queue`: of that one alone. */
  listJobs(
    request: Versioned & { readonly queue?: QueueName | null },
  ): Promise<Answer<{ readonly jobs: readonly Job[] }>>;
  /** One that has ended stays as it is. Refused: `job-unknown`. */
  cancelJob(request: ById): Promise<JobAnswer>;
}
