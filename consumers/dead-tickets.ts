/**
 * Tickets that no consumer could redeem in `max_retries` tries. No task is lost by that: the shard asks again by
 * itself. That it came to this is an operator's business, so it is told to the shard and to the tenant's events.
 */
import { parseShardName } from "../core/ids.ts";
import type { Ports } from "../core/ports.ts";
import type { Ticket } from "../core/schema/session-rpc.ts";
import { callWithin, directoryOf, shardOf } from "../durable-objects/stubs.ts";
import type { TicketMessage } from "./tickets.ts";

const CALL_TIMEOUT_MS = 10_000;

export async function takeDeadTicket(message: TicketMessage, ports: Ports): Promise<void> {
  const ticket: Ticket = message.body;
  const address = parseShardName(ticket.object);
  const told = await callWithin(ports, CALL_TIMEOUT_MS, () =>
    directoryOf(ports, address.tenant).report({
      v: 1,
      event: {
        kind: "dead-ticket",
        detail: `ticket ${ticket.ticket} of ${ticket.object} could not be redeemed`,
        queue: address.queue,
      },
    }),
  );
  const asked = await callWithin(ports, CALL_TIMEOUT_MS, () => shardOf(ports, address).deadTicket({ v: 1, ticket }));
  if (told.ok && asked.ok) message.ack();
  else message.retry({ delaySeconds: Math.min(300, 2 ** message.attempts) });
}
