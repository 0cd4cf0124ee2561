/** Tasks whose nodes end without them, have another, or whose run was stopped: their shards are told until they have heard. */
import type { EndNodesRequest } from "../../../core/schema/workflow-rpc.ts";
import { isEnded } from "../../../core/workflow/decide.ts";
import { FAN_OUT } from "../../stubs.ts";
import { whyStopped } from "../end-node.ts";
import { type RunNode, saveNode } from "../node-rows.ts";
import { asked, attempt, isFree, placeName } from "../reach.ts";
import type { Run, RunMemory } from "../run.ts";
import { forgetStray } from "../strays.ts";
import type { TaskPlace } from "../task-place.ts";

const MOST = 200;

type Told = EndNodesRequest["nodes"][number];

/** Whose end a shard is to hear of, and what follows once it has (inside a transaction). */
interface Ending {
  readonly at: NonNullable<RunNode["at"]>;
  readonly told: Told;
  readonly heard: () => void;
}

/** @returns whether anything changed */
export async function tellEnds(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  const endings = [...ofNodes(run, memory), ...ofStrays(run, memory)];
  const due = endings.filter(({ at }) => isFree(run, placeName(at), now));
  const shards = Map.groupBy(due, ({ at }) => placeName(at));
  const groups = Array.from(shards, ([name, all]) => ({ name, some: all.slice(0, MOST) })).slice(0, FAN_OUT);
  const done = await Promise.all(groups.map(({ name, some }) => tellShard(run, memory, name, some)));
  return done.some(Boolean);
}

async function tellShard(run: Run, memory: RunMemory, name: string, endings: readonly Ending[]): Promise<boolean> {
  const [first] = endings;
  if (!first) return false;
  const address = { tenant: run.tenant, ...first.at };
  return await attempt(run, name, async () => {
    await asked(run, () => run.ports.shard(address).endNodes({ v: 1, nodes: endings.map(({ told }) => told) }));
    run.change(memory, () => {
      for (const { heard } of endings) heard();
    });
  });
}

function ofNodes(run: Run, memory: RunMemory): Ending[] {
  return memory.nodes.flatMap((node) => {
    const { at, task } = node;
    if (!at || task.is !== "ending") return [];
    const heard = () => {
      if (node.task !== task) return;
      node.task = { is: "released", seq: task.seq };
      saveNode(run.sql, node);
    };
    return [{ at, told: endingOf(memory, node, task), heard }];
  });
}

function ofStrays(run: Run, { strays }: RunMemory): Ending[] {
  return Array.from(strays, (stray) => {
    const { queue, shard, seq } = stray;
    const told = { seq, status: "CANCELLED", code: "cancelled", message: "its node has another task" } as const;
    return { at: { queue, shard }, told, heard: () => forgetStray(run.sql, strays, stray) };
  });
}

function endingOf(
  { head }: RunMemory,
  { state, code, message }: RunNode,
  { seq }: Extract<TaskPlace, { is: "ending" | "blocked" | "released" }>,
): Told {
  if (state === "FAILED") return { seq, status: "FAILED", code: code ?? "parent-failed", message: message ?? "" };
  const isOver = isEnded(state) && code !== null;
  const why = isOver ? { code, message: message ?? "" } : { code: "cancelled" as const, message: whyStopped(head) };
  return { seq, status: "CANCELLED", ...why };
}
