/**
 * Fires of a schedule of workflows: each is a run, made as a POST of that moment would make it, so types go where they are
 * routed by then, and queues have the shards that they have by then. Its id is made of schedule and fire, so two tries are
 * one run, whatever has changed between them.
 */
import { noSuchQueue } from "../../../core/errors.ts";
import { DEFAULT_QUEUE, type QueueName, type RunId, runId, type TenantName } from "../../../core/ids.ts";
import { declaredType } from "../../../core/make-task.ts";
import type { Answer, Refusal } from "../../../core/schema/answer.ts";
import type { SubmittedWorkflow } from "../../../core/schema/workflow.ts";
import type { PartOf } from "../../../core/schema/workflow-rpc.ts";
import { makeRun, type Resolve } from "../../../core/workflow/make-run.ts";
import { planRun } from "../../../core/workflow/plan-run.ts";
import { callWithin, fanOut, workflowOf } from "../../stubs.ts";
import { write } from "../perform.ts";
import { findOrMakeQueue } from "../queues/queue-entry.ts";
import { findRoute } from "../routes/find-route.ts";
import { type DirectoryState, done, refuse } from "../state.ts";
import { fireKey, type PendingFire, settleFired, settleRefused, settleUnanswered } from "./pending-fire.ts";
import { ANSWER_WITHIN_MS } from "./try-again.ts";

/** The same for every try of a fire, whatever it is made of by then. */
const FINGERPRINT = "fire";

export type WorkflowFire = PendingFire & { readonly workflow: string; readonly dedupKey: string };

/** Never rejects. */
export async function submitRuns(state: DirectoryState, fires: readonly WorkflowFire[]): Promise<void> {
  await fanOut(fires, async (fire) => {
    state.inFlight.add(fireKey(fire));
    const { schedule, fireAt } = fire;
    const answer = await startRun(state, fire.workflow, `fire ${fire.dedupKey}`, { schedule, fireAt });
    state.inFlight.delete(fireKey(fire));
    write(state, () => {
      if (answer.ok) settleFired(state, fire, answer.run);
      else if (answer.code === "unavailable") settleUnanswered(state, fire);
      else settleRefused(state, fire, `${answer.code}: ${answer.detail}`, answer.code === "invalid-request");
      return done({});
    });
  });
}

/**
 * @param text JSON text of a workflow that its schema accepted
 * @param key what its id is made of
 * @returns its id; refused where it can't be made now: `invalid-request`
 */
export async function startRun(
  state: DirectoryState,
  text: string,
  key: string,
  fire?: Extract<PartOf, { schedule: string }>,
): Promise<Answer<{ readonly run: RunId; readonly replayed: boolean }>> {
  const { ports } = state;
  const tenant = state.name as TenantName;
  const id = await runIdOf(tenant, key);
  const made = write(state, () => {
    const told = makeRun(planRun(JSON.parse(text) as SubmittedWorkflow), resolverOf(state), id, ports.now());
    return "definition" in told ? done(told) : faulty(told);
  });
  if (!made.ok) return made;
  const definition = { ...made.definition, ...(fire && { fire }) };
  const answer = await callWithin(ports, ANSWER_WITHIN_MS, () =>
    workflowOf(ports, tenant, id).create({ v: 1, definition, fingerprint: FINGERPRINT }),
  );
  return answer.ok ? done({ run: id, replayed: answer.replayed }) : answer;
}

/** @param key as `startRun` takes it */
export async function runIdOf(tenant: TenantName, key: string): Promise<RunId> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${tenant} ${key}`));
  return runId(new Uint8Array(digest));
}

function faulty(told: Exclude<ReturnType<typeof makeRun>, { definition: unknown }>): Refusal {
  const [first] = told.faults;
  return refuse("invalid-request", first ? `${first.pointer} ${first.detail}` : "the workflow is wrong");
}

/** As the door resolves a task. Inside a transaction: a queue may come by it. */
function resolverOf(state: DirectoryState): Resolve {
  return (type, queue) => {
    const handled = state.ports.taskType(type);
    const route = findRoute(state, type);
    if (!handled && !route) {
      const errors = [{ pointer: "/type", detail: `is not a known task type: ${type}` }];
      return { code: "type-unknown", detail: `There is no task type ${type}.`, errors };
    }
    const name = (queue as QueueName | undefined) ?? route?.queue ?? DEFAULT_QUEUE;
    const entry = findOrMakeQueue(state, name);
    if (entry) return { type: handled ?? declaredType(type), entry };
    const errors = [{ pointer: "/queue", detail: `is not a known queue: ${name}` }];
    return { code: "queue-unknown", detail: noSuchQueue(name), errors };
  };
}
