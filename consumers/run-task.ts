/**
 * Runs one claimed task and says how it ended. Whatever the handler does (throws, hangs, answers what is no JSON), there
 * is exactly one outcome, in time, and nothing that comes later counts. Only code that never gives the thread back
 * cannot be timed out here: the runtime's CPU limit ends that, and the shard sees a crash.
 */
import type { EndCode } from "../core/errors.ts";
import { type Seq, type ShardAddress, taskId } from "../core/ids.ts";
import { pointerOf } from "../core/json.ts";
import { CANCEL_GRACE_MS } from "../core/lease.ts";
import type { Ports } from "../core/ports.ts";
import type { ClaimedTask, Outcome } from "../core/schema/session-rpc.ts";
import type { SpawnedTask } from "../core/schema/workflow.ts";
import { describeEnd, describeError } from "./describe-error.ts";
import { encodeResult } from "./encode-result.ts";
import type { Registry } from "./handlers/compose.ts";
import type { Handler, HandlerEnv, LogSink } from "./handlers/define.ts";
import { isNonRetryable, RetryLater } from "./handlers/errors.ts";
import { Spawning } from "./spawn.ts";
import { createContext, type LiveContext } from "./task-context.ts";

/**
 * Why a task is to end before its handler does. `cancelled`: a user asked for it. `returned`: its worker has to stop,
 * or the task is no longer its own; it is handed back at once, and no attempt is spent.
 */
export type StopCause = "cancelled" | "returned";

export interface RunDeps {
  readonly registry: Registry;
  /** Whose task it is; the idempotency key is made of it. */
  readonly address: ShardAddress;
  readonly ports: Pick<Ports, "now" | "later">;
  readonly env: HandlerEnv;
  readonly log: LogSink;
  /** JSON text of a Progress; only while the task runs. */
  readonly onProgress: (seq: Seq, text: string) => void;
}

export interface RunningTask {
  /** Never rejects. */
  readonly outcome: Promise<Outcome>;
  /** Aborts the handler's signal; see {@link StopCause}. Without effect once the task has ended. */
  stop(cause: StopCause): void;
}

/** Runs a task that need not be stopped from outside. */
export function runTask(claim: ClaimedTask, deps: RunDeps): Promise<Outcome> {
  return startTask(claim, deps).outcome;
}

/**
 * Begins a claimed task; its time runs from now. A type or version that this registry does not have is handed back:
 * workers claim only what they told that they know, so it is another deploy's.
 */
export function startTask(claim: ClaimedTask, deps: RunDeps): RunningTask {
  const attempt = new RunningAttempt(claim, deps);
  attempt.begin();
  return attempt;
}

type Ending =
  | { readonly kind: "succeeded"; readonly result: string; readonly spawned?: string }
  | { readonly kind: "failed"; readonly error: ReturnType<typeof describeEnd>; readonly retryable: boolean }
  | { readonly kind: "snoozed"; readonly delayMs: number }
  | { readonly kind: "returned" }
  | { readonly kind: "cancelled"; readonly error: ReturnType<typeof describeEnd> };

class RunningAttempt implements RunningTask {
  readonly outcome: Promise<Outcome>;
  readonly #claim: ClaimedTask;
  readonly #deps: RunDeps;
  readonly #startedAt: number;
  readonly #live: LiveContext;
  readonly #resolve: (outcome: Outcome) => void;
  #ended = false;
  #cancelled = false;
  #clearTimer: (() => void) | null = null;
  #spawning: Spawning | null = null;

