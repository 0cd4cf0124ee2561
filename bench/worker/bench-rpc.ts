/** What the bench asks of a shard's object beyond ShardRpc: the floors' methods, work to measure, and its counts. */

import type { Answer, Versioned } from "../../core/schema/answer.ts";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import type { Env, ObjectNamespace } from "../../ports.ts";
import type { Counts } from "./counts.ts";
import type { FillRequest, TurnsRequest } from "./requests.ts";

export interface BenchRpc extends ShardRpc {
  /** Floor 2: nothing at all. */
  empty(request: Versioned): Promise<Answer<object>>;
  /** Floor 3: one row of a two-column table, written by itself. */
  insert(request: Versioned & { readonly text: string }): Promise<Answer<object>>;
  /** Submits by the object's own `submit`, 1,000 a call. */
  fill(request: FillRequest): Promise<Answer<{ readonly accepted: number }>>;
  /** One phase of a session's life; the asker holds the watch. */
  takeTurns(request: TurnsRequest): Promise<Answer<{ readonly tasks: number }>>;
  /** Starts to count, at zero. */
  startCounting(request: Versioned): Promise<Answer<object>>;
  counted(request: Versioned): Promise<Answer<{ readonly counts: Counts }>>;
}

export interface BenchEnv extends Env {
  readonly QUEUE_SHARD: ObjectNamespace<BenchRpc>;
}
