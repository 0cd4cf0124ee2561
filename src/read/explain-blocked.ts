/** What a node of a workflow waits for: its run knows, its shard does not. */
import { countOf } from "../../core/count-of.ts";
import type { TenantName } from "../../core/ids.ts";
import type { NodeRecord, PartOf } from "../../core/schema/workflow-rpc.ts";
import type { Status } from "../../core/status.ts";
import { workflowOf } from "../../durable-objects/stubs.ts";
import { ask, timeLeft } from "../../reads/ask.ts";
import type { Door } from "../door.ts";
import { liveStatuses } from "./live-status.ts";

const MOST_TOLD = 20;

/** null where the run does not answer, or has no such node (any more). */
export async function explainBlocked(door: Door, tenant: TenantName, partOf: PartOf, deadline: number) {
  if (!("run" in partOf)) return null;
  const { ports, log } = door;
  const { run: id, node: key } = partOf;
  const question = { whom: `The run ${id}`, ms: timeLeft(ports, deadline), lost: "unavailable" } as const;
  const answer = await ask(ports, log, question, () => workflowOf(ports, tenant, id).read({ v: 1, nodes: true }));
  const nodes = answer.ok ? (answer.nodes ?? []) : [];
  const node = nodes.find((one) => one.key === key);
  if (!node) return null;
  const open = node.parents.flatMap((index) => nodes[index] ?? []).filter(({ endedAt }) => endedAt === null);
  const first = open.slice(0, MOST_TOLD);
  const live = await liveStatuses(door, tenant, first, MOST_TOLD);
  const parents = first.map((parent) => parentView(parent, parent.task === null ? undefined : live.get(parent.task)));
  const detail =
    open.length === 0
      ? "What it waits for has ended; it is about to be released."
      : `It waits for ${countOf(open.length, "node")}: ${parents.map(nameOf).join(", ")}.`;
  const held = node.heldBy === null ? {} : { heldBy: node.heldBy };
  const reason = { code: "parents" as const, detail, workflow: id, node: key, parents, ...held };
  return {
    status: "BLOCKED" as const,
    summary: detail,
    earliestStart: null,
    decidedBy: reason.code,
    reasons: [reason],
  };
}

type ParentView = ReturnType<typeof parentView>;
function parentView({ key, status, task, signal }: NodeRecord, live: Status | undefined) {
  return { node: key, status: live ?? status, ...(task !== null && { task }), ...(signal !== undefined && { signal }) };
}

function nameOf({ node, status, signal }: ParentView): string {
  return signal === undefined ? `${node} (${status})` : `${node} (the signal ${signal})`;
}
