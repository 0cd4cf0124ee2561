/**
 * What a running handler sees of its attempt. Hot at 40,000 tasks a second: nothing is made that is not asked for (an
 * AbortController costs more than the rest of a small task).
 */
import type { TaskId } from "../core/ids.ts";
import { progressText } from "../core/progress.ts";
import type { SpawnedTask } from "../core/schema/workflow.ts";
import type { HandlerEnv, LogFields, LogLevel, LogSink, TaskContext, TaskLog } from "./handlers/define.ts";
import { NonRetryableError, RetryLater } from "./handlers/errors.ts";

const MAX_RETRY_LATER_S = 365 * 86_400;

export interface AttemptTold {
  readonly taskId: TaskId;
  readonly idempotencyKey: string;
  readonly attempt: number;
  readonly workflow: TaskContext["workflow"];
  readonly env: HandlerEnv;
  readonly log: LogSink;
  readonly onSpawn: (task: SpawnedTask) => void;
  /** JSON text of a Progress. Not called any more once the attempt has ended. */
  readonly onProgress: (text: string) => void;
}

export interface LiveContext {
  readonly ctx: TaskContext;
  /** Aborts `ctx.signal` with that reason, also where it is only asked for afterwards. */
  abort(reason: Error): void;
  /** The attempt has ended: progress told from now on is dropped. */
  end(): void;
}

/** A context for one attempt. */
export function createContext(told: AttemptTold): LiveContext {
  const { taskId, idempotencyKey, attempt, workflow, env } = told;
  let controller: AbortController | null = null;
  let reason: Error | null = null;
  let ended = false;
  let hasWarned = false;
  const logAt = (level: LogLevel) => (message: string, fields?: LogFields) =>
    told.log(level, message, { ...fields, taskId, attempt });
  let log: TaskLog | null = null;

  const ctx: TaskContext = {
    get signal() {
      if (!controller) {
        controller = new AbortController();
        if (reason) controller.abort(reason);
      }
      return controller.signal;
    },
    get log() {
      log ??= { debug: logAt("debug"), info: logAt("info"), warn: logAt("warn"), error: logAt("error") };
      return log;
    },
    attempt,
    taskId,
    idempotencyKey,
    workflow,
    env,
    spawn(task) {
      if (workflow === null) throw new NonRetryableError("spawn: the task is no node of a workflow");
      if (!ended) told.onSpawn(task);
    },
    progress(percent, message) {
      if (ended) return;
      const text = progressText(percent, message);
      if (text !== null) told.onProgress(text);
      else if (!hasWarned) {
        hasWarned = true;
        ctx.log.warn("progress left out", { reason: "percent is no number, or message is no text" });
      }
    },
    retryLater(seconds) {
      if (!(seconds >= 0 && seconds <= MAX_RETRY_LATER_S))
        throw new NonRetryableError(`retryLater takes 0 to ${MAX_RETRY_LATER_S} seconds, not ${seconds}`);
      throw new RetryLater(Math.ceil(seconds * 1_000));
    },
  };

  return {
    ctx,
    abort(because) {
      reason ??= because;
      controller?.abort(reason);
    },
    end() {
      ended = true;
    },
  };
}
