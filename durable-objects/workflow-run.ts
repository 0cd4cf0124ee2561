/**
 * The Durable Object of one run of a workflow: who waits for whom, and what became of each. A table of contents: each
 * method is an operation in workflow-run/, which also holds the SQL. It calls shards by its alarm alone.
 */
import { DurableObject } from "cloudflare:workers";
import { parseRunName } from "../core/ids.ts";
import { describeThrown } from "../core/log.ts";
import type { Ports } from "../core/ports.ts";
import type { Refusal } from "../core/schema/answer.ts";
import type { WorkflowRpc } from "../core/schema/workflow-rpc.ts";
import { type Env, platformPorts } from "../ports.ts";
import { durableSql } from "./sql/durable.ts";
import { arm } from "./workflow-run/arm.ts";
import { cancel } from "./workflow-run/asked/cancel.ts";
import { create } from "./workflow-run/asked/create.ts";
import { ended } from "./workflow-run/asked/ended.ts";
import { erase } from "./workflow-run/asked/erase.ts";
import { eraseNode } from "./workflow-run/asked/erase-node.ts";
import { read } from "./workflow-run/asked/read.ts";
import { readNode } from "./workflow-run/asked/read-node.ts";
import { retry } from "./workflow-run/asked/retry.ts";
import { signal } from "./workflow-run/asked/signal.ts";
import { Run, refuse } from "./workflow-run/run.ts";
import { work } from "./workflow-run/work.ts";

const ALARM_AGAIN_MS = 1_000;

type Request<Method extends keyof WorkflowRpc> = Parameters<WorkflowRpc[Method]>[0];

export class WorkflowRun extends DurableObject<Env> implements WorkflowRpc {
  readonly #run: Run;

  constructor(ctx: DurableObjectState, env: Env, ports: Ports = platformPorts(env)) {
    super(ctx, env);
    const { tenant, run } = parseRunName(ctx.id.name);
    const failed = (error: unknown) =>
      ports.log("error", "workflow-background-failed", { run, detail: describeThrown(error) });
    this.#run = new Run(tenant, run, durableSql(ctx.storage), ports, {
      setAlarm: (at) =>
        ctx.waitUntil(
          ctx.storage.setAlarm(at).catch((error: unknown) => {
            failed(error);
            this.#run.alarmAt = null;
            ports.later(ALARM_AGAIN_MS, () => arm(this.#run, ports.now()));
          }),
        ),
      keepAlive: (background) => ctx.waitUntil(background.catch(failed)),
      async deleteAll() {
        await ctx.storage.deleteAlarm();
        await ctx.storage.deleteAll();
      },
    });
  }

  create(request: Request<"create">) {
    return this.#answer((run) => create(run, request));
  }
  read(request: Request<"read">): ReturnType<WorkflowRpc["read"]> {
    return new Promise((respond) => {
      try {
        read(this.#run, request, respond);
      } catch (error) {
        respond(this.#failed(error));
      }
    });
  }
  readNode(request: Request<"readNode">) {
    return this.#answer((run) => readNode(run, request));
  }
  ended(request: Request<"ended">) {
    return this.#answer((run) => ended(run, request));
  }
  signal(request: Request<"signal">) {
    return this.#answer((run) => signal(run, request));
  }
  cancel(request: Request<"cancel">) {
    return this.#answer((run) => cancel(run, request));
  }
  retry(request: Request<"retry">) {
    return this.#answer((run) => retry(run, request));
  }
  eraseNode(request: Request<"eraseNode">) {
    return this.#answer((run) => eraseNode(run, request));
  }
  erase(request: Request<"erase">) {
    return this.#answer((run) => erase(run, request));
  }

  override async alarm(): Promise<void> {
    await work(this.#run);
  }

  /** Answers are values: what throws is told as `internal`, and memory is built anew. */
  async #answer<T>(operation: (run: Run) => T | Promise<T>): Promise<T | Refusal> {
    try {
      return await operation(this.#run);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): Refusal {
    const detail = describeThrown(error);
    this.#run.reload();
    this.#run.log("error", "workflow-failed", { run: this.#run.id, detail });
    return refuse("internal", detail);
  }
}
