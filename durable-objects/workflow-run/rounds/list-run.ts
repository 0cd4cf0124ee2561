/** The list of runs in D1: a projection, which nothing depends on. Written when a run is a second old, and when it ends. */
import { within } from "../../../history/within.ts";
import { attempt, isFree } from "../reach.ts";
import type { Run, RunMemory } from "../run.ts";

const UPSERT = `INSERT INTO workflow (tenant, id, name, status, created_at, ended_at, nodes)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
  ON CONFLICT (tenant, created_at, id) DO UPDATE SET status = ?4, ended_at = ?6, nodes = ?7`;
const DELETE = "DELETE FROM workflow WHERE tenant = ?1 AND created_at = ?2 AND id = ?3";
export const LIST = "list";
/** A run that has ended by then is told once. */
const LIST_AFTER_MS = 1_000;
/** Nodes may wait for the same round of work. */
const D1_WITHIN_MS = 2_000;

/** @returns whether anything changed */
export async function listRun(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  const { head, nodes } = memory;
  const { status } = head;
  const at = listAt(run, memory, now);
  if (at === null || at > now) return false;
  return await attempt(run, LIST, async () => {
    const database = run.ports.history(0);
    if (!database) return;
    const values = [run.tenant, run.id, head.name, status, head.createdAt, head.endedAt, nodes.length] as const;
    const statement = database.prepare(UPSERT).bind(...values);
    await within(run.ports, D1_WITHIN_MS, statement.run());
    run.change(memory, () => {
      head.listed = status;
      run.saveHead();
    });
  });
}

/** When the list is to hear of it (Unix ms); null: it knows, is being told, or did not answer and is held. */
export function listAt(run: Run, { head }: RunMemory, now: number): number | null {
  const isTold = head.listed === head.status || run.listing !== null || run.isForgetting;
  if (isTold || !isFree(run, LIST, now) || run.ports.history(0) === null) return null;
  return head.status === "RUNNING" ? head.createdAt + LIST_AFTER_MS : now;
}

export async function unlistRun({ ports, tenant, id }: Run, { head }: RunMemory): Promise<void> {
  const statement = ports.history(0)?.prepare(DELETE).bind(tenant, head.createdAt, id);
  if (statement) await within(ports, D1_WITHIN_MS, statement.run());
}
