/** Nodes of a run whose parents have ended may run: their BLOCKED tasks are QUEUED, or SCHEDULED where they are put off. */
import type { Answer } from "../../../core/schema/answer.ts";
import type { ReleaseRequest } from "../../../core/schema/workflow-rpc.ts";
import { afterOperation } from "../after.ts";
import type { Shard } from "../shard.ts";
import { rowsOf } from "../task-rows.ts";
import { changeWaiting } from "./change-waiting.ts";

export function release(shard: Shard, { nodes }: ReleaseRequest): Answer<object> {
  const now = shard.ports.now();
  const seqs = nodes.map(({ seq }) => seq);
  if (!shard.memory.hasTables) return { v: 1, ok: true };
  const blocked = new Map(rowsOf(shard.sql, seqs).flatMap((row) => (row.status === "BLOCKED" ? [[row.seq, row]] : [])));
  if (blocked.size > 0) {
    shard.transact(() => {
      for (const { seq, payload, runAt, expiresAt } of nodes) {
        const row = blocked.get(seq);
        if (!row) continue;
        const isLater = runAt !== null && runAt > now;
        const changes = {
          status: isLater ? "SCHEDULED" : "QUEUED",
          // It waits for a worker from now on: neither its age nor the queue's is that of what it waited for.
          run_at: isLater ? runAt : now,
          expires_at: row.expires_at ?? expiresAt,
          ...(payload !== null && { payload }),
        } as const;
        changeWaiting(shard, row, changes, "released: what it waits for has ended", now);
      }
    });
    afterOperation(shard, now);
  }
  return { v: 1, ok: true };
}
