/** Nodes that come to be while a run runs: a map's, one for each item, and what handlers spawned. */
import { fanOut } from "../../stubs.ts";
import type { RunNode } from "../node-rows.ts";
import { attempt, expandName, isFree } from "../reach.ts";
import type { Run, RunMemory } from "../run.ts";
import { expandMap } from "./expand-map.ts";
import { expandSpawned } from "./expand-spawned.ts";

/** Side by side: what can't be read, or nobody can be asked about, is in no other's way. @returns whether anything changed */
export async function expand(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  const isDue = (node: RunNode) => isExpanding(node) && (isFree(run, expandName(node), now) || isStopped(memory, node));
  const done = await fanOut(memory.nodes.filter(isDue), (node) =>
    attempt(run, expandName(node), () =>
      node.kind === "map" ? expandMap(run, memory, node) : expandSpawned(run, memory, node),
    ),
  );
  return done.some(Boolean);
}

function isExpanding({ kind, state }: RunNode): boolean {
  return state === "spawning" || (kind === "map" && state === "ready");
}

/** A map of a run that was stopped ends, and asks nobody for its list. */
function isStopped({ head }: RunMemory, { kind }: RunNode): boolean {
  return head.stop !== null && kind === "map";
}
