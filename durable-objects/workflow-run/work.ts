/**
 * What a run does, called by its alarm: as long as there is something to do, one thing after the other, each a call that
 * may be repeated and a transaction that says that it was done. Ends, signals and cancellations come in meanwhile and are
 * seen by the next round.
 * Must stay true: it never throws, and whenever it stops the alarm is set for what is left.
 */
import { describeThrown } from "../../core/log.ts";
import { arm, armNext } from "./arm.ts";
import { forgetPast } from "./asked/erase.ts";
import { WORK } from "./reach.ts";
import { expand } from "./rounds/expand.ts";
import { finish } from "./rounds/finish.ts";
import { LIST, listRun } from "./rounds/list-run.ts";
import { look } from "./rounds/look.ts";
import { place } from "./rounds/place.ts";
import { release } from "./rounds/release.ts";
import { settle } from "./rounds/settle.ts";
import { tellEnds } from "./rounds/tell-ends.ts";
import { tellFire } from "./rounds/tell-fire.ts";
import type { Run, RunMemory } from "./run.ts";
import { stopOverdue } from "./stop.ts";

/** An invocation may make a thousand calls: after so many rounds the alarm begins another one. */
const MOST_ROUNDS = 100;

export async function work(run: Run): Promise<void> {
  run.alarmAt = null;
  if (run.isWorking) {
    run.hasNews = true;
    return;
  }
  run.isWorking = true;
  try {
    for (let round = 1; round <= MOST_ROUNDS; round++) {
      run.hasNews = false;
      const isChanged = await workOnce(run);
      if (!isChanged && !run.hasNews) break;
      run.hasNews = true;
    }
    run.held.release(WORK);
    if (run.memory) run.transact(() => run.held.keep(run.sql, run.roundAt, run.listing ? LIST : null));
  } catch (error) {
    run.log("error", "workflow-failed", { run: run.id, detail: describeThrown(error) });
    run.reload();
    run.held.hold(WORK, describeThrown(error), run.ports.now(), run.ports.random);
  } finally {
    run.isWorking = false;
    if (run.hasNews) arm(run, run.ports.now());
    else armNext(run);
  }
  // Nothing else would wake it for that. While a run goes on, its work waits for nothing that D1 does.
  if (run.memory?.head.status !== "RUNNING") await run.listing;
}

/** @returns whether anything changed */
async function workOnce(run: Run): Promise<boolean> {
  const { memory } = run;
  if (!memory) return false;
  const now = run.ports.now();
  run.roundAt = now;
  startListing(run, memory, now);
  if (memory.head.status !== "RUNNING") {
    const isTold = await tellFire(run, memory, now);
    return (await forgetPast(run, memory, now)) || isTold;
  }
  const isStopped = stopOverdue(run, memory, now);
  if (settle(run, memory, now) || isStopped) return true;
  // Side by side: a shard that does not answer holds up nothing but what is its own.
  const done = await Promise.all([
    expand(run, memory, now),
    place(run, memory, now),
    release(run, memory, now),
    tellEnds(run, memory, now),
    look(run, memory, now),
  ]);
  return done.some(Boolean) || (await finish(run, memory, now));
}

/** Beside the work; when it is done, what the list does not know yet is told next. */
function startListing(run: Run, memory: RunMemory, now: number): void {
  if (run.listing) return;
  run.listing = listRun(run, memory, now).finally(() => {
    run.listing = null;
    if (!run.isWorking) armNext(run);
  });
  run.host.keepAlive(run.listing);
}
