/** The list of runs in D1: a projection, which nothing depends on. Written when a run begins and when it ends. */
import { attempt, isFree } from "./reach.ts";
import type { Run, RunMemory } from "./run.ts";

const UPSERT = `INSERT INTO workflow (tenant, id, name, status, created_at, ended_at, nodes)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
  ON CONFLICT (tenant, created_at, id) DO UPDATE SET status = ?4, ended_at = ?6, nodes = ?7`;
const DELETE = "DELETE FROM workflow WHERE tenant = ?1 AND created_at = ?2 AND id = ?3";
const LIST = "list";

/** @returns whether anything changed */
export async function listRun(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  const { head, nodes } = memory;
  const { status } = head;
  if (head.listed === status || !isFree(run, LIST, now)) return false;
  return await attempt(run, LIST, async () => {
    const database = run.ports.history(0);
    if (!database) return;
    const values = [run.tenant, run.id, head.name, status, head.createdAt, head.endedAt, nodes.length] as const;
    await database
      .prepare(UPSERT)
      .bind(...values)
      .run();
    run.change(memory, () => {
      head.listed = status;
      run.saveHead();
    });
  });
}

export async function unlistRun(run: Run, { head }: RunMemory): Promise<void> {
  await run.ports.history(0)?.prepare(DELETE).bind(run.tenant, head.createdAt, run.id).run();
}
