/**
 * A worker arrives, with a ticket or without: a session where there is work that it can run, and its first tasks with
 * the same answer. With nothing to do nothing is written, so a late or doubled ticket costs a read of memory.
 * Must stay true: a stay has one session, however often it is asked for (or a lost answer would be a crash of each task).
 */
import { runnableBands } from "../../../core/pick.ts";
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { Handout, OpenAnswer, OpenRequest, Worker } from "../../../core/schema/session-rpc.ts";
import { ticketPatience } from "../../../core/tickets.ts";
import { afterOperation } from "../after.ts";
import type { Memory, Session } from "../memory.ts";
import { tellWaiters } from "../reads/wait.ts";
import type { Shard } from "../shard.ts";
import { takeNumber } from "../submit/reserve-seq.ts";
import { storedHandout } from "./advance.ts";
import { claim, knows, roomLeft } from "./claim.ts";
import { EMPTY_HANDOUT } from "./park.ts";
import { saveSession } from "./session-rows.ts";

/** Opens a session (its turn 0). `session: null` in the answer: nothing to do here now. */
export function open(shard: Shard, request: OpenRequest): OpenAnswer {
  const now = shard.ports.now();
  const { memory } = shard;
  if (request.ticket !== null) memory.tickets.delete(request.ticket);
  if (request.worker.kind === "consumer") memory.consumerTypes = request.worker.types;
  const same = openedBefore(memory, request.worker);
  if (same) return answerOf(shard, same, storedHandout(shard, same, [], now));
  const { settings } = memory;
  const opened = settings && hasWorkFor(shard, request, now) ? openSession(shard, request, settings, now) : null;
  if (opened) {
    tellWaiters(shard, opened.expired);
    memory.unheeded = 0;
    memory.probesHeldUntil = null;
  } else if (memory.lanes.queued > 0) {
    memory.unheeded++;
    memory.probesHeldUntil = now + ticketPatience(memory.unheeded);
  }
  afterOperation(shard, now);
  return answerOf(shard, opened?.session ?? null, { ...EMPTY_HANDOUT, tasks: opened?.tasks ?? [] });
}

function answerOf({ memory }: Shard, session: Session | null, handout: Handout): OpenAnswer {
  const { leaseMs = 0, lingerMs = 0 } = memory.settings ?? {};
  return { v: 1, ok: true, session: session?.id ?? null, slots: session?.slots ?? 0, leaseMs, lingerMs, handout };
}

/** The session of this very stay, where the answer that opened it was lost. */
function openedBefore(memory: Memory, { stay }: Worker): Session | null {
  if (stay === undefined) return null;
  for (const session of memory.sessions.values())
    if (session.worker.stay === stay && session.turn === 0) return session;
  return null;
}

/** Whether a claim for that worker would find a task, and there is room for one more session. */
function hasWorkFor(shard: Shard, request: OpenRequest, now: number): boolean {
  const { memory } = shard;
  const { lanes, limits, settings } = memory;
  if (shard.draining || lanes.queued === 0 || roomLeft(shard, now) <= 0) return false;
  let open = 0;
  for (const session of memory.sessions.values()) if (session.solo === request.solo) open++;
  if (open >= (request.solo ? 1 : (settings?.maxSessions ?? 0))) return false;
  const rules = { paused: settings?.paused ?? true, knows: knows(request.worker), solo: request.solo, limits, now };
  return runnableBands(lanes, rules).length > 0;
}

function openSession(shard: Shard, request: OpenRequest, settings: QueueSettings, now: number) {
  return shard.transact(() => {
    const leaseUntil = now + settings.leaseMs;
    const session: Session = {
      id: takeNumber(shard, now),
      worker: request.worker,
      solo: request.solo,
      slots: request.solo ? 1 : settings.slots,
      openedAt: now,
      leaseUntil,
      storedLease: leaseUntil,
      lastTurnAt: now,
      isOverdue: false,
      window: 0,
      turn: 0,
      handed: 0,
      claims: new Map(),
      begun: 0,
      cancels: 0,
      lost: [],
    };
    shard.memory.sessions.set(session.id, session);
    const { tasks, expired } = claim(shard, session, 0, Math.min(request.want, session.slots), now);
    saveSession(shard, session);
    return { session, tasks, expired };
  });
}
