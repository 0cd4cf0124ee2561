/**
 * Redeems tickets: a message is permission to work, and which task that is, the shard decides now. The message is acked
 * once the shard has answered; one whose shard cannot be reached is tried again later, and after `max_retries` lands
 * in `dead-tickets`.
 */
import { parseShardName, type ShardAddress } from "../core/ids.ts";
import { type Ports, TICKET_QUEUES, type TicketQueue } from "../core/ports.ts";
import type { OpenAnswer, OpenRequest, Ticket, Worker } from "../core/schema/session-rpc.ts";
import { callWithin, shardOf } from "../durable-objects/stubs.ts";
import { type Registry, workerTypes } from "./handlers/compose.ts";
import type { HandlerEnv, LogSink } from "./handlers/define.ts";
import { runSession } from "./session.ts";
import { SessionPlan } from "./session-plan.ts";

export interface ConsumerDeps {
  readonly ports: Ports;
  readonly registry: Registry;
  readonly env: HandlerEnv;
  readonly log: LogSink;
  readonly drainMs: number;
}

/** What a ticket's message must be told; Cloudflare's `Message` fits. */
export interface TicketMessage {
  readonly body: Ticket;
  readonly attempts: number;
  ack(): void;
  retry(options: { delaySeconds: number }): void;
}

/** For all tries of it together. */
const OPEN_TIMEOUT_MS = 10_000;
const MOST_OPENS = 4;
/** 50 ms before the second try, twice as long before each one after it. */
const OPEN_AGAIN_MS = 25;

/** A session that was opened. A promise inside an object: by itself an async function's caller would wait for it too. */
export interface Stay {
  readonly ended: Promise<void>;
}

/** Opens a session and acks, or asks for the ticket again later. @returns null where there is no session to wait for */
export async function redeemTicket(
  message: TicketMessage,
  queue: TicketQueue,
  deps: ConsumerDeps,
): Promise<Stay | null> {
  const { ports } = deps;
  const ticket = message.body;
  const address = parseShardName(ticket.object);
  const solo = queue === "solo";
  const stay = ports.uuid();
  const worker: Worker = {
    name: `consumer-${stay.slice(0, 8)}`,
    kind: "consumer",
    types: workerTypes(deps.registry),
    boot: ports.boot,
    stay,
  };
  const answer = await openPatiently(ports, address, {
    v: 1,
    ticket: ticket.ticket,
    solo,
    worker,
    want: MOST_AT_FIRST,
  });
  if (!answer.ok) {
    deps.log("warn", "ticket-not-redeemed", { object: ticket.object, code: answer.code, detail: answer.detail });
    message.retry({ delaySeconds: Math.min(30, message.attempts) });
    return null;
  }
  message.ack();
  if (answer.session === null) return null;
  const plan = new SessionPlan({ ...answer, session: answer.session }, answer.handout, solo, ports.now());
  const ended = runSession(plan, {
    ...deps,
    address,
    worker: worker.name,
    connect: () => shardOf(ports, address),
    onProgress: () => {},
    isWanted: async () => (await ports.ticketBacklog(queue)) > 0,
  });
  return { ended };
}

/** Asks again where no answer came: the session that it may have opened is waiting for its worker. */
async function openPatiently(ports: Ports, address: ShardAddress, request: OpenRequest): Promise<OpenAnswer> {
  const giveUpAt = ports.now() + OPEN_TIMEOUT_MS;
  for (let tries = 1; ; tries++) {
    const left = Math.max(0, giveUpAt - ports.now());
    const answer = await callWithin<OpenAnswer>(ports, left, () => shardOf(ports, address).open(request));
    const isOver = answer.ok || answer.code !== "unavailable" || tries === MOST_OPENS || ports.now() >= giveUpAt;
    if (isOver) return answer;
    await new Promise<void>((resolve) => ports.later(OPEN_AGAIN_MS * 2 ** tries, resolve));
  }
}

/** The shard cuts it to the session's slots. */
const MOST_AT_FIRST = 64;

/** Which ticket queue a message came by: the last part of the Cloudflare queue's name. */
export function ticketQueueOf(name: string): TicketQueue {
  if (name.endsWith("-solo")) return "solo";
  const number = Number(name.slice(name.lastIndexOf("-") + 1));
  if (!(number >= 0 && number < TICKET_QUEUES)) throw new Error(`not a ticket queue: ${name}`);
  return number;
}
