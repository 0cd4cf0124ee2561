/** Runs handlers through run-task with a hand-driven clock, and keeps what they logged and told. */

import { composeRegistry } from "../../../consumers/handlers/compose.ts";
import type { Handler, HandlerEnv, LogFields } from "../../../consumers/handlers/define.ts";
import { type RunDeps, type RunningTask, startTask } from "../../../consumers/run-task.ts";
import type { AttemptError } from "../../../core/errors.ts";
import { DEFAULT_QUEUE, DEFAULT_TENANT, type Seq, seqAt } from "../../../core/ids.ts";
import type { ClaimedTask, Outcome } from "../../../core/schema/session-rpc.ts";
import { HandClock } from "./hand-clock.ts";

export interface TaskBench {
  readonly clock: HandClock;
  readonly logs: { level: string; message: string; fields: LogFields }[];
  readonly progress: [Seq, string][];
  start(payload: unknown, claim?: Partial<ClaimedTask>): RunningTask;
  run(payload: unknown, claim?: Partial<ClaimedTask>): Promise<Outcome>;
}

export function taskBench(handler: Handler, env: HandlerEnv = {}): TaskBench {
  const clock = new HandClock();
  const logs: TaskBench["logs"] = [];
  const progress: TaskBench["progress"] = [];
  const deps: RunDeps = {
    registry: composeRegistry([handler]),
    address: { tenant: DEFAULT_TENANT, queue: DEFAULT_QUEUE, shard: 0 },
    ports: clock,
    env,
    log: (level, message, fields) => logs.push({ level, message, fields }),
    onProgress: (seq, text) => progress.push([seq, text]),
  };
  const start: TaskBench["start"] = (payload, claim) =>
    startTask(
      {
        seq: seqAt(clock.now()),
        type: handler.type,
        version: handler.version,
        payload: JSON.stringify(payload) ?? "null",
        attempt: 1,
        timeoutMs: 60_000,
        started: true,
        ...claim,
      },
      deps,
    );
  return { clock, logs, progress, start, run: (payload, claim) => start(payload, claim).outcome };
}

/** The JSON text of a success; anything else fails the test with what it was. */
export function resultOf(outcome: Outcome): string {
  if (outcome.kind !== "succeeded") throw new Error(`expected a success: ${JSON.stringify(outcome)}`);
  return outcome.result;
}

export function failureOf(outcome: Outcome): AttemptError & { retryable: boolean } {
  if (outcome.kind !== "failed") throw new Error(`expected a failure: ${JSON.stringify(outcome)}`);
  return { ...outcome.error, retryable: outcome.retryable };
}
