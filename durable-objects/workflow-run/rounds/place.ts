/**
 * Which nodes get their tasks: portions of one shard each, written down before they are sent.
 * Must stay true: a node is placed when its parents have been, or have ended; so whatever stands in a queue's depth can
 * come to its end, and full queues cannot block one another.
 */
import { cutByBytes, MAX_ANSWER_BYTES } from "../../../core/bytes.ts";
import { isEnded } from "../../../core/workflow/decide.ts";
import { ancestorsOf } from "../../../core/workflow/graph.ts";
import { FAN_OUT } from "../../stubs.ts";
import { type RunNode, saveNode } from "../node-rows.ts";
import { attempt, callerName, isFree, queueName } from "../reach.ts";
import type { Run, RunMemory } from "../run.ts";
import { seqOf } from "../task-place.ts";
import { type Member, type Portion, sendPortion } from "./send-portion.ts";
import { queueOf } from "./submit-tasks.ts";

const MOST_IN_PORTION = 200;

const OPEN = "SELECT n, members, generation FROM portion ORDER BY n";
const ANY = "SELECT 1 FROM portion LIMIT 1";
const KEEP = "INSERT INTO portion (n, members, generation) VALUES (?, ?, ?)";

/** @returns whether anything changed */
export async function place(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  await writeDown(run, memory, now);
  const free = openPortions(run).filter(({ members: [first] }) => {
    const node = memory.nodes[first?.[0] ?? -1];
    return node && isFree(run, callerName(node), now);
  });
  const sent = await Promise.all(free.slice(0, FAN_OUT).map((portion) => sendPortion(run, memory, portion)));
  return sent.some(Boolean);
}

/** Whether a shard may have made tasks that nobody here knows of yet. */
export function hasOpenPortion({ sql }: Run): boolean {
  return sql.all(ANY).length > 0;
}

function openPortions({ sql }: Run): Portion[] {
  const rows = sql.all<Omit<Portion, "members"> & { readonly members: string }>(OPEN);
  return rows.map((row) => ({ ...row, members: JSON.parse(row.members) as Member[] }));
}

/** New portions, written down before they are sent, with the making of the queue that they go to. */
async function writeDown(run: Run, memory: RunMemory, now: number): Promise<void> {
  const generations = new Map<string, number>();
  for (const { at } of unsent(run, memory, now)) {
    if (!at || generations.has(at.queue)) continue;
    await attempt(run, queueName(at), async () => {
      const entry = await queueOf(run, at);
      generations.set(at.queue, "settings" in entry ? entry.settings.generation : NO_QUEUE);
    });
  }
  if (generations.size === 0) return;
  const awaited = awaitedBy(memory);
  run.change(memory, () => {
    for (const members of Map.groupBy(unsent(run, memory, now), callerName).values()) {
      const [nodes = []] = cutByBytes(members.slice(0, MOST_IN_PORTION), ({ bytes }) => bytes, MAX_ANSWER_BYTES);
      const generation = generations.get(nodes[0]?.at?.queue ?? "");
      if (generation === undefined) continue;
      const n = ++memory.head.portions;
      for (const node of nodes) {
        node.task = { is: "sent", portion: n };
        saveNode(run.sql, node);
      }
      const list = nodes.map((node): Member => [node.i, node.state === "ready" && !node.refers, awaited.has(node.i)]);
      run.sql.run(KEEP, n, JSON.stringify(list), generation);
    }
    run.saveHead();
  });
}

/** Of a queue that there is not: its nodes are told so, or go anew where there is one by then. */
const NO_QUEUE = 0;

/** Nodes that may be placed, and were not sent. */
function unsent(run: Run, memory: RunMemory, now: number): RunNode[] {
  const isPlaceable = placeable(memory);
  return memory.nodes.filter(
    (node) =>
      node.at &&
      node.task.is === "nowhere" &&
      !isEnded(node.state) &&
      isFree(run, callerName(node), now) &&
      isFree(run, queueName(node.at), now) &&
      isPlaceable(node),
  );
}

/**
 * All that tasks wait for which are placed. Most of it is placed before them; what a map or a handler brought later, or is
 * tried again, is not: it must be taken, or what stands in the queue's depth would wait for ever.
 */
function awaitedBy({ nodes }: RunMemory): ReadonlySet<number> {
  const placed = nodes.filter(({ task, state }) => !isEnded(state) && (task.is === "blocked" || task.is === "sent"));
  return ancestorsOf(
    nodes.map(({ parents }) => parents),
    placed.map(({ i }) => i),
  );
}

/** Whether a node's parents are all placed or ended; of those without a task, whether theirs are. */
function placeable({ nodes }: RunMemory): (node: RunNode) => boolean {
  const known = new Map<number, boolean>();
  const isThere = (i: number): boolean => {
    const node = nodes[i];
    if (!node || isEnded(node.state)) return true;
    if (node.at) return seqOf(node) !== null;
    // What a map is made of is not known before it is, and a signal is somebody's to give: nothing takes room for it.
    if (node.kind === "map" || node.kind === "signal") return false;
    const answer = known.get(i) ?? node.parents.every(isThere);
    known.set(i, answer);
    return answer;
  };
  return ({ parents }) => parents.every(isThere);
}
