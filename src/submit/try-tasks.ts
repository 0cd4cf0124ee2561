/**
 * What would become of tasks, asked of the shard that would get them; where any shard may, of each. Nothing is written:
 * the object of a queue that is yet to be made answers as it stands, and makes no table.
 */
import { packTasks } from "../../core/pack-tasks.ts";
import { bestShard, namedShard, withoutStrays } from "../../core/placement.ts";
import type { TryAnswer } from "../../core/schema/explain-rpc.ts";
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
  const { settings } = entry;
  const decided =
    namedShard(settings, tasks, idempotency?.key).shard ??
    bestShard(settings, tasks) ??
    (settings.shards === 1 ? 0 : null);
  const numbers = decided === null ? Array.from({ length: settings.shards }, (_, shard) => shard) : [decided];
  const tooMuch = refuseTooMuch(tasks);
  const shards = await fanOut(numbers, async (shard) => {
    if (tooMuch) return { shard, answer: tooMuch };
    return { shard, answer: await tryAt(door, load, shard) };
  });
  return { decided, shards };
}

/** What decides is sent, which payloads are not: they may be megabytes, and go to every shard. */
function tryAt({ ports, log }: Door, load: Load, shard: number): Promise<TryAnswer> {
  const { tenant, entry, atomic, deadline, idempotency } = load;
  const { queue, settings, shardsEver } = entry;
  const makesQueue = shardsEver === 0;
  const light = withoutStrays(settings, load.tasks, shard).map((task) => ({ ...task, payload: "null" }));
  const told = { settingsVersion: settings.version, settings, atomic, makesQueue };
  const request = { v: 1 as const, ...told, tasks: packTasks(light) };
  const whom = `Shard ${shard} of ${queue}`;
  return ask(ports, log, { whom, ms: timeLeft(ports, deadline), lost: "unavailable" }, () =>
    ports.shard({ tenant, queue, shard }).trySubmit(idempotency === null ? request : { ...request, idempotency }),
  );
}
