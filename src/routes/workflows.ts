/** Workflows: checked here, kept and run by an object each. What a run is, it says itself; the list of them is D1's. */
import { z } from "zod";
import { Problem } from "../../core/errors.ts";
import { explainIssues } from "../../core/explain-issues.ts";
import { parseRunId, type RunId, runId, type TaskId } from "../../core/ids.ts";
import { checkPayload, declaredType, under } from "../../core/make-task.ts";
import type { Answer, Versioned } from "../../core/schema/answer.ts";
import { RetryRunSchema, SignalNameSchema, WorkflowSchema } from "../../core/schema/workflow.ts";
import type { RunAnswer, RunStatus, WorkflowRpc } from "../../core/schema/workflow-rpc.ts";
import { iso, type TaskRecord } from "../../core/task.ts";
import { graphView, mermaidText, nodeDetailView, nodeView, runView, withLive } from "../../core/workflow/show-run.ts";
import { workflowOf } from "../../durable-objects/stubs.ts";
import { listRuns, type RunPlace } from "../../history/list-runs.ts";
import { answered, ask, PATIENCE_MS, type Question } from "../../reads/ask.ts";
import { findTask } from "../../reads/find-tasks.ts";
import type { Ctx, Door } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { faultProblem } from "../middleware/problems.ts";
import { checkBody, readBody, readOptionalJson, refuseFields } from "../middleware/read-body.ts";
import { readCursor, writeCursor } from "../read/cursor.ts";
import { liveStatuses } from "../read/live-status.ts";
import { readFlag, readWhole, readWord } from "../read/read-query.ts";
import { readIdempotency } from "../submit/idempotency.ts";
import { makeRun } from "../submit/make-run.ts";
import { replayed } from "../submit/show-accepted.ts";

const MAX_WAIT_S = 60;
const MAX_LISTED = 100;
/** Of so many nodes the tasks are looked at; a run's tasks go in their order, so those that run are among the first. */
const MOST_LIVE = 100;
const STATUSES = ["RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"] as const satisfies readonly RunStatus[];
const PlaceSchema: z.ZodType<RunPlace> = z.strictObject({ createdAt: z.int(), id: z.string() });

/** 202: the run is written down. Under an Idempotency-Key its id is made of that, so that it is one however often it is sent. */
export async function createWorkflow(door: Door, c: Ctx): Promise<Response> {
  const { value, bytes } = await readBody(c.req.raw, door.env.bodyLimit);
  const idempotency = await readIdempotency(c.req.raw.headers, bytes);
  const body = checkBody(WorkflowSchema, value);
  const id = await idFrom(`${c.env.tenant} ${idempotency?.key ?? door.ports.uuid()}`);
  const definition = await makeRun(door, body, id);
  const fingerprint = idempotency?.fingerprint ?? null;
  const lost = idempotency ? "unavailable" : "outcome-unknown";
  const { run, replayed: isReplay } = await askRun(
    door,
    c,
    id,
    (it) => it.create({ v: 1, definition, fingerprint }),
    lost,
  );
  return json(runView(run), 202, { location: `/workflows/${id}`, ...replayed(isReplay) });
}

/** `?status=`, `?name=`, `?limit=` (100), `?cursor=`: the newest first, as D1 has heard of them. */
export async function listWorkflows(door: Door, c: Ctx): Promise<Response> {
  const limit = readWhole(c, "limit", 1, MAX_LISTED) ?? MAX_LISTED;
  const filter = { status: readWord(c, "status", STATUSES), name: c.req.query("name") ?? null };
  const database = door.ports.history(0);
  if (!database) throw new Problem("misconfigured", "HISTORY_0 is not bound; bind it in wrangler.toml.");
  const runs = await listRuns(
    database,
    c.env.tenant,
    filter,
    readCursor(c, PlaceSchema),
    limit,
    door.ports,
    PATIENCE_MS,
  ).catch((thrown: unknown) => {
    door.log("warn", "history-unavailable", { reason: String(thrown) });
    throw new Problem(
      "history-unavailable",
      "The history database does not answer; a run is read by its id all the same.",
    );
  });
  const views = runs.map(({ id, name, status, createdAt, endedAt, nodes }) => ({
    id,
    ...(name !== null && { name }),
    status,
    createdAt: iso(createdAt),
    ...(endedAt !== null && { endedAt: iso(endedAt) }),
    nodes,
  }));
  const last = runs.at(-1);
  const next = last && runs.length === limit ? { createdAt: last.createdAt, id: last.id } : null;
  return json({ workflows: views, cursor: writeCursor(next) });
}

