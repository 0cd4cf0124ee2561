/** All of a queue's shards are asked one thing, and each must answer: what lacked one's would be taken for the whole. */
import type { QueueName, ShardAddress } from "../../core/ids.ts";
import type { Answer } from "../../core/schema/answer.ts";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import { fanOut } from "../../durable-objects/stubs.ts";
import { answered, ask, deadlineOf, timeLeft } from "../../reads/ask.ts";
import type { Ctx, Door } from "../door.ts";
import { unknownQueue } from "../routes/queue-name.ts";

/** Every object that the queue ever had. @param pointer where it was named @throws Problem queue-unknown */
export async function shardsOf(
  door: Door,
  c: Ctx,
  queue: QueueName,
  pointer: "/queue" | "?queue",
): Promise<ShardAddress[]> {
  const entry = await door.known.queue(queue, false, deadlineOf(door.ports));
  if (entry === null) throw unknownQueue(queue, pointer);
  const { tenant } = c.env;
  return Array.from({ length: entry.shardsEver }, (_, shard) => ({ tenant, queue, shard }));
}

/** @throws Problem where one of them does not answer */
export async function askEach<T>(
  door: Door,
  shards: readonly ShardAddress[],
  question: (shard: ShardRpc, at: ShardAddress) => Promise<Answer<T>>,
) {
  const deadline = deadlineOf(door.ports);
  return await fanOut(shards, async (at) => {
    const whom = `Shard ${at.shard} of ${at.queue}`;
    const ms = timeLeft(door.ports, deadline);
    const asked = ask(door.ports, door.log, { whom, ms, lost: "unavailable" }, () =>
      question(door.ports.shard(at), at),
    );
    return { at, answer: answered(await asked) };
  });
}
