/**
 * The Directory of a tenant (or `_root`): its queues, routes, schedules, webhooks and operator events. A table of contents: each
 * operation is a file of directory/, with its SQL on top.
 */
import { DurableObject } from "cloudflare:workers";
import { describeThrown } from "../core/log.ts";
import type { Ports } from "../core/ports.ts";
import type { DirectoryRpc } from "../core/schema/directory-rpc.ts";
import { cpuMsOf } from "../core/schema/env.ts";
import { type Env, platformPorts } from "../ports.ts";
import { checkAlarm } from "./directory/arm.ts";
import { drain } from "./directory/drain.ts";
import { fireEnded } from "./directory/fires/end-fires.ts";
import { cancelJob, getJob, listJobs, startJob } from "./directory/jobs/jobs.ts";
import { lookup } from "./directory/lookup.ts";
import { changeQueue, controlQueue } from "./directory/queues/change-queue.ts";
import { deleteQueue } from "./directory/queues/delete-queue.ts";
import { listQueues, shortLeases } from "./directory/queues/list-queues.ts";
import { listTenants, registerTenant } from "./directory/register-tenant.ts";
import { events, report } from "./directory/report.ts";
import { deleteRoute } from "./directory/routes/delete-route.ts";
import { listRoutes } from "./directory/routes/list-routes.ts";
import { patchRoute, putRoute } from "./directory/routes/put-route.ts";
import { onAlarm } from "./directory/run-due.ts";
import { deleteSchedule } from "./directory/schedules/delete-schedule.ts";
import { getSchedule, listFires, listSchedules, previewSchedule } from "./directory/schedules/read-schedules.ts";
import { runSchedule } from "./directory/schedules/run-schedule.ts";
import { createSchedule, patchSchedule, pauseSchedule, putSchedule } from "./directory/schedules/save-schedule.ts";
import { DirectoryState } from "./directory/state.ts";
import { tick } from "./directory/tick.ts";
import { getWebhook, listWebhooks } from "./directory/webhooks/read-webhooks.ts";
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  webhookGone,
  webhookSecrets,
} from "./directory/webhooks/save-webhook.ts";
import { durableSql } from "./sql/durable.ts";

type Request<Method extends keyof DirectoryRpc> = Parameters<DirectoryRpc[Method]>[0];

export class Directory extends DurableObject<Env> implements DirectoryRpc {
  readonly #state: DirectoryState;

  /** Tests subclass it with other ports. */
  constructor(ctx: DurableObjectState, env: Env, ports: Ports = platformPorts(env)) {
    super(ctx, env);
    const { name } = ctx.id;
    if (name === undefined) throw new Error("a Directory is reached by its tenant's name");
    const failed = (error: unknown) =>
      ports.log("error", "directory-background-failed", { directory: name, detail: describeThrown(error) });
    this.#state = new DirectoryState(name, durableSql(ctx.storage), ports, {
      setAlarm: (at) => ctx.waitUntil(ctx.storage.setAlarm(at).catch(failed)),
      cpuMs: cpuMsOf(env),
      getAlarm: () => ctx.storage.getAlarm(),
      keepAlive: (work) => ctx.waitUntil(work.catch(failed)),
    });
    void ctx.blockConcurrencyWhile(() => checkAlarm(this.#state));
  }

  override async alarm(): Promise<void> {
    onAlarm(this.#state);
  }

  // Queues and routing
  lookup(request: Request<"lookup">) {
    return lookup(this.#state, request);
  }
  listQueues(_request: Request<"listQueues">) {
    return listQueues(this.#state);
  }
  shortLeases(request: Request<"shortLeases">) {
    return shortLeases(this.#state, request);
  }
  changeQueue(request: Request<"changeQueue">) {
    return changeQueue(this.#state, request);
  }
  controlQueue(request: Request<"controlQueue">) {
    return controlQueue(this.#state, request);
  }
  deleteQueue(request: Request<"deleteQueue">) {
    return deleteQueue(this.#state, request);
  }
  listRoutes(_request: Request<"listRoutes">) {
    return listRoutes(this.#state);
  }
  putRoute(request: Request<"putRoute">) {
    return putRoute(this.#state, request);
  }
  patchRoute(request: Request<"patchRoute">) {
    return patchRoute(this.#state, request);
  }
  deleteRoute(request: Request<"deleteRoute">) {
    return deleteRoute(this.#state, request);
  }

  // Schedules
  createSchedule(request: Request<"createSchedule">) {
    return createSchedule(this.#state, request);
  }
  putSchedule(request: Request<"putSchedule">) {
    return putSchedule(this.#state, request);
  }
  patchSchedule(request: Request<"patchSchedule">) {
    return patchSchedule(this.#state, request);
  }
  getSchedule(request: Request<"getSchedule">) {
    return getSchedule(this.#state, request);
  }
  listSchedules(request: Request<"listSchedules">) {
    return listSchedules(this.#state, request);
  }
  deleteSchedule(request: Request<"deleteSchedule">) {
    return deleteSchedule(this.#state, request);
  }
  pauseSchedule(request: Request<"pauseSchedule">) {
    return pauseSchedule(this.#state, request);
  }
  runSchedule(request: Request<"runSchedule">) {
    return runSchedule(this.#state, request);
  }
  previewSchedule(request: Request<"previewSchedule">) {
    return previewSchedule(this.#state, request);
  }
  listFires(request: Request<"listFires">) {
    return listFires(this.#state, request);
  }
  fireEnded(request: Request<"fireEnded">) {
    return fireEnded(this.#state, request);
  }

  // Jobs over many tasks
  startJob(request: Request<"startJob">) {
    return startJob(this.#state, request);
  }
  getJob(request: Request<"getJob">) {
    return getJob(this.#state, request);
  }
  listJobs(request: Request<"listJobs">) {
    return listJobs(this.#state, request);
  }
  cancelJob(request: Request<"cancelJob">) {
    return cancelJob(this.#state, request);
  }

  // Webhooks
  createWebhook(request: Request<"createWebhook">) {
    return createWebhook(this.#state, request);
  }
  getWebhook(request: Request<"getWebhook">) {
    return getWebhook(this.#state, request);
  }
  listWebhooks(request: Request<"listWebhooks">) {
    return listWebhooks(this.#state, request);
  }
  changeWebhook(request: Request<"changeWebhook">) {
    return changeWebhook(this.#state, request);
  }
  deleteWebhook(request: Request<"deleteWebhook">) {
    return deleteWebhook(this.#state, request);
  }
  webhookGone(request: Request<"webhookGone">) {
    return webhookGone(this.#state, request);
  }
  webhookSecrets(request: Request<"webhookSecrets">) {
    return webhookSecrets(this.#state, request);
  }

  // The whole: watchdog, shutdown, tenants, events
  tick(_request: Request<"tick">) {
    return tick(this.#state);
  }
  drain(_request: Request<"drain">) {
    return drain(this.#state);
  }
  registerTenant(request: Request<"registerTenant">) {
    return registerTenant(this.#state, request);
  }
  listTenants(_request: Request<"listTenants">) {
    return listTenants(this.#state);
  }
  report(request: Request<"report">) {
    return report(this.#state, request);
  }
  events(request: Request<"events">) {
    return events(this.#state, request);
  }
}
