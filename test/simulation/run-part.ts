/** One of the parts into which the seeds are cut, so that each core has its own. */
import { expect, inject, vi } from "vitest";
import { FAULT_KINDS } from "./faults.ts";
import { simulate } from "./simulate.ts";
import { Tally } from "./tally.ts";

export const PARTS = 2;
const DEFAULT_SEEDS = 2_000;

/** Moves and deeds that a run of some hundred seeds cannot lack. */
const DEEDS = [
  "single submission, batch, batch; not atomic, outcome unknown, known key, queue-full, draining, settings-needed, settings-stale, read, wait",
  "call open, call advance, call close, call configure, call drain, call wake, call deadTicket, dead ticket",
  "session, solo session, ticket, solo ticket, ticket retried, alarm, start of the object, evicted, drain, kill",
  "crash in company, crash while alone, stalled handler, clock back an hour, clock on an hour, background work failed",
  "setting paused, setting concurrency, setting depthLimit, setting draining, setting rate, setting fair",
  "known key, duplicate-task, replaced, submission repeated, replayed answer, key with another body",
  "EXPIRED, purged, discarded, cancel: CANCELLED, cancel: RUNNING, cancel: SUCCEEDED",
  "replay: SUCCEEDED, replay: FAILED, replay: CANCELLED, queue deleted",
  "answered from the cache, results purged, erased in the shard, erased in D1",
  "redriven, job: redrive, job: cancel, job: discard, job: draining, one dead letter too many",
  "webhook, webhook taken again, redeliver: pending",
  "NEW to BLOCKED, BLOCKED to QUEUED, BLOCKED to SCHEDULED, BLOCKED to GONE, changed: BLOCKED, task-blocked, end of a node",
  "SCHEDULED to GONE, QUEUED to GONE, RETRYING to GONE",
  "changed: SCHEDULED, changed: QUEUED, changed: RETRYING, task-running, rev-mismatch, QUEUED to SCHEDULED",
  "NEW to QUEUED, NEW to SCHEDULED, SCHEDULED to QUEUED, RETRYING to QUEUED, QUEUED to RUNNING, RUNNING to QUEUED",
  "RUNNING to GONE, RUNNING to RETRYING, RUNNING to SCHEDULED, RUNNING to FAILED, FAILED to GONE",
].flatMap((line) => line.split(", "));

/** All seeds of a part (SIMULATION_SEEDS of them over all parts), or SEED alone; fails where nothing much happened. */
export async function runPart(part: number): Promise<void> {
  silence();
  const tally = new Tally();
  const only = process.env.SEED;
  if (only !== undefined) {
    if (part === Number(only) % PARTS) await simulate([Number(only)], tally);
    return;
  }
  const seeds = inject("seeds") ?? DEFAULT_SEEDS;
  await simulate(seedsOf(part, seeds), tally);
  if (seeds < DEFAULT_SEEDS) return;
  const missing = [...FAULT_KINDS, ...DEEDS].filter((deed) => tally.of(deed) === 0);
  expect(missing, `did not happen; what did: ${tally}`).toEqual([]);
  expect(tally.of("step") / tally.of("seed")).toBeGreaterThan(100);
}

function* seedsOf(part: number, seeds: number): Generator<number> {
  for (let seed = part; seed < seeds; seed += PARTS) yield seed;
}

/** The product tells of each refused flush; a thousand lines say no more than the trace of a seed. */
export function silence(): void {
  for (const level of ["warn", "error"] as const) vi.spyOn(console, level).mockImplementation(() => {});
}
