/** Why a task is where it is: gathers what the shard knows of it; what that means is core/explain. Only reads. */

import { explainEnded, explainRunning } from "../../../core/explain.ts";
import type { Seq } from "../../../core/ids.ts";
import type { Versioned } from "../../../core/schema/answer.ts";
import type { ExplainAnswer } from "../../../core/schema/explain-rpc.ts";
import { isFinished } from "../../../core/status.ts";
import { isDeleted } from "../../../history/tombstone.ts";
import type { Shard } from "../shard.ts";
import { recordOf, rowsOf } from "../task-rows.ts";
import { explainWaits } from "./explain-waits.ts";
import { readOne } from "./read.ts";

export function explain(shard: Shard, { seq }: Versioned & { readonly seq: Seq }): ExplainAnswer {
  const now = shard.ports.now();
  const { memory } = shard;
  const { settings } = memory;
  if (!memory.hasTables || !settings) return { v: 1, ok: true, explanation: null };
  const [row] = rowsOf(shard.sql, [seq]);
  if (!row || row.status === "FAILED") {
    const record = row ? recordOf(row) : readOne(shard, seq);
    return { v: 1, ok: true, explanation: record === null || isDeleted(record) ? null : explainEnded(record) };
  }
  const { status } = row;
  if (isFinished(status)) throw new Error(`task ${seq} is ${status} and has a row`);
  if (status === "RUNNING") {
    const session = row.session === null ? undefined : memory.sessions.get(row.session);
    const claim = session?.claims.get(seq);
    if (!session || !claim) throw new Error(`task ${seq} runs in no session`);
    const { leaseUntil, worker } = session;
    return {
      v: 1,
      ok: true,
      explanation: { status, ...explainRunning(claim, { leaseUntil, worker: worker.name }) },
    };
  }
  const { error } = recordOf(row);
  const waiting = {
    ...row,
    status,
    runAt: row.run_at,
    expiresAt: row.expires_at,
    limitKey: row.limit_key,
    fairnessKey: row.fairness_key,
    error,
  };
  const told = explainWaits(shard, settings, [waiting], now).get(seq);
  if (!told?.explanation) throw new Error(`task ${seq} waits and is not explained`);
  return { v: 1, ok: true, explanation: { status, ...told.explanation } };
}
