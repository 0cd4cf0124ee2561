/**
 * What every route is handed: the ports, the task types, what the deployment was told, and what the isolate remembers
 * of queues. One an isolate, made at its first request. It keeps values only: a promise of one request that another
 * awaits is refused by the runtime (PLATFORM, 1).
 */
import type { Context } from "hono";
import type { Handler } from "../consumers/handlers/define.ts";
import type { ErrorCode } from "../core/errors.ts";
import { DEFAULT_TENANT, type TaskId, type TenantName } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { handledType, type TaskType } from "../core/make-task.ts";
import type { Ports } from "../core/ports.ts";
import { type CheckedEnv, checkEnv } from "../core/schema/env.ts";
import { KnownQueues } from "../reads/known-queues.ts";

export interface Door {
  readonly ports: Ports;
  readonly env: CheckedEnv;
  readonly handlers: ReadonlyMap<string, Handler>;
  /** The handlers' types, laid out for submissions. */
  readonly types: ReadonlyMap<string, TaskType>;
  readonly known: KnownQueues;
  readonly log: Log;
}

/** One request: what its answer and its log line are made of. It is Hono's `c.env`. */
export interface Invocation {
  readonly requestId: string;
  /** Until keys name tenants (issue 4), `default`. */
  readonly tenant: TenantName;
  /** Unix ms. */
  readonly startedAt: number;
  /** Tasks that the request named or made, the first few. */
  readonly taskIds: TaskId[];
  /** Of the problem that was answered. */
  code: ErrorCode | null;
  /** What was thrown, where nobody expected it; for the log alone. */
  thrown: unknown;
}

export interface DoorBindings {
  Bindings: Invocation;
}
export type Ctx = Context<DoorBindings>;
export type Route = (door: Door, c: Ctx) => Response | Promise<Response>;

export interface DoorParts {
  readonly ports: Ports;
  readonly registry: ReadonlyMap<string, Handler>;
  /** Vars and bindings, as the runtime hands them over. */
  readonly env: object;
}

export function createDoor({ ports, registry, env }: DoorParts): Door {
  const checked = checkEnv(env);
  const { log } = ports;
  for (const { name, detail, remedy, fatal } of checked.faults)
    log(fatal ? "error" : "warn", "misconfigured", { name, detail, remedy });
  return {
    ports,
    env: checked,
    handlers: registry,
    types: new Map(Array.from(registry, ([type, handler]) => [type, handledType(handler)])),
    known: new KnownQueues(ports, DEFAULT_TENANT, log),
    log,
  };
}

/** The most task ids that a log line carries. */
export const LOGGED_TASKS = 3;

/** Notes a task for the request's log line. */
export function noteTask(c: Ctx, id: TaskId): void {
  const { taskIds } = c.env;
  if (taskIds.length < LOGGED_TASKS) taskIds.push(id);
}
