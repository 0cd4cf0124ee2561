/**
 * Every route on one screen, with the query parameters that it reads, and the headers (`Name:`) that change what it does.
 * What surrounds them (request id, problems, log) is in middleware/serve.ts.
 */
import { Hono } from "hono";
import type { Door, DoorBindings, Route } from "./door.ts";
import { answerUnrouted, onError } from "./middleware/serve.ts";
import { checkHeaders, checkQuery } from "./read/read-query.ts";
import * as bulk from "./routes/bulk.ts";
import { compareTasks } from "./routes/compare.ts";
import { cancelTask, patchTask, runTaskNow } from "./routes/control.ts";
import * as dead from "./routes/dead-letters.ts";
import { deleteTask } from "./routes/delete-task.ts";
import * as deliveries from "./routes/deliveries.ts";
import { explainTask } from "./routes/explain.ts";
import { live, ready, started } from "./routes/health.ts";
import { openLiveFeed } from "./routes/live-feed.ts";
import { nextTasks } from "./routes/next.ts";
import { listOperatorEvents } from "./routes/operator-events.ts";
import { purgeCache } from "./routes/purge-cache.ts";
import { purgeQueue } from "./routes/purge-queue.ts";
import * as queues from "./routes/queues.ts";
import { replayTask } from "./routes/replay.ts";
import * as schedules from "./routes/schedules.ts";
import { submitTasks } from "./routes/submissions.ts";
import { streamTaskEvents } from "./routes/task-events.ts";
import { getResult, getSubmission, getSubmissions, getTimeline } from "./routes/tasks.ts";
import { deleteType, getType, listTypes, patchType, putType } from "./routes/types.ts";
import * as webhooks from "./routes/webhooks.ts";
import * as workflows from "./routes/workflows.ts";

const IF_MATCH = "If-Match:";
const KEY = "Idempotency-Key:";

