/** What the bench asks of a shard's object beyond ShardRpc: the floors' methods, work to measure, and its counts. */
import type { Answer, ShardRpc, Versioned } from "../../core/schema/rpc.ts";
import type { Env, ObjectNamespace } from "../../ports.ts";
import type { Counts } from "./counts.ts";

export interface FillRequest extends Versioned {
  readonly count: number;
  readonly type: string;
  readonly priority: number;
  readonly payload: string;
}

export interface ClaimsRequest extends Versioned {
  /** The only type that the session can run. */
  readonly type: string;
  readonly turns: number;
  readonly size: number;
}

export interface BenchRpc extends ShardRpc {
  /** Floor 2: nothing at all. */
  empty(request: Versioned): Promise<Answer<object>>;
  /** Floor 3: one row of a two-column table, written by itself. */
  insert(request: Versioned & { readonly text: string }): Promise<Answer<object>>;
  /** Submits by the object's own `submit`, 1,000 a call. */
  fill(request: FillRequest): Promise<Answer<{ readonly accepted: number }>>;
  /**
   * Opens a session and takes turns that claim `size` tasks; each claim is settled by a turn of its own.
   * @returns ms of each claim, and of each settling turn
   */
  timeClaims(
    request: ClaimsRequest,
  ): Promise<Answer<{ readonly claims: readonly number[]; readonly settles: readonly number[] }>>;
  /** Starts to count, at zero. */
  startCounting(request: Versioned): Promise<Answer<object>>;
  counted(request: Versioned): Promise<Answer<{ readonly counts: Counts }>>;
}

export interface BenchEnv extends Env {
  readonly QUEUE_SHARD: ObjectNamespace<BenchRpc>;
}
