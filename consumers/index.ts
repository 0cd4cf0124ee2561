/** Every message of every queue comes in here and is told by the name of its queue; names may carry a prefix. */

import type { Ticket } from "../core/schema/session-rpc.ts";
import type { DeadLetter, Env } from "../ports.ts";
import { takeDeadLetters } from "./dead-letters.ts";
import { takeDeadTicket } from "./dead-tickets.ts";
import { type ConsumerDeps, redeemTicket, ticketQueueOf } from "./tickets.ts";

/**
 * Works off a batch. In production the invocation waits for its sessions (waitUntil ends 30 s after a return); locally
 * the broker has one batch in flight a queue, so with DETACH=1 an opened session is handed to waitUntil: a quick task
 * behind a 4-second one of another shard took 3,800 ms without, 24 to 64 ms with it.
 */
export async function handleQueue(
  batch: MessageBatch<unknown>,
  env: Env,
  ctx: Pick<ExecutionContext, "waitUntil">,
  deps: ConsumerDeps,
): Promise<void> {
  if (batch.queue.endsWith("dead-tickets"))
    await Promise.all(batch.messages.map((message) => takeDeadTicket(message as Message<Ticket>, deps.ports)));
  else if (batch.queue.endsWith("dead-letters")) takeDeadLetters(batch as MessageBatch<DeadLetter>, deps.log);
  else {
    const queue = ticketQueueOf(batch.queue);
    const stays = await Promise.all(
      batch.messages.map((message) => redeemTicket(message as Message<Ticket>, queue, deps)),
    );
    const ended = Promise.all(stays.map((stay) => stay?.ended));
    // Suspects are always waited for: the one at a time of their queue is what makes them alone.
    if (env.DETACH === "1" && queue !== "solo") ctx.waitUntil(ended);
    else await ended;
  }
}
