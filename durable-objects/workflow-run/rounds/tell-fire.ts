/** A run that is a schedule's fire: the Directory hears how it ended. */
import { asked, attempt, isFree } from "../reach.ts";
import type { Run, RunMemory } from "../run.ts";

const FIRE = "fire";

/** @returns whether anything changed */
export async function tellFire(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  const { head } = memory;
  const { fire, status, endedAt } = head;
  if (fire === null || head.isFireTold || status === "RUNNING" || !isFree(run, FIRE, now)) return false;
  return await attempt(run, FIRE, async () => {
    const end = { ...fire, made: run.id, status, endedAt: endedAt ?? now, error: null } as const;
    await asked(run, () => run.ports.directory(run.tenant).fireEnded({ v: 1, ends: [end] }));
    run.change(memory, () => {
      // Taken up again meanwhile: it will have another end.
      if (head.endedAt !== endedAt) return;
      head.isFireTold = true;
      run.saveHead();
    });
  });
}
