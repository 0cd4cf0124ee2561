/** Makes a run, in one transaction; what is to be done for it is its alarm's affair. */
import type { Answer } from "../../../core/schema/answer.ts";
import type { CreateRunRequest, RunRecord } from "../../../core/schema/workflow-rpc.ts";
import { arm } from "../arm.ts";
import { insertNode } from "../node-rows.ts";
import { type Run, refuse } from "../run.ts";
import { toRunRecord } from "./read.ts";

const INSERT = `INSERT INTO run (one, name, status, created_at, news_at, fingerprint, on_finish, fire, timeout_ms, timeout_at,
  keep_ms) VALUES (1, ?, 'RUNNING', ?, ?, ?, ?, ?, ?, ?, ?)`;

export function create(
  run: Run,
  { definition, fingerprint }: CreateRunRequest,
): Answer<{ readonly run: RunRecord; readonly replayed: boolean }> {
  const known = run.memory;
  if (known) {
    if (known.head.fingerprint === null || known.head.fingerprint !== fingerprint)
      return refuse("idempotency-key-reused", "The Idempotency-Key came with another body before.");
    return { v: 1, ok: true, run: toRunRecord(run, known), replayed: true };
  }
  const { name, nodes, onFinish, timeoutMs, keepMs, fire } = definition;
  const now = run.ports.now();
  run.transact(() => {
    const finish = onFinish && JSON.stringify(onFinish);
    const fireText = fire ? JSON.stringify(fire) : null;
    const timeoutAt = timeoutMs === null ? null : now + timeoutMs;
    run.sql.run(INSERT, name, now, now, fingerprint, finish, fireText, timeoutMs, timeoutAt, keepMs);
    for (const [i, node] of nodes.entries()) insertNode(run.sql, i, node);
  });
  run.reload();
  arm(run, now);
  const made = run.memory;
  return made
    ? { v: 1, ok: true, run: toRunRecord(run, made), replayed: false }
    : refuse("internal", "the run was written and is not there");
}
