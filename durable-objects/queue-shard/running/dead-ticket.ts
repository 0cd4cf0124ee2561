/** Cloudflare gave up on a ticket: whatever was wrong with it, the work is asked for again. */

import type { Answer, Versioned } from "../../../core/schema/answer.ts";
import type { Ticket } from "../../../core/schema/session-rpc.ts";
import { afterOperation } from "../after.ts";
import type { Shard } from "../shard.ts";

export function deadTicket(shard: Shard, request: Versioned & { readonly ticket: Ticket }): Answer<object> {
  shard.memory.tickets.delete(request.ticket.ticket);
  afterOperation(shard, shard.ports.now());
  return { v: 1, ok: true };
}