export function createApp(door: Door): Hono<DoorBindings> {
  const app = new Hono<DoorBindings>();
  const on = (method: string, path: string, route: Route, ...reads: readonly string[]) => {
    const query = reads.filter((name) => !name.endsWith(":"));
    const headers = reads.filter((name) => name.endsWith(":"));
    app.on(method, path, (c) => {
      checkQuery(c, query);
      checkHeaders(c, headers);
      return route(door, c);
    });
  };
  // Whatever a balancer adds to a probe's address, it is answered.
  const probe = (path: string, route: Route) => app.on("GET", path, (c) => route(door, c));

  on("POST", "/tasks/submissions", submitTasks, KEY);
  on("GET", "/tasks/submissions", getSubmissions, "ids", "batch", "wait");
  on("GET", "/tasks/submissions/:id", getSubmission, "wait", "payload");
  on("PATCH", "/tasks/submissions/:id", patchTask, IF_MATCH);
  on("DELETE", "/tasks/submissions/:id", deleteTask, IF_MATCH);
  on("POST", "/tasks/submissions/:id/cancel", cancelTask, IF_MATCH);
  on("POST", "/tasks/submissions/:id/run-now", runTaskNow, IF_MATCH);
  on("POST", "/tasks/submissions/:id/replay", replayTask, KEY);
  on("GET", "/tasks/submissions/:id/timeline", getTimeline);
  on("GET", "/tasks/submissions/:id/events", streamTaskEvents);
  on("GET", "/tasks/submissions/:id/explain", explainTask);
  on("GET", "/tasks/compare", compareTasks, "a", "b");
  on("POST", "/tasks/bulk", bulk.startBulk, KEY);
  on("GET", "/tasks/bulk", bulk.listJobs, "queue");
  on("GET", "/tasks/bulk/:id", bulk.getJob);
  on("POST", "/tasks/bulk/:id/cancel", bulk.cancelJob);
  on("GET", "/tasks/:id", getResult);

  on("GET", "/events", openLiveFeed);

  on("GET", "/queues", queues.listQueues);
  on("GET", "/queues/:queue", queues.getQueue);
  on("PUT", "/queues/:queue", queues.putQueue);
  on("PATCH", "/queues/:queue", queues.patchQueue);
  on("DELETE", "/queues/:queue", queues.deleteQueue, "force");
  on("POST", "/queues/:queue/pause", queues.pauseQueue);
  on("POST", "/queues/:queue/drain", queues.drainQueue);
  on("POST", "/queues/:queue/resume", queues.resumeQueue);
  on("POST", "/queues/:queue/purge", purgeQueue);
  on("GET", "/queues/:queue/next", nextTasks, "n");

  on("GET", "/types", listTypes);
  on("GET", "/types/:type{.+}", getType);
  on("PUT", "/types/:type{.+}", putType);
  on("PATCH", "/types/:type{.+}", patchType);
  on("DELETE", "/types/:type{.+}", deleteType);
  on("POST", "/types/:type{.+}/purge-cache", purgeCache);

  on("GET", "/workflows", workflows.listWorkflows, "status", "name", "limit", "cursor");
  on("POST", "/workflows", workflows.createWorkflow, KEY);
  on("GET", "/workflows/:id", workflows.getWorkflow, "wait", "nodes");
  on("GET", "/workflows/:id/graph", workflows.getGraph, "format");
  on("GET", "/workflows/:id/nodes/:key", workflows.getNode);
  on("POST", "/workflows/:id/cancel", workflows.cancelWorkflow);
  on("POST", "/workflows/:id/retry", workflows.retryWorkflow);
  on("POST", "/workflows/:id/signals/:name", workflows.signalWorkflow);
  on("DELETE", "/workflows/:id", workflows.deleteWorkflow);

  on("GET", "/schedules", schedules.listSchedules, "paused", "type", "limit", "cursor");
  on("POST", "/schedules", schedules.createSchedule, KEY);
  on("GET", "/schedules/:id", schedules.getSchedule);
  on("PUT", "/schedules/:id", schedules.putSchedule);
  on("PATCH", "/schedules/:id", schedules.patchSchedule);
  on("DELETE", "/schedules/:id", schedules.deleteSchedule);
  on("POST", "/schedules/:id/run-now", schedules.runSchedule, KEY);
  on("POST", "/schedules/:id/pause", schedules.pauseSchedule);
  on("POST", "/schedules/:id/resume", schedules.resumeSchedule);
  on("GET", "/schedules/:id/preview", schedules.previewSchedule, "n");
  on("GET", "/schedules/:id/fires", schedules.listFires, "limit", "cursor");

  on("GET", "/dead-letters", dead.listDeadLetters, "queue", ...dead.DEAD_QUERY, "limit", "cursor");
  on("GET", "/dead-letters/groups", dead.groupDeadLetters, "queue", ...dead.DEAD_QUERY, "limit", "cursor");
  on("POST", "/dead-letters/discard", dead.discardDeadLetters);
  on("POST", "/dead-letters/redrive", bulk.startRedrive, KEY);
  on("GET", "/dead-letters/:id", dead.getDeadLetter);
  on("DELETE", "/dead-letters/:id", dead.discardDeadLetter);
  on("POST", "/dead-letters/:id/redrive", dead.redriveDeadLetter);

  on("GET", "/webhooks/deliveries", deliveries.listDeliveries, "queue", "webhook", "task", "status", "limit", "cursor");
  on("GET", "/webhooks/deliveries/:id", deliveries.getDelivery);
  on("POST", "/webhooks/deliveries/:id/redeliver", deliveries.redeliver);
  on("GET", "/webhooks/signing-secret", webhooks.getSigningSecret);
  on("POST", "/webhooks/signing-secret/rotate", webhooks.rotateSigningSecret, KEY);
  on("GET", "/webhooks", webhooks.listWebhooks, "queue", "limit", "cursor");
  on("POST", "/webhooks", webhooks.createWebhook, KEY);
  on("GET", "/webhooks/:id", webhooks.getWebhook);
  on("PATCH", "/webhooks/:id", webhooks.patchWebhook);
  on("DELETE", "/webhooks/:id", webhooks.deleteWebhook);
  on("GET", "/webhooks/:id/secret", webhooks.getSecret);
  on("POST", "/webhooks/:id/rotate-secret", webhooks.rotateSecret, KEY);
  on("POST", "/webhooks/:id/test", webhooks.testWebhook);

  probe("/health/live", live);
  probe("/health/ready", ready);
  probe("/health/startup", started);
  on("GET", "/operator-events", listOperatorEvents, "queue", "kind", "limit", "cursor");

  app.onError(onError);
  app.notFound(answerUnrouted(app));
  return app;
}
