/**
 * The latest fires of each schedule and how what they made has ended: written when the shard has taken the fire, and
 * again when it tells of the end. An end that comes first makes the row.
 */
import type { Answer, Versioned } from "../../core/schema/answer.ts";
import type { FireEnd } from "../../core/schema/workflow-rpc.ts";
import { write } from "./perform.ts";
import { type DirectoryState, done } from "./state.ts";

const MADE = `INSERT INTO fire (schedule, fire_at, made) VALUES (?1, ?2, ?3)
  ON CONFLICT (schedule, fire_at) DO NOTHING`;
const ENDED = `INSERT INTO fire (schedule, fire_at, made, status, ended_at, code)
  SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM schedule WHERE id = ?1)
  ON CONFLICT (schedule, fire_at) DO UPDATE SET made = ?3, status = ?4, ended_at = ?5, code = ?6`;
const FORGET = "DELETE FROM fire WHERE schedule = ?";
const TRIM = `DELETE FROM fire WHERE schedule = ?1 AND fire_at < (
  SELECT fire_at FROM fire WHERE schedule = ?1 ORDER BY fire_at DESC LIMIT 1 OFFSET ?2)`;

const MOST_KEPT = 100;

/** Inside a transaction. @param made a task or a run */
export function noteMade(state: DirectoryState, schedule: string, fireAt: number, made: string): void {
  state.sql.run(MADE, schedule, fireAt, made);
  state.sql.run(TRIM, schedule, MOST_KEPT - 1);
}

/** Inside a transaction. */
export function forgetMade(state: DirectoryState, schedule: string): void {
  state.sql.run(FORGET, schedule);
}

export async function fireEnded(
  state: DirectoryState,
  { ends }: Versioned & { readonly ends: readonly FireEnd[] },
): Promise<Answer<object>> {
  return write(state, () => {
    for (const { schedule, fireAt, made, status, endedAt, error } of ends)
      state.sql.run(ENDED, schedule, fireAt, made, status, endedAt, error?.code ?? null);
    return done({});
  });
}
