/**
 * Runs seeds. A seed that fails tells what was violated, the last steps, and how to see it again; before that it is
 * shrunk: kinds of faults that it fails without are left out.
 */
import { FAULT_KINDS, type Fault, Faults } from "./faults.ts";
import { Tally } from "./tally.ts";
import { takeViolation } from "./violation.ts";
import { World } from "./world.ts";

/** Steps with faults; as many as it takes follow without. */
const FEWEST_STEPS = 100;
const MORE_STEPS = 25;
/** In which all must have ended. Time is a bound as well: patience with lost tickets grows to 5 minutes. */
const MOST_CALM_STEPS = 6_000;
const MOST_CALM_MS = 12 * 3_600_000;
const TOLD_STEPS = 60;

export interface Run {
  readonly error: unknown;
  readonly steps: number;
  readonly world: World;
}

/** Spoils the world before a step, to see that it is noticed. */
export type Spoil = (world: World) => void;

/** One seed from beginning to end. Never rejects. */
export async function runSeed(
  seed: number,
  tally: Tally,
  without: ReadonlySet<Fault> = new Set(),
  spoil: Spoil = () => {},
): Promise<Run> {
  takeViolation();
  const world = new World({ seed, without, tally });
  let steps = 0;
  try {
    const most = FEWEST_STEPS + (seed % MORE_STEPS);
    for (; steps < most && (await world.step()); steps++) spoil(world);
    world.calm();
    const deadline = world.timeline.now + MOST_CALM_MS;
    for (let calm = 0; calm < MOST_CALM_STEPS && world.timeline.now < deadline && !world.isDone; calm++) {
      if (!(await world.step())) break;
      steps++;
    }
    world.checkEnd();
    return { error: null, steps, world };
  } catch (error) {
    return { error, steps, world };
  }
}

/** @throws an Error that tells all about the first failing seed */
export async function simulate(seeds: Iterable<number>, tally: Tally, spoil?: Spoil): Promise<void> {
  for (const seed of seeds) {
    const run = await runSeed(seed, tally, new Set(), spoil);
    tally.count("seed");
    tally.count("step", run.steps);
    if (run.error) throw new Error(await describe(seed, run, spoil));
  }
}

async function describe(seed: number, run: Run, spoil?: Spoil): Promise<string> {
  const { without, last } = await shrink(seed, run, spoil);
  const kinds = new Faults(seed, new Tally(), without).kinds;
  return [
    `seed ${seed} fails at step ${run.steps}: ${messageOf(run.error)}`,
    `and with fewer faults, at step ${last.steps}: ${messageOf(last.error)}`,
    `it takes: ${kinds.join(", ") || "no fault at all"}`,
    ...last.world.trace.slice(-TOLD_STEPS),
    `again: SEED=${seed} npx vitest run --project simulation`,
  ].join("\n");
}

/** Leaves out one kind of fault after the other, as long as the seed still fails somehow. */
async function shrink(seed: number, run: Run, spoil?: Spoil): Promise<{ without: Set<Fault>; last: Run }> {
  const without = new Set<Fault>();
  let last = run;
  for (const kind of FAULT_KINDS) {
    const shorter = await runSeed(seed, new Tally(), new Set([...without, kind]), spoil);
    if (!shorter.error) continue;
    without.add(kind);
    last = shorter;
  }
  return { without, last };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
