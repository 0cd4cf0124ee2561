/** Nodes whose time has come: their tasks, which waited BLOCKED, may run, with what they refer to filled in. */
import type { Seq } from "../../../core/ids.ts";
import type { ReleasedNode } from "../../../core/schema/workflow-rpc.ts";
import { endOf } from "../../../core/workflow/decide.ts";
import { FAN_OUT, fanOut } from "../../stubs.ts";
import { endUnrun } from "../end-node.ts";
import { type RunNode, saveNode, specOf } from "../node-rows.ts";
import { asked, attempt, callerName, fillName, isFree } from "../reach.ts";
import type { Run, RunMemory } from "../run.ts";
import type { TaskPlace } from "../task-place.ts";
import { fillPayload, Unfillable } from "./fill.ts";
import { timesOf } from "./submit-tasks.ts";

/** Payloads of so many fit one call. */
const MOST = 32;
/** Payloads of 256 KiB that are filled in before any of them is sent. */
const MOST_FILLED = 64;

/** @returns whether anything changed */
export async function release(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  // One whose payload can't be filled in now stands in no other's way.
  const isDue = (node: RunNode) => isFree(run, callerName(node), now) && isFree(run, fillName(node), now);
  let filled = 0;
  const all = memory.nodes.filter((node) => node.state === "ready" && node.task.is === "blocked" && isDue(node));
  const due = all.filter(({ refers }) => !refers || ++filled <= MOST_FILLED);
  const groups = Array.from(Map.groupBy(due, callerName).values(), (nodes) => nodes.slice(0, MOST)).slice(0, FAN_OUT);
  const done = await Promise.all(groups.map((nodes) => releaseAt(run, memory, nodes)));
  return done.some(Boolean) || due.length < all.length;
}

async function releaseAt(run: Run, memory: RunMemory, nodes: readonly RunNode[]): Promise<boolean> {
  let isChanged = false;
  const ready: Released[] = [];
  const fill = (node: RunNode) =>
    attempt(run, fillName(node), async () => {
      const released = await releaseOf(run, memory, node);
      if (released === null) isChanged = true;
      else ready.push(released);
    });
  await fanOut(nodes, fill);
  const [first] = ready;
  if (!first?.node.at) return isChanged;
  const { at } = first.node;
  const isDone = await attempt(run, callerName(first.node), async () => {
    const request = { v: 1, nodes: ready.map(({ told }) => told) } as const;
    await asked(run, () => run.ports.shard({ tenant: run.tenant, ...at }).release(request));
    run.change(memory, () => {
      for (const { node, place } of ready) {
        // One that its shard does not hold has ended: its end is on the way, or it is looked for.
        if (node.task !== place) continue;
        node.task = { is: "released", seq: place.seq };
        saveNode(run.sql, node);
      }
    });
  });
  return isDone || isChanged;
}

interface Released {
  readonly node: RunNode;
  /** Where its task was when that was asked for. */
  readonly place: Extract<TaskPlace, { seq: Seq }>;
  readonly told: ReleasedNode;
}

/** null: it is not to run any more. @throws where that is not known yet */
async function releaseOf(run: Run, memory: RunMemory, node: RunNode): Promise<Released | null> {
  const spec = specOf(run.sql, node);
  const place = node.task;
  if (spec.kind !== "task") throw new Error(`node ${node.key} has no task`);
  if (place.is !== "blocked") return null;
  try {
    const end = node.isCompensation
      ? endOf(
          memory.nodes.filter(({ isCompensation }) => !isCompensation),
          memory.head.stop,
        )
      : null;
    const payload = node.refers ? await fillPayload(run, memory, spec.task, end) : null;
    const { runAt, expiresAt = null } = timesOf(spec.task, run.ports.now());
    if (node.task !== place) return null;
    return { node, place, told: { seq: place.seq, payload, runAt, expiresAt } };
  } catch (error) {
    if (!(error instanceof Unfillable)) throw error;
    run.change(memory, () => {
      if (node.task !== place) return;
      const at = run.ports.now();
      endUnrun(run, memory, node, { status: "FAILED", code: "payload-invalid", message: error.message, at });
    });
    return null;
  }
}
