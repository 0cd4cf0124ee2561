/**
 * What would become of tasks, asked of the shard that would get them; where any shard may, of each. Nothing is written,
 * and a queue that is yet to be made has no shard to ask.
 */
import { explainWaiting } from "../../core/explain.ts";
import type { WaitingFacts } from "../../core/explain-facts.ts";
import { packTasks } from "../../core/pack-tasks.ts";
import { bestShard, namedShard, withoutStrays } from "../../core/placement.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { TriedTask, TryAnswer } from "../../core/schema/explain-rpc.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import { bornAs } from "../../core/submit-answer.ts";
import { fanOut } from "../../durable-objects/stubs.ts";
import { ask, timeLeft } from "../../reads/ask.ts";
import type { Door } from "../door.ts";
import { type Load, refuseTooMuch } from "./place-tasks.ts";

export interface Tried {
  /** The one that they would go to; null: any of those that were asked. */
  readonly decided: number | null;
  readonly shards: readonly { readonly shard: number; readonly answer: TryAnswer }[];
}

/** Never throws. */
export async function tryTasks(door: Door, load: Load): Promise<Tried> {
  const { entry, idempotency, tasks } = load;
  const { settings, shardsEver } = entry;
  const decided =
    namedShard(settings, tasks, idempotency?.key).shard ??
    bestShard(settings, tasks) ??
    (settings.shards === 1 ? 0 : null);
  const numbers = decided === null ? Array.from({ length: settings.shards }, (_, shard) => shard) : [decided];
  const tooMuch = refuseTooMuch(tasks);
  const shards = await fanOut(numbers, async (shard) => {
    if (tooMuch) return { shard, answer: tooMuch };
    return { shard, answer: shardsEver === 0 ? untouched(door, entry, tasks) : await tryAt(door, load, shard) };
  });
  return { decided, shards };
}

/** What decides is sent, which payloads are not: they may be megabytes, and go to every shard. */
function tryAt({ ports, log }: Door, load: Load, shard: number): Promise<TryAnswer> {
  const { tenant, entry, atomic, deadline, idempotency } = load;
  const { queue, settings } = entry;
  const light = withoutStrays(settings, load.tasks, shard).map((task) => ({ ...task, payload: "null" }));
  const request = { v: 1 as const, settingsVersion: settings.version, settings, atomic, tasks: packTasks(light) };
  const whom = `Shard ${shard} of ${queue}`;
  return ask(ports, log, { whom, ms: timeLeft(ports, deadline), lost: "unavailable" }, () =>
    ports.shard({ tenant, queue, shard }).trySubmit(idempotency === null ? request : { ...request, idempotency }),
  );
}

/** A queue that nobody has used takes them all, and holds nothing back. */
function untouched({ ports }: Door, { queue, settings }: QueueEntry, tasks: readonly NewTask[]): TryAnswer {
  const now = ports.now();
  const [only, ...more] = tasks.map((task) => ({ ...task, status: bornAs(task, now) }));
  const told = tasks.map((task): TriedTask => {
    const status = bornAs(task, now);
    return { accepted: true, status, ahead: more.length === 0 && status === "QUEUED" ? 0 : null };
  });
  const explanation =
    only === undefined || more.length > 0
      ? null
      : explainWaiting({ ...NOTHING_YET, now, queue, ...factsOf(only, settings) });
  return { v: 1, ok: true, tasks: told, replayed: false, explanation };
}

const NOTHING_YET = {
  isPaused: false,
  isStopping: false,
  knownVersion: Number.POSITIVE_INFINITY,
  concurrency: { running: 0, limit: null },
  standings: { queue: null, type: null, key: null },
  isSoloBusy: false,
  ahead: null,
} as const;

function factsOf(
  task: NewTask & Pick<WaitingFacts["task"], "status">,
  { maxSessions, slots }: QueueEntry["settings"],
): Pick<WaitingFacts, "task" | "workers"> {
  const { type, version, runAt, status } = task;
  const keys = { limitKey: task.limitKey ?? null, expiresAt: task.expiresAt ?? null };
  return {
    task: { type, version, runAt, status, ...keys, mode: "normal", spent: 0, crashes: 0, error: null },
    workers: { sessions: 0, maxSessions, slots, free: 0, tickets: 0, calledAt: null, unheeded: 0 },
  };
}
