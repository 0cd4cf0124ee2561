/**
 * Gives nodes their tasks: a portion a shard, under an idempotency key of the portion's, so that a lost answer makes none
 * twice and no node costs a row for that. What waits for others is placed BLOCKED.
 * Must stay true: a node is placed when its parents have been, or have ended; so whatever stands in a queue's depth can
 * come to its end, and full queues cannot block one another.
 */
import { cutByBytes, MAX_ANSWER_BYTES } from "../../core/bytes.ts";
import { taskId } from "../../core/ids.ts";
import type { NewTask, RefusedTask, SubmitAnswer } from "../../core/schema/rpc.ts";
import { isEnded } from "../../core/workflow/decide.ts";
import { ancestorsOf } from "../../core/workflow/graph.ts";
import { FAN_OUT } from "../stubs.ts";
import { endCancelled, endNode } from "./end-node.ts";
import { type RunNode, saveNode, specOf } from "./node-rows.ts";
import { attempt, callerName, isFree, queueName } from "./reach.ts";
import type { Run, RunMemory } from "./run.ts";
import { isFinal, plainTask, queueOf, submit } from "./submit-tasks.ts";
import { NOWHERE, seqOf } from "./task-place.ts";
import { endTasks } from "./tell-ends.ts";

const MOST_IN_PORTION = 200;

const OPEN = "SELECT n, members, generation FROM portion ORDER BY n";
const KEEP = "INSERT INTO portion (n, members, generation) VALUES (?, ?, ?)";
const FORGET = "DELETE FROM portion WHERE n = ?";

/** A node, whether it was sent as one that may run, and whether tasks that are placed waited for it. */
type Member = readonly [i: number, isReady: boolean, isAwaited: boolean];
interface Portion {
  readonly n: number;
  /** The same, in the same order, however often it is sent. */
  readonly members: readonly Member[];
  /** Of the queue that it was written down for. */
  readonly generation: number;
}

