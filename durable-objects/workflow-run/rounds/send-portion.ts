/**
 * Sends a portion of nodes to their shard, under an idempotency key of its own, so that a lost answer makes no task twice
 * and no node costs a row for that; and takes what is answered. What waits for others is placed BLOCKED.
 * Must stay true: it is sent as it was, the whole list, until all of it is taken or refused for ever.
 */
import { type Seq, taskId } from "../../../core/ids.ts";
import type { NewTask, SubmitAnswer } from "../../../core/schema/rpc.ts";
import { isEnded } from "../../../core/workflow/decide.ts";
import { endCancelled, endNode } from "../end-node.ts";
import { reasonOf } from "../held-calls.ts";
import { type RunNode, saveNode, specOf } from "../node-rows.ts";
import { attempt, callerName } from "../reach.ts";
import type { Run, RunMemory } from "../run.ts";
import { addStray } from "../strays.ts";
import { NOWHERE, seqOf } from "../task-place.ts";
import { isFinal, plainTask, queueOf, type Refused, refusalOf, submit } from "./submit-tasks.ts";

const FORGET = "DELETE FROM portion WHERE n = ?";

/** A node, whether it was sent as one that may run, and whether tasks that are placed waited for it. */
export type Member = readonly [i: number, isReady: boolean, isAwaited: boolean];
export interface Portion {
  readonly n: number;
  /** The same, in the same order, however often it is sent. */
  readonly members: readonly Member[];
  /** Of the queue that it was written down for. */
  readonly generation: number;
}

/** @returns whether there is something new to do */
export async function sendPortion(run: Run, memory: RunMemory, portion: Portion): Promise<boolean> {
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
    if (!answer.ok && !isFinal(answer.code) && !isNoRoom(answer.code)) throw new Error(reasonOf(answer));
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
      node.task = NOWHERE;
      saveNode(run.sql, node);
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
    const seq = answer.ok ? (answer.seqs[index] ?? null) : null;
    if (!node?.at) continue;
    if (!isIn(node, n)) {
      // Known from an answer before, or its end has told which task it is; else it has another by now.
      if (seq !== null && !hasHad(node, seq)) addStray(run.sql, memory.strays, { ...node.at, seq });
      continue;
    }
    const isStillWanted = isWanted(memory, node);
    if (seq !== null) {
      node.task = { is: isStillWanted ? (isReady ? "released" : "blocked") : "ending", seq };
      saveNode(run.sql, node);
      continue;
    }
    const refused = refusalOf(answer, index);
    if (isStillWanted && !isFinal(refused.code)) {
      again = reasonOf(refused);
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
function isWanted({ head }: RunMemory, { state, isCompensation }: RunNode): boolean {
  return !isEnded(state) && (head.stop === null || isCompensation);
}

/** Its queue has no room for it now: nothing was taken. */
function isNoRoom(code: string): boolean {
  return code === "queue-full" || code === "draining";
}

/** Whether that is the node's task, or an earlier one that has ended. */
function hasHad(node: RunNode, seq: Seq): boolean {
  return seqOf(node) === seq || (node.at !== null && node.retried.includes(taskId(node.at, seq)));
}

function endRefused(run: Run, memory: RunMemory, node: RunNode, { code, detail }: Refused): void {
  const message = `it could not be submitted (${code}): ${detail}`;
  endNode(run, memory, node, { status: "FAILED", code: "task-lost", message, at: run.ports.now() });
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
