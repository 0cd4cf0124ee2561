/** Handlers that do what their task's script says, and write down that they did. */
import { composeRegistry, type Registry } from "../../consumers/handlers/compose.ts";
import { defineHandler, type Handler, type TaskContext } from "../../consumers/handlers/define.ts";
import { NonRetryableError } from "../../consumers/handlers/errors.ts";
import { parseTaskId, type Seq } from "../../core/ids.ts";
import type { Execution, Stay } from "./model.ts";
import { type Act, actOf, type Script, ScriptSchema } from "./script.ts";

/** What a handler's isolate lets it do. */
export interface Isolate {
  /** Takes the start of a run down; the run's number, 1 for the first. */
  begin(seq: Seq, attempt: number, stay: Stay, script: Script): { execution: Execution; run: number };
  later(ms: number, run: () => void): void;
  /** Kills the isolate, and everything in it. */
  crash(stay: Stay): void;
  /** Nothing in the isolate moves for a while. */
  stall(): void;
}

/** Types and versions; a worker of an older deploy knows the first two, and `fresh` in its first version only. */
export const TYPES = ["quick", "slow", "fresh", "rare"] as const;
export const FRESH_VERSION = 2;

export function scriptedRegistry(isolate: Isolate, stay: Stay, isOldDeploy: boolean): Registry {
  const known = isOldDeploy ? TYPES.slice(0, 3) : TYPES;
  return composeRegistry(known.map((type) => handlerOf(type, isOldDeploy ? 1 : FRESH_VERSION, isolate, stay)));
}

function handlerOf(type: string, freshVersion: number, isolate: Isolate, stay: Stay): Handler {
  return defineHandler({
    type,
    version: type === "fresh" ? freshVersion : 1,
    payload: ScriptSchema,
    run: (script, ctx) => run(script, ctx, isolate, stay),
  });
}

function run(script: Script, ctx: TaskContext, isolate: Isolate, stay: Stay): unknown {
  const seq = parseTaskId(ctx.taskId)?.seq;
  if (seq === undefined) throw new Error(`not a task id: ${ctx.taskId}`);
  const { execution, run } = isolate.begin(seq, ctx.attempt, stay, script);
  const act = actOf(script, run);
  const finish = () => (act === "ok" ? succeed(execution, ctx) : giveUp(act, execution, ctx));
  if (script.ms === 0 && (act === "ok" || act === "fail" || act === "fatal" || act === "snooze")) return finish();
  return new Promise((resolve, reject) => {
    ctx.signal.addEventListener("abort", () => {
      execution.isTold = true;
      const isCancelled = String(ctx.signal.reason).includes("cancelled");
      if (isCancelled && isDeaf(script)) return;
      execution.end ??= "stopped";
      if (isCancelled) reject(ctx.signal.reason);
    });
    if (script.ms > 20) ctx.progress(50, `after ${script.ms / 2} ms`);
    if (act === "hang") return;
    isolate.later(script.ms, () => {
      if (act === "crash") isolate.crash(stay);
      else {
        if (act === "stall") isolate.stall();
        try {
          resolve(finish());
        } catch (error) {
          reject(error);
        }
      }
    });
  });
}

/** Some go on with what they do when they are cancelled. */
function isDeaf({ id }: Script): boolean {
  return id % 3 === 0;
}

function succeed(execution: Execution, ctx: TaskContext): string {
  execution.end ??= "ok";
  execution.result = `${ctx.taskId} ${ctx.attempt} ${execution.stay.worker}`;
  return execution.result;
}

function giveUp(act: Act, execution: Execution, ctx: TaskContext): never {
  execution.end ??= act === "snooze" ? "snoozed" : "failed";
  if (act === "snooze") ctx.retryLater(2);
  if (act === "fatal") throw new NonRetryableError("the script says so, for good");
  throw new Error("the script says so");
}