/** @returns whether anything changed */
export async function place(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  await writeDown(run, memory, now);
  const free = openPortions(run).filter(({ members: [first] }) => {
    const node = memory.nodes[first?.[0] ?? -1];
    return node && isFree(run, callerName(node), now);
  });
  const sent = await Promise.all(free.slice(0, FAN_OUT).map((portion) => send(run, memory, portion)));
  return sent.some(Boolean);
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
      const [nodes = []] = cutByBytes(members.slice(0, MOST_IN_PORTION), ({ chars }) => chars, MAX_ANSWER_BYTES);
      const generation = generations.get(nodes[0]?.at?.queue ?? "");
      if (generation === undefined) continue;
      const n = ++memory.head.portions;
      for (const node of nodes) {
        node.task = { is: "sent", portion: n, isToEnd: false };
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

/** @returns whether there is something new to do */
async function send(run: Run, memory: RunMemory, portion: Portion): Promise<boolean> {
  const first = memory.nodes[portion.members[0]?.[0] ?? -1];
  if (!first?.at) return false;
  const { at } = first;
  let isNews = false;
  await attempt(run, callerName(first), async () => {
    const entry = await queueOf(run, at);
    if ("settings" in entry && giveUp(run, memory, portion, entry.settings.generation)) {
      isNews = true;
      return;
    }
    const tasks = portion.members.map((member) => newTask(run, memory, portion.n, member));
    const answer = await submit(run, at, entry, tasks, `run ${run.id} ${portion.n}`);
    if (!answer.ok && !isFinal(answer.code) && !isNoRoom(answer.code))
      throw new Error(`${answer.code}: ${answer.detail}`);
    await endStrays(run, memory, portion, at, answer);
    const again = run.change(memory, () => takeAnswer(run, memory, portion, answer));
    isNews = true;
    if (again !== null) throw new Error(again);
  });
  return isNews;
}

/**
 * Gives a portion up that went to a making of its queue which is deleted: what was taken there is gone, and what was not
 * goes under another portion, because the key of this one is not known any more.
 * @returns whether it did
 */
function giveUp(run: Run, memory: RunMemory, { n, members, generation }: Portion, now: number): boolean {
  if (generation === now) return false;
  run.change(memory, () => {
    for (const [i] of members) {
      const node = memory.nodes[i];
      if (!node || !isIn(node, n)) continue;
      const isGivenUp = isWanted(memory, node);
      node.task = NOWHERE;
      if (isGivenUp || isEnded(node.state)) saveNode(run.sql, node);
      else endCancelled(run, memory, node);
    }
    run.sql.run(FORGET, n);
  });
  return true;
}

/** Inside a transaction. @returns why the portion is to be sent again */
function takeAnswer(run: Run, memory: RunMemory, { n, members }: Portion, answer: SubmitAnswer): string | null {
  let again: string | null = null;
  for (const [index, [i, isReady]] of members.entries()) {
    const node = memory.nodes[i];
    // Known from an answer before, or its end has told which task it is.
    if (!node || !isIn(node, n)) continue;
    const seq = answer.ok ? (answer.seqs[index] ?? null) : null;
    const isStillWanted = isWanted(memory, node);
    if (seq !== null) {
      node.task = { is: isStillWanted ? (isReady ? "released" : "blocked") : "ending", seq };
      saveNode(run.sql, node);
      continue;
    }
    const refused = refusalOf(answer, index);
    if (isStillWanted && !isFinal(refused.code)) {
      again = `${refused.code}: ${refused.detail}`;
      continue;
    }
    // Refused, so it was not taken.
    node.task = NOWHERE;
    if (isStillWanted) endRefused(run, memory, node, refused);
    else if (isEnded(node.state)) saveNode(run.sql, node);
    else endCancelled(run, memory, node);
  }
  if (again === null) run.sql.run(FORGET, n);
  return again;
}

/** Whether it still waits for what a portion says of it. */
function isIn({ task }: RunNode, n: number): boolean {
  return task.is === "sent" && task.portion === n;
}

/** Whether a node in a portion is still to have its task by it. */
function isWanted({ head }: RunMemory, { task, state, isCompensation }: RunNode): boolean {
  if (isEnded(state) || (task.is === "sent" && task.isToEnd)) return false;
  return !head.isCancelled || isCompensation;
}

/** Its queue has no room for it now: nothing was taken. */
function isNoRoom(code: string): boolean {
  return code === "queue-full" || code === "draining";
}

/**
 * Tasks that a portion made of nodes which have another by now (a dead letter was redriven meanwhile) are ended, before
 * the portion is forgotten. @throws where the shard does not answer
 */
async function endStrays(
  run: Run,
  { nodes }: RunMemory,
  { n, members }: Portion,
  at: NonNullable<RunNode["at"]>,
  answer: SubmitAnswer,
): Promise<void> {
  if (!answer.ok) return;
  const strays = members.flatMap(([i], index) => {
    const node = nodes[i];
    const seq = answer.seqs[index] ?? null;
    if (!node || seq === null || isIn(node, n) || seqOf(node) === seq) return [];
    return node.retried.includes(taskId(at, seq)) ? [] : [seq];
  });
  if (strays.length === 0) return;
  const message = "the run has another task for the node";
  const told = strays.map((seq) => ({ seq, status: "CANCELLED" as const, code: "cancelled" as const, message }));
  await endTasks(run, at, told);
}

function endRefused(run: Run, memory: RunMemory, node: RunNode, { code, detail }: Refused): void {
  const message = `it could not be submitted (${code}): ${detail}`;
  endNode(run, memory, node, { status: "FAILED", code: "task-lost", message, at: run.ports.now() });
}

type Refused = Pick<RefusedTask, "detail"> & { readonly code: string };

function refusalOf(answer: SubmitAnswer, index: number): Refused {
  if (!answer.ok) return answer;
  return answer.refused.find((one) => one.index === index) ?? { code: "internal", detail: "the shard gave no reason" };
}

function newTask(run: Run, memory: RunMemory, n: number, [i, isReady, isAwaited]: Member): NewTask {
  const node = memory.nodes[i];
  const spec = node && specOf(run.sql, node);
  if (!node || spec?.kind !== "task") throw new Error(`node ${i} has no task`);
  const plain = plainTask(run, spec.task, { run: run.id, node: node.key });
  const task = isAwaited ? { ...plain, isAwaited } : plain;
  // It keeps its place in the list, and is refused by the shard: its time is over.
  if (!isIn(node, n) || !isWanted(memory, node)) return { ...task, runAt: null, expiresAt: 1 };
  if (isReady) return task;
  // Its time to begin counts from its release.
  const { expiresAt: _, ...blocked } = task;
  return { ...blocked, runAt: null, blocked: true };
}
