/**
 * How much of what is QUEUED may not start now, by what holds it back: the queue as a whole, a type, a limitKey, that no
 * worker knows it, or that it runs alone. Counted over lanes in memory; nothing is read from tables.
 */

import type { Band } from "../../../core/bands.ts";
import type { Reason } from "../../../core/explain-reasons.ts";
import type { Standing } from "../../../core/limits.ts";
import type { NextAnswerOf } from "../../../core/schema/explain-rpc.ts";
import { type QueueSettings, shareOf, shareToTell } from "../../../core/schema/queue-settings.ts";
import {
  isFull,
  tellFull,
  tellNoFreeSlot,
  tellNoWorker,
  tellPaused,
  tellSolo,
  tellSpent,
  tellStopping,
  tokenTime,
  type Whose,
} from "../../../core/tell-reasons.ts";
import type { Session } from "../memory.ts";
import { freeSlots, stopOf } from "../running/claim.ts";
import type { Shard } from "../shard.ts";
import { isSoloBusy, knownVersion } from "./foresee.ts";

/** Those that hold the most tasks back are told. */
const MAX_TOLD = 50;

type Held = Pick<NextAnswerOf, "heldBack" | "heldByOthers">;

/** @returns also how many may start now, as far as the queue as a whole decides it */
export function findHeldBack(shard: Shard, settings: QueueSettings, now: number): Held & { readonly room: number } {
  const { free, held } = heldByTheirOwn(shard, now);
  const whole = wholeQueue(shard, settings, now);
  const told = whole.map(({ room, reason }) => ({ reason, count: Math.max(0, free - room) }));
  held.sort((a, b) => b.count - a.count);
  const heldByOthers = held.splice(MAX_TOLD).reduce((sum, { count }) => sum + count, 0);
  // Sentences are made for those alone that are told: 9,000 keys may hold something back.
  const others = held.flatMap(({ count, tell }) => tell().map((reason) => ({ reason, count })));
  const heldBack = [...told.filter(({ count }) => count > 0), ...others];
  return { heldBack, heldByOthers, room: Math.min(free, ...whole.map(({ room }) => room)) };
}

/** What may hold the queue back as a whole, and how many may start nevertheless. */
function wholeQueue(shard: Shard, settings: QueueSettings, now: number): { room: number; reason: Reason }[] {
  const { limits, running } = shard.memory;
  const { concurrency, maxSessions, paused, slots } = settings;
  const found: { room: number; reason: Reason }[] = [];
  if (paused) found.push({ room: 0, reason: tellPaused(shard.address.queue) });
  if (shard.draining) found.push({ room: 0, reason: tellStopping() });
  if (concurrency !== null) {
    const limit = shareOf(concurrency, settings, shard.address.shard);
    const room = Math.max(0, limit - running);
    found.push({
      room,
      reason: tellFull({ of: "queue" }, { running, limit, share: shareToTell(concurrency, settings) }, room),
    });
  }
  const { queue: rate } = limits?.standings({ type: "", limitKey: null }, now) ?? { queue: null };
  if (rate) {
    const at = rate.tokenAt(rate.tokens);
    found.push({ room: rate.tokens, reason: tellSpent({ of: "queue" }, rate, rate.tokens, at) });
  }
  const sessions = [...shard.memory.sessions.values()].filter(({ solo }) => !solo);
  if (sessions.length >= maxSessions && !sessions.some((session) => hasRoom(shard, session, now)))
    found.push({ room: 0, reason: tellNoFreeSlot(sessions.length, maxSessions, slots) });
  return found;
}

function hasRoom(shard: Shard, session: Session, now: number): boolean {
  return freeSlots(session) > 0 && stopOf(shard, session, now) === "no";
}

interface Group {
  readonly count: number;
  readonly tell: () => Reason[];
}

/** What is at a limit of its own, or without a worker; and how many tasks are not. */
function heldByTheirOwn({ memory }: Shard, now: number): { free: number; held: Group[] } {
  const { lanes, limits } = memory;
  const versions = new Map<string, number>();
  const unknown = new Map<Band, number>();
  const byKey = new Map<string, { room: number; held: number; readonly type: string }>();
  const byType = new Map<string, number>();
  let solo = 0;
  for (const { key, count, band } of lanes.all()) {
    if (count === 0) continue;
    const { type, limitKey, mode } = key;
    const known = versions.get(type) ?? knownVersion(memory, type);
    versions.set(type, known);
    if (known < key.version) {
      unknown.set(band, count + (unknown.get(band) ?? 0));
      continue;
    }
    let open = count;
    if (limitKey !== null && limits) {
      const ofKey = byKey.get(limitKey) ?? { room: limits.keyRoom(limitKey, now), held: 0, type };
      byKey.set(limitKey, ofKey);
      open = Math.min(count, ofKey.room);
      ofKey.room -= open;
      ofKey.held += count - open;
    }
    if (mode === "solo") solo += open;
    else byType.set(type, open + (byType.get(type) ?? 0));
  }
  const held: Group[] = [];
  for (const [{ type, version }, count] of unknown)
    held.push({ count, tell: () => [tellNoWorker(type, version, versions.get(type) ?? -1)] });
  for (const [limitKey, { held: count, type }] of byKey)
    if (count > 0)
      held.push({
        count,
        tell: () => tellUsedUp({ of: "key", limitKey }, limits?.standings({ type, limitKey }, now).key),
      });
  let free = 0;
  for (const [type, count] of byType) {
    const room = limits?.typeRoom(type, now) ?? count;
    free += Math.min(count, room);
    if (count > room)
      held.push({
        count: count - room,
        tell: () => tellUsedUp({ of: "type", type }, limits?.standings({ type, limitKey: null }, now).type),
      });
  }
  const soloRoom = isSoloBusy(memory) ? 0 : 1;
  if (solo > soloRoom) held.push({ count: solo - soloRoom, tell: () => [tellSolo(soloRoom === 0)] });
  return { free: free + Math.min(solo, soloRoom), held };
}

/** The limits of that kind that are used up, once those that have room have gone first. */
function tellUsedUp(whose: Whose, standing: Standing | null | undefined): Reason[] {
  if (!standing) return [];
  const { running, concurrency, tokens } = standing;
  const first = Math.min(tokens, concurrency === null ? Number.POSITIVE_INFINITY : Math.max(0, concurrency - running));
  const found: Reason[] = [];
  if (isFull(running, concurrency, first)) {
    const share = standing.share?.concurrency;
    found.push(tellFull(whose, { running, limit: concurrency, share }, first));
  }
  const at = tokenTime(standing, first);
  if (at !== null) found.push(tellSpent(whose, standing, first, at));
  return found;
}
