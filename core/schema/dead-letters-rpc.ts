/** What a shard is asked about its dead letters: tasks that ended FAILED, kept until discarded, redriven or past retention. */
import type { AttemptError, ErrorCode } from "../errors.ts";
import type { Seq } from "../ids.ts";
import type { Fault } from "../make-task.ts";
import type { RetryPolicy } from "../retry.ts";
import type { TaskRecord } from "../task.ts";
import type { Answer, Versioned } from "./answer.ts";
import type { TaskAnswer } from "./rpc.ts";

/** Which ones; what is not named is not looked at. */
export interface DeadFilter {
  /** This one. */
  readonly seq?: Seq;
  readonly seqs?: readonly Seq[];
  readonly type?: string;
  /** `error.code`. */
  readonly code?: string;
  /** `error.fingerprint`; the code where the error has none. */
  readonly fingerprint?: string;
  /** Stands in the error's message or in the payload's JSON text, whatever the case of ASCII letters. */
  readonly q?: string;
  readonly tag?: string;
  /** Unix ms: ended then or later. */
  readonly from?: number;
  /** Unix ms: ended before that. */
  readonly to?: number;
}

/** A place in the list, which is ordered by the time of the end and then by seq, the newest first. */
export interface DeadPlace {
  /** Unix ms. */
  readonly endedAt: number;
  readonly seq: number;
}

export interface ListDeadRequest extends Versioned {
  readonly filter: DeadFilter;
  /** Those after it; null: from the newest on. */
  readonly after: DeadPlace | null;
  /** At most 100. */
  readonly limit: number;
  /** Payloads too; only of one. */
  readonly texts?: boolean;
}
export type ListDeadAnswer = Answer<{ readonly tasks: readonly TaskRecord[] }>;

/** Dead letters of one type and cause. */
export interface DeadGroup {
  readonly type: string;
  readonly fingerprint: string;
  readonly count: number;
  /** Unix ms of the first and the latest end. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** The latest. */
  readonly example: Seq;
  readonly error: AttemptError;
}
/** A place in the list of groups: the largest first, then by type and cause. */
export interface GroupPlace {
  readonly count: number;
  readonly type: string;
  readonly fingerprint: string;
}

export interface GroupDeadRequest extends Versioned {
  readonly filter: DeadFilter;
  /** Those after it; absent or null: from the largest on. */
  readonly after?: GroupPlace | null;
}
/** The largest 1,000, without stacks; `more`: there are others. */
export type GroupDeadAnswer = Answer<{ readonly groups: readonly DeadGroup[]; readonly more: boolean }>;

export interface DiscardRequest extends Versioned {
  readonly filter: DeadFilter;
  /** Only those that had ended by then (Unix ms). */
  readonly asOf: number;
  /** Counts, and changes nothing. */
  readonly dryRun: boolean;
  /** Where the portion before ended: what a filter passes over is looked at once. Absent: from the oldest on. */
  readonly after?: DeadPlace;
}
export type DiscardAnswer = Answer<{
  readonly count: number;
  /** Whether there may be more than one call takes. */
  readonly more: boolean;
  readonly after?: DeadPlace;
}>;

/** What is to be different of the task that a dead letter becomes; absent: as it was. */
export interface RedriveEdit {
  /** JSON text, in the payload's place. */
  readonly payload?: string;
  /** JSON text of a merge patch (RFC 7396), applied to each payload. */
  readonly payloadPatch?: string;
  readonly priority?: number;
  /** Put off by so many ms; goes before `runAt` (Unix ms). */
  readonly delayMs?: number;
  readonly runAt?: number;
  readonly timeoutMs?: number;
  /** Field by field. */
  readonly retry?: Partial<RetryPolicy>;
}

export interface RedriveRequest extends Versioned {
  readonly seq: Seq;
  readonly edit?: RedriveEdit;
}

/** Which would be redriven; a portion a call, the oldest end first. */
export interface TryRedriveRequest extends Versioned {
  readonly filter: DeadFilter;
  readonly edit?: RedriveEdit;
  /** Only those that had ended by then (Unix ms). */
  readonly asOf: number;
  /** Where the portion before ended. Absent: from the oldest on. */
  readonly after?: DeadPlace;
}
/** A dead letter that its edit does not fit, with pointers into what was asked for. */
export interface Unfit {
  readonly seq: Seq;
  readonly fault: Fault;
}
export type TryRedriveAnswer = Answer<{
  /** Dead letters that were looked at. */
  readonly tried: number;
  readonly failed: number;
  /** The first hundred of those. */
  readonly failures: readonly Unfit[];
  /** Why none of them would be taken now. */
  readonly refusal: { readonly code: ErrorCode; readonly detail: string } | null;
  readonly more: boolean;
  readonly after?: DeadPlace;
}>;

export interface DeadLettersRpc {
  listDead(request: ListDeadRequest): Promise<ListDeadAnswer>;
  groupDead(request: GroupDeadRequest): Promise<GroupDeadAnswer>;
  discardDead(request: DiscardRequest): Promise<DiscardAnswer>;
  /**
   * A dead letter becomes a new task; told is what it was, `links.replayedBy` ending with what it became. The same
   * again tells the same. Refused: `draining`, `queue-full`, `too-many-keys`, `history-backlog`, `webhook-backlog`, and with an edit
   * `payload-invalid`, `payload-too-large`.
   */
  redriveDead(request: RedriveRequest): Promise<TaskAnswer>;
  /** As a redrive, and nothing is written. */
  tryRedrive(request: TryRedriveRequest): Promise<TryRedriveAnswer>;
}