/** `?wait=` (seconds): when it has ended, or then. `?nodes=true`: each of them besides. */
export async function getWorkflow(door: Door, c: Ctx): Promise<Response> {
  const waitMs = (readWhole(c, "wait", 0, MAX_WAIT_S) ?? 0) * 1_000;
  if (!readFlag(c, "nodes")) return json(runView((await readRun(door, c, false, waitMs)).run));
  const { run, nodes } = await readNodes(door, c, waitMs);
  return json({ ...runView(run), nodes: nodes.map((node) => nodeView(node, nodes)) });
}

/** Nodes and edges; `?format=mermaid` as text that draws itself. */
export async function getGraph(door: Door, c: Ctx): Promise<Response> {
  const format = readWord(c, "format", ["json", "mermaid"]) ?? "json";
  const { run, nodes } = await readNodes(door, c, 0);
  if (format === "json") return json(graphView(run, nodes));
  return new Response(mermaidText(nodes), { headers: { "content-type": "text/plain; charset=utf-8" } });
}

/** One node, with what it was sent with, how its task stands, and what it gave. */
export async function getNode(door: Door, c: Ctx): Promise<Response> {
  const key = c.req.param("key") ?? "";
  const detail = await askRun(door, c, idOf(c), (run) => run.readNode({ v: 1, key }));
  const task = detail.nodes[detail.index]?.task ?? null;
  return json(nodeDetailView(detail, task === null ? null : await readTask(door, c, task)));
}

/** null: nowhere, any more or now. The run's word counts without it. */
async function readTask(door: Door, c: Ctx, id: TaskId): Promise<TaskRecord | null> {
  try {
    return (await findTask(door, c.env.tenant, id, {})).record;
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

export async function cancelWorkflow(door: Door, c: Ctx): Promise<Response> {
  await refuseFields(c.req.raw, door.env.bodyLimit);
  return await changed(door, c, (run) => run.cancel({ v: 1 }));
}

/** `nodes`: those that failed and are to be tried again; absent: all of them. */
export async function retryWorkflow(door: Door, c: Ctx): Promise<Response> {
  const { nodes = null } = checkBody(RetryRunSchema, (await readOptionalJson(c.req.raw, door.env.bodyLimit)) ?? {});
  return await changed(door, c, (run) => run.retry({ v: 1, keys: nodes }));
}

/** The body is what the nodes that wait for it give; without one it is null. */
export async function signalWorkflow(door: Door, c: Ctx): Promise<Response> {
  const name = c.req.param("name") ?? "";
  const named = SignalNameSchema.safeParse(name);
  if (!named.success)
    throw new Problem("signal-unknown", `No node waits for a signal ${name}.`, {
      errors: explainIssues(named.error.issues).map(({ detail }) => ({ pointer: "{name}", detail })),
    });
  const value = (await readOptionalJson(c.req.raw, door.env.bodyLimit)) ?? null;
  const payload = checkPayload(value, declaredType("signal"));
  if (typeof payload !== "string") throw faultProblem(under("", payload));
  return await changed(door, c, (run) => run.signal({ v: 1, name, payload }));
}

/** Its data and all that is known of it; its tasks stay what they are. */
export async function deleteWorkflow(door: Door, c: Ctx): Promise<Response> {
  const id = idOf(c);
  await askRun(door, c, id, (run) => run.erase({ v: 1 }));
  return new Response(null, { status: 204 });
}

async function changed(door: Door, c: Ctx, change: (run: WorkflowRpc) => Promise<RunAnswer>): Promise<Response> {
  const { run } = await askRun(door, c, idOf(c), change);
  return json(runView(run), 202);
}

async function readRun(door: Door, c: Ctx, nodes: boolean, waitMs: number) {
  return await askRun(door, c, idOf(c), (run) => run.read({ v: 1, nodes, waitMs }), "unavailable", waitMs);
}

/** A run with its nodes as their tasks stand; those that can't be read now as the run has them. */
async function readNodes(door: Door, c: Ctx, waitMs: number) {
  const { run, nodes } = await readRun(door, c, true, waitMs);
  const told = { run, nodes: nodes ?? [] };
  return withLive(told, await liveStatuses(door, c.env.tenant, told.nodes, MOST_LIVE));
}

/** @throws Problem with the run's own code, or `lost` */
async function askRun<T>(
  { ports, log }: Door,
  c: Ctx,
  id: RunId,
  question: (run: WorkflowRpc) => Promise<Answer<T>>,
  lost: Question["lost"] = "unavailable",
  waitMs = 0,
): Promise<Versioned & { readonly ok: true } & T> {
  const ms = PATIENCE_MS + waitMs;
  return answered(
    await ask(ports, log, { whom: `The run ${id}`, ms, lost }, () => question(workflowOf(ports, c.env.tenant, id))),
  );
}

function idOf(c: Ctx): RunId {
  const text = c.req.param("id") ?? "";
  const id = parseRunId(text);
  if (id === null) throw new Problem("workflow-unknown", `There is no workflow run ${text}.`);
  return id;
}

async function idFrom(text: string): Promise<RunId> {
  return runId(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}
