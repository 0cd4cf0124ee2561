/**
 * What crosses to and from the Directory about schedules and tenants; part of `DirectoryRpc`. A payload travels as JSON
 * text that the door has checked against its type. Times are Unix ms.
 */
import type { QueueName, RunId, TaskId, TenantName } from "../ids.ts";
import type { FireStatus, OverlapPolicy } from "../overlap.ts";
import type { MissedPolicy, Timing } from "../schedule.ts";
import type { Answer, Keyed, Replayed, Versioned } from "./answer.ts";

/** What a user says about a schedule. */
export interface ScheduleDefinition {
  /** Each fire is a run: `payload` is the workflow as it was told, and nothing else is said of a task. */
  readonly isWorkflow?: true;
  /** Of a workflow: empty. */
  readonly type: string;
  /** Of the type's handler when the schedule was made. */
  readonly version: number;
  /** JSON text. */
  readonly payload: string;
  /** JSON text of TaskOptions; null where nothing was told. */
  readonly options: string | null;
  readonly priority: number;
  /** null: none; absent (an older door) too. */
  readonly limitKey?: string | null;
  readonly fairnessKey?: string | null;
  /** By so many ms after its submission the task of a fire must have begun; null: whenever that is; absent too. */
  readonly ttlMs?: number | null;
  /** null: where the type is routed when it fires, else `default`. */
  readonly queue: QueueName | null;
  readonly timing: Timing;
  readonly missed: MissedPolicy;
  /** No fire before this; `every` counts from here. Not with `at`. */
  readonly startAt: number | null;
  /** No fire at or after this. Not with `at`. */
  readonly endAt: number | null;
  /** Absent: `allow`. */
  readonly overlap?: OverlapPolicy;
  /** By how much at most a fire is late; null and absent: not at all. */
  readonly jitterSeconds?: number | null;
  /** So many fires in a row that ended FAILED or EXPIRED pause it; null and absent: none do. */
  readonly disableAfter?: number | null;
}

export interface ScheduleRecord extends ScheduleDefinition {
  readonly id: string;
  readonly paused: boolean;
  /** null: paused, or finished (no fire ahead). */
  readonly nextAt: number | null;
  /** The moment that the latest fire stood for, not when it was handed over. */
  readonly lastFireAt: number | null;
  readonly lastTaskId: TaskId | RunId | null;
  /** How the latest fire ended of those that have; null: none has. */
  readonly lastStatus: FireStatus | null;
  /** FAILED or EXPIRED, the latest in a row, since it was last resumed. */
  readonly failuresInRow: number;
  /** Why it is paused, where nobody paused it. */
  readonly stopped: string | null;
  /** Fires that became a task; run-now is not one. */
  readonly fires: number;
  /** Fires that never will: late beyond the policy, or refused until the next one was due. */
  readonly missedCount: number;
  /** Fires that were left out for one that had not ended. */
  readonly skippedCount: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A fire, or several of the same kind that came to nothing at once. */
export interface FireRecord {
  readonly fireAt: number;
  readonly status: FireStatus;
  /** When it was heard that its task was there, or its run. */
  readonly firedAt: number | null;
  readonly made: TaskId | RunId | null;
  readonly endedAt: number | null;
  readonly code: string | null;
  /** SKIPPED and MISSED: how many it stands for; `fireAt` is the oldest of them. */
  readonly count: number;
  /** Why it is not what it was to be. */
  readonly reason: string | null;
}

/** Which are listed; absent and null: whatever it is. */
export interface ScheduleFilter {
  readonly paused?: boolean | null;
  readonly type?: string | null;
}

interface ById extends Versioned {
  readonly id: string;
}

/** Refused everywhere: 404 `schedule-unknown`, 422 `invalid-request` with its `pointer`, 404 `queue-unknown`. */
export interface ScheduleRpc {
  /** `id` null: one is made. 409 `schedule-exists`. */
  createSchedule(
    request: Versioned &
      Keyed & {
        readonly id: string | null;
        readonly definition: ScheduleDefinition;
        readonly paused: boolean;
      },
  ): Promise<Answer<{ readonly schedule: ScheduleRecord } & Replayed>>;
  /** Makes it or replaces all of it but its counts. Timing that stays equal is not begun anew. `paused` null: as it is. */
  putSchedule(
    request: ById & { readonly definition: ScheduleDefinition; readonly paused: boolean | null },
  ): Promise<Answer<{ readonly schedule: ScheduleRecord; readonly created: boolean }>>;
  /** @param request.asOf updatedAt of what the patch was made of: 412 `rev-mismatch` where it is another by now */
  patchSchedule(
    request: ById & {
      readonly patch: Partial<ScheduleDefinition>;
      readonly paused: boolean | null;
      readonly asOf?: number;
    },
  ): Promise<Answer<{ readonly schedule: ScheduleRecord }>>;
  getSchedule(request: ById): Promise<Answer<{ readonly schedule: ScheduleRecord }>>;
  /** By id, at most `limit` (1 to 100) and 8 MiB an answer. `next` null: that was the last. */
  listSchedules(
    request: Versioned & ScheduleFilter & { readonly after: string | null; readonly limit: number },
  ): Promise<Answer<{ readonly schedules: readonly ScheduleRecord[]; readonly next: string | null }>>;
  /** Its fires that wait to be submitted go with it; tasks stay. */
  deleteSchedule(request: ById): Promise<Answer<object>>;
  /** Pausing drops fires that wait; resuming makes up for nothing. 409 `schedule-finished` where none is ahead. */
  pauseSchedule(request: ById & { readonly paused: boolean }): Promise<Answer<{ readonly schedule: ScheduleRecord }>>;
  /**
   * One task more, at once, paused or not; nextAt stays. Refused as the shard refuses it. The same `key` (a caller's
   * Idempotency-Key) within 24 hours tells the same task.
   */
  runSchedule(
    request: ById & { readonly key?: string },
  ): Promise<Answer<{ readonly taskId: TaskId | RunId; readonly replayed?: true }>>;
  /** The newest first; `next`: where the list goes on. Of the latest 100, and what waits. */
  listFires(
    request: ById & { readonly before: number | null; readonly limit: number },
  ): Promise<Answer<{ readonly fires: readonly FireRecord[]; readonly next: number | null }>>;
  /** The next fires, at most `count` (1 to 100), as if it were not paused. */
  previewSchedule(request: ById & { readonly count: number }): Promise<Answer<{ readonly fires: readonly number[] }>>;
}

/** What `_root` alone keeps: which tenants there are. */
export interface TenantRpc {
  /** A tenant's Directory, until it is acked. */
  registerTenant(request: Versioned & { readonly tenant: TenantName }): Promise<Answer<object>>;
  listTenants(request: Versioned): Promise<Answer<{ readonly tenants: readonly TenantName[] }>>;
}