  constructor(claim: ClaimedTask, deps: RunDeps) {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.outcome = promise;
    this.#resolve = resolve;
    this.#claim = claim;
    this.#deps = deps;
    this.#startedAt = deps.ports.now();
    const id = taskId(deps.address, claim.seq);
    this.#live = createContext({
      taskId: id,
      idempotencyKey: `${deps.address.tenant}:${id}`,
      attempt: claim.attempt,
      workflow: claim.workflow ?? null,
      onSpawn: (task) => this.#spawn(task),
      env: deps.env,
      log: deps.log,
      onProgress: (text) => deps.onProgress(claim.seq, text),
    });
  }

  begin(): void {
    const handler = this.#deps.registry.get(this.#claim.type);
    if (!handler || handler.version < this.#claim.version) {
      this.#live.ctx.log.error("handed back: no handler here", {
        type: this.#claim.type,
        version: this.#claim.version,
      });
      this.#end({ kind: "returned" });
      return;
    }
    const payload = readPayload(handler, this.#claim);
    if (!payload.ok) {
      this.#fail("payload-invalid", "PayloadInvalid", payload.message, false);
      return;
    }
    try {
      const answer = handler.run(payload.value, this.#live.ctx);
      if (isThenable(answer)) this.#await(answer);
      else this.#succeed(answer);
    } catch (error) {
      this.#thrown(error);
    }
  }

  stop(cause: StopCause): void {
    if (this.#ended || (this.#cancelled && cause === "cancelled")) return;
    this.#live.abort(new DOMException(`the task is to stop: ${cause}`, "AbortError"));
    if (cause === "returned") {
      this.#end({ kind: "returned" });
      return;
    }
    this.#cancelled = true;
    this.#setTimer(CANCEL_GRACE_MS, () => this.#endUnstopped());
  }

  #endUnstopped(): void {
    const message = `did not stop within ${CANCEL_GRACE_MS} ms`;
    this.#end({ kind: "cancelled", error: describeEnd("cancelled", "Cancelled", message) });
  }

  #await(answer: PromiseLike<unknown>): void {
    // Both ways are taken here, for good: what a handler answers or throws after its time is heard and dropped.
    answer.then(
      (value) => this.#succeed(value),
      (error) => this.#thrown(error),
    );
    // A handler that had nothing to wait for ends before this microtask, and no timer was needed.
    queueMicrotask(() => {
      if (!this.#ended && !this.#clearTimer) this.#setTimer(this.#claim.timeoutMs, () => this.#timeOut());
    });
  }

  #spawn(task: SpawnedTask): void {
    this.#spawning ??= new Spawning(this.#deps.registry, this.#deps.ports);
    this.#spawning.add(task);
  }

  #timeOut(): void {
    const message = `did not end within ${this.#claim.timeoutMs} ms`;
    this.#live.abort(new DOMException(message, "TimeoutError"));
    this.#fail("timeout", "TimeoutError", message, true);
  }

  #succeed(value: unknown): void {
    if (this.#ended) return;
    const encoded = encodeResult(value);
    const spawned = this.#spawning?.text ?? null;
    if (encoded.ok) this.#end({ kind: "succeeded", result: encoded.text, ...(spawned !== null && { spawned }) });
    else this.#fail(encoded.code, "ResultUnfit", encoded.message, false);
  }

  #thrown(error: unknown): void {
    if (this.#ended) return;
    if (this.#cancelled) this.#end({ kind: "cancelled", error: describeError(error, "cancelled") });
    else if (error instanceof RetryLater) this.#end({ kind: "snoozed", delayMs: error.delayMs });
    else this.#end({ kind: "failed", error: describeError(error, "handler-error"), retryable: !isNonRetryable(error) });
  }

  #fail(code: EndCode, name: string, message: string, retryable: boolean): void {
    if (!this.#ended) this.#end({ kind: "failed", error: describeEnd(code, name, message), retryable });
  }

  #setTimer(ms: number, run: () => void): void {
    this.#clearTimer?.();
    this.#clearTimer = this.#deps.ports.later(ms, run);
  }

  #end(ending: Ending): void {
    this.#ended = true;
    this.#clearTimer?.();
    this.#live.end();
    const { seq, attempt } = this.#claim;
    this.#resolve({ seq, attempt, startedAt: this.#startedAt, endedAt: this.#deps.ports.now(), ...ending });
  }
}

type ReadPayload = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string };

/** The payload as the handler's version has it; one of an older version is upgraded first. */
function readPayload(handler: Handler, { payload, version }: ClaimedTask): ReadPayload {
  try {
    const told: unknown = JSON.parse(payload);
    const isOlder = version < handler.version && handler.upgrade !== undefined;
    const parsed = handler.payload.safeParse(isOlder ? handler.upgrade?.(told, version) : told);
    if (parsed.success) return { ok: true, value: parsed.data };
    const issues = parsed.error.issues
      .slice(0, 5)
      .map((issue) => `${pointerOf(issue.path) || "payload"}: ${issue.message}`);
    return { ok: false, message: issues.join("; ") };
  } catch (error) {
    return {
      ok: false,
      message: `the payload of version ${version} could not be read: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
