/** What must be true of a run that has ended, whatever befell it, by its own rows, the shards' and history's. */
import { parseTaskId, type RunId, taskId } from "../../../core/ids.ts";
import type { PartOf } from "../../../core/schema/workflow-rpc.ts";
import { isFinished } from "../../../core/status.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { endOf, isEnded } from "../../../core/workflow/decide.ts";
import { read } from "../../../durable-objects/queue-shard/reads/read.ts";
import type { RunNode } from "../../../durable-objects/workflow-run/node-rows.ts";
import type { RunMemory } from "../../../durable-objects/workflow-run/run.ts";
import { isUnderWay, taskIdOf } from "../../../durable-objects/workflow-run/task-place.ts";
import { type HistoryRow, recordOfRow } from "../../../history/record.ts";
import { must } from "../violation.ts";
import type { WorkflowWorld } from "./workflow-world.ts";

/** Every task that any shard, or history, has of a run. */
export function tasksOf(
  world: WorkflowWorld,
  id: RunId,
): Map<string, { readonly node: string; readonly record: TaskRecord }> {
  const found = new Map<string, { node: string; record: TaskRecord }>();
  const take = (task: string, record: TaskRecord) => {
    const partOf: PartOf | undefined = record.links?.partOf;
    if (partOf && "run" in partOf && partOf.run === id) found.set(task, { node: partOf.node, record });
  };
  const rows = world.history.rows(`SELECT seq, queue, shard, json_array(seq, rev, status, type, created_at, ended_at,
    expires_at, result_expires_at, json(detail), payload, result) AS row FROM history
    WHERE detail ->> '$[10]' LIKE '%${id}%'`);
  for (const { row, queue, shard, seq } of rows) {
    const record = recordOfRow(JSON.parse(String(row)) as HistoryRow);
    take(taskId({ queue: queue as never, shard: Number(shard) }, Number(seq) as never), record);
  }
  for (const { instance } of world.shards.values()) {
    const seqs = instance.memory.hasTables
      ? instance.sql
          .all<{ seq: number }>("SELECT seq FROM task WHERE options LIKE ?", `%${id}%`)
          .map(({ seq }) => seq as never)
      : [];
    for (let from = 0; from < seqs.length; from += 100) {
      const answer = read(instance, { v: 1, seqs: seqs.slice(from, from + 100) });
      for (const record of answer.ok ? answer.tasks : [])
        if (record) take(taskId(instance.address, record.seq), record);
    }
  }
  return found;
}

export function checkRun(world: WorkflowWorld, id: RunId): void {
  const memory = world.head(id);
  must(memory !== null && memory.head.status !== "RUNNING", () => `${id} has not ended: ${tell(memory)}`);
  if (!memory) return;
  const { head, nodes } = memory;
  const tasks = tasksOf(world, id);
  for (const [task, { node, record }] of tasks)
    must(
      isFinished(record.status) || isRedriven(record),
      () => `${task} of ${node} is ${record.status}, and its run has ended: an orphan`,
    );
  for (const node of nodes) {
    must(isEnded(node.state), () => `${node.key} is ${node.state}, and its run has ended`);
    must(!isUnderWay(node), () => `${node.key} is under way, and its run has ended`);
    checkTasks(node, tasks);
    checkOrder(memory, node, tasks);
  }
  checkNumbers(nodes);
  checkUndone(memory);
  checkStop(memory);
  checkFinish(world, memory);
  must(isListed(world, id), () => `the list has not heard that the run is ${head.status}, but ${head.listed}`);
  const end = endOf(nodes, head.stop);
  must(end === head.status, () => `the run is ${head.status}, its nodes say ${end}: ${tell(memory)}`);
}

/** Whether D1's list of runs tells how it ended. */
export function isListed(world: WorkflowWorld, id: RunId): boolean {
  const [row] = world.history.rows(`SELECT status FROM workflow WHERE id = '${id}'`);
  return row !== undefined && row.status === world.head(id)?.head.status;
}

/** Somebody redrove a dead letter of a node's, when the run had ended or the node had another task. */
function isRedriven({ links }: TaskRecord): boolean {
  return links?.replayOf !== undefined;
}

type Tasks = ReturnType<typeof tasksOf>;

/** A node's tasks are the one that it has and those that were retried: none was made twice. */
function checkTasks(node: RunNode, tasks: Tasks): void {
  const own = [...tasks].filter(([, one]) => one.node === node.key).map(([task]) => task);
  const known = new Set<string>(node.retried);
  const last = taskIdOf(node);
  if (last !== null) known.add(last);
  for (const task of own) {
    const record = tasks.get(task)?.record;
    if (record && isRedriven(record)) continue;
    must(known.has(task), () => `${task} is a second task of ${node.key}, which has ${[...known].join(", ")}`);
  }
}

