/** Nodes of a run that are to end without having run; those that run are asked to stop. Safe to repeat. */
import type { Answer } from "../../../core/schema/answer.ts";
import type { EndNodesRequest } from "../../../core/schema/workflow-rpc.ts";
import { WAITING } from "../../../core/status.ts";
import { afterOperation } from "../after.ts";
import type { Session } from "../memory.ts";
import { tellWaiters } from "../reads/wait.ts";
import type { Shard } from "../shard.ts";
import { rowsOf, type TaskRow } from "../task-rows.ts";
import { askToStop, tellToStop } from "./ask-to-stop.ts";
import { leaveWaiting } from "./leave-waiting.ts";

export function endNodes(shard: Shard, { nodes }: EndNodesRequest): Answer<object> {
  const now = shard.ports.now();
  const seqs = nodes.map(({ seq }) => seq);
  if (!shard.memory.hasTables) return { v: 1, ok: true };
  const told = new Map(nodes.map((node) => [node.seq, node]));
  const rows = rowsOf(shard.sql, seqs).filter(({ status }) => WAITING.some((waiting) => waiting === status));
  const asked: Session[] = [];
  // One that is released by now has not failed: it is not to run any more.
  const endingOf = ({ seq, status }: TaskRow) => {
    const node = told.get(seq);
    const to = status === "BLOCKED" && node ? node.status : "CANCELLED";
    return { to, cause: node?.message ?? "", code: node?.code } as const;
  };
  const ended = shard.transact(() => {
    for (const session of shard.memory.sessions.values()) if (askToStop(shard, session, seqs, now)) asked.push(session);
    return rows.length === 0 ? [] : leaveWaiting(shard, rows, endingOf, now);
  });
  for (const session of asked) tellToStop(shard, session);
  tellWaiters(shard, ended);
  afterOperation(shard, now);
  return { v: 1, ok: true };
}