/** Nothing begins before what it waits for has ended, by the clock of this world. */
function checkOrder({ head, nodes }: RunMemory, node: RunNode, tasks: Tasks): void {
  // It ran after a failure that was tried again later.
  if (head.retries > 0 && node.onParentFailure === "continue") return;
  const task = tasks.get(taskIdOf(node) ?? "");
  const begun = task?.record.attempts[0]?.startedAt;
  if (begun === undefined) return;
  for (const index of node.parents) {
    const parent = nodes[index];
    // Its dead letter was redriven when the next one had begun already.
    if (parent?.isCompensation && parent.retried.length > 0) continue;
    const endedAt = parent?.endedAt ?? Number.POSITIVE_INFINITY;
    must(endedAt <= begun, () => `${node.key} began at ${begun}, before ${parent?.key} ended at ${endedAt}`);
    const isGood = parent?.state === "SUCCEEDED" || node.onParentFailure === "continue";
    must(isGood, () => `${node.key} ran though ${parent?.key} is ${parent?.state}`);
  }
}

/** Each end was written once: no number twice. */
function checkNumbers(nodes: readonly RunNode[]): void {
  const numbers = nodes.map(({ endedNo }) => endedNo);
  must(
    new Set(numbers).size === nodes.length && !numbers.includes(null),
    () => `ends are numbered ${numbers.join(", ")}`,
  );
}

/** Whoever was told of its end was told the truth. */
function checkFinish({ history }: WorkflowWorld, { head }: RunMemory): void {
  const id = head.finishTask === null ? null : parseTaskId(head.finishTask);
  if (!id) return;
  const [row] = history.rows(
    `SELECT result FROM history WHERE queue = '${id.queue}' AND shard = ${id.shard} AND seq = ${id.seq}`,
  );
  if (typeof row?.result !== "string") return;
  must(JSON.parse(row.result) === head.status, () => `${row.result} was told, and the run is ${head.status}`);
}

/** It was stopped for its time where that was over while something of it was not, and not before. */
function checkStop({ head, nodes }: RunMemory): void {
  const { stop, timeoutAt, endedAt } = head;
  if (stop === "timeout")
    must(
      timeoutAt !== null && (endedAt ?? 0) >= timeoutAt,
      () => `stopped for its time at ${endedAt}, of ${timeoutAt}`,
    );
  if (stop !== null || timeoutAt === null) return;
  const last = Math.max(...nodes.filter(({ isCompensation }) => !isCompensation).map((node) => node.endedAt ?? 0));
  must(last <= timeoutAt + LATE_MS, () => `its time was over at ${timeoutAt}, and a node ended at ${last}`);
}
/** An object that dies is woken again so late, and may die some times. */
const LATE_MS = 60_000;

/** Whatever can be undone was, what ended last first, where the run did not succeed. */
function checkUndone({ head, nodes }: RunMemory): void {
  const undone = nodes.filter(({ isUndo }) => isUndo);
  const wanted = nodes
    .filter(({ hasCompensation, state, isCompensation }) => hasCompensation && state === "SUCCEEDED" && !isCompensation)
    .toSorted((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0) || (b.endedNo ?? 0) - (a.endedNo ?? 0))
    .map(({ key }) => key);
  if (head.status === "SUCCEEDED") {
    must(undone.length === 0, () => "a run that succeeded was undone");
    return;
  }
  const made = undone.map(({ compensates }) => compensates);
  must(made.join() === wanted.join(), () => `to undo was ${made.join()}, and it should be ${wanted.join()}`);
  // One that somebody cancelled or purged did not run, one that was redriven did so later; the others did in their order.
  const ran = undone
    .filter(({ state, retried }) => state === "SUCCEEDED" && retried.length === 0)
    .map(({ compensates, endedNo }) => ({ compensates, no: endedNo ?? 0 }));
  const order = ran.toSorted((a, b) => a.no - b.no).map(({ compensates }) => compensates);
  must(order.join() === ran.map(({ compensates }) => compensates).join(), () => `undone was ${order.join()}`);
}

function tell(memory: RunMemory | null): string {
  if (!memory) return "it is not there";
  const { nodes } = memory;
  return JSON.stringify(nodes.map(({ key, state, code, task, parents }) => ({ key, state, code, task, parents })));
}

export { parseTaskId };
