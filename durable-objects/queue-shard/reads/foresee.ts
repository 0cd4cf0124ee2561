/**
 * A shard's lanes, limits and turns, copied to look ahead on: what is started on the copy is started nowhere. Nothing is
 * written, and of the tables the index of waiting tasks is read, a window at a time.
 * With a handful of lanes a copy takes some 10 µs, with 9,000 limitKeys 10 to 15 ms; each 1,000 tasks run forward 1 ms.
 */
import { Fair } from "../../../core/fair.ts";
import { Foresight, type ForesightOf } from "../../../core/foresee.ts";
import type { Seq } from "../../../core/ids.ts";
import { WINDOW } from "../../../core/lane-window.ts";
import type { Lane, LaneKey } from "../../../core/lanes.ts";
import { hasLimits, Limits } from "../../../core/limits.ts";
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import { claimsOf, type Memory } from "../memory.ts";
import type { Shard } from "../shard.ts";
import { readWindow } from "../waiting/lane-rows.ts";

export interface Looked {
  /** Lanes that are left out are as if they were empty. */
  readonly isWanted?: (key: LaneKey) => boolean;
  /** Of that limitKey alone: of 9,000 others none is looked at. */
  readonly limitKey?: string | null;
  /** As if nothing limited what starts. */
  readonly isUnlimited?: boolean;
  /** As if a worker were there that knows every type. */
  readonly isForAnyWorker?: boolean;
  /** Tasks that nobody has submitted yet, as if they waited; younger than whatever does, in order. */
  readonly others?: readonly { readonly seq: Seq; readonly key: LaneKey }[];
}

/** Seqs of a window that are copied; most lanes give fewer. */
const COPIED = 16;

/** The shard as it stands, to be run forward; for workers that know what those here have shown to know. */
export function foresee(shard: Shard, settings: QueueSettings, now: number, looked: Looked = {}): Foresight {
  const { memory, sql } = shard;
  const { isWanted = () => true, isUnlimited = false, isForAnyWorker = false, limitKey = null, others = [] } = looked;
  const lanes = memory.lanes.copy(COPIED, isWanted, limitKey);
  const added = new Map<Lane, Seq[]>();
  for (const { seq, key } of others) {
    if (!isWanted(key)) continue;
    const lane = lanes.find(key) ?? lanes.add(-1 - added.size, key);
    lanes.enqueue(lane, seq);
    const same = added.get(lane);
    if (same) same.push(seq);
    else added.set(lane, [seq]);
  }
  const refill = (lane: Lane): void => {
    const [seqs, sinces] = memory.hasTables ? readWindow(sql, memory, lane) : [[]];
    for (const seq of added.get(lane) ?? []) if (seqs.length < WINDOW && seq > lane.edge) seqs.push(seq);
    lanes.refill(lane, seqs, sinces);
  };
  const limits =
    isUnlimited || !hasLimits(settings)
      ? null
      : new Limits(
          settings,
          { shard: shard.address.shard, lanes, running: claimsOf(memory.sessions), levels: new Map(memory.levels) },
          now,
        );
  const rules: ForesightOf["rules"] = {
    knows: (type, version) => isForAnyWorker || knownVersion(memory, type) >= version,
    limits,
    fair: settings.fair && (memory.fair?.copy() ?? new Fair(settings.fair.weights ?? {})),
    ageStepMs: settings.ageStepMs,
    now,
  };
  const soloRoom = isUnlimited ? Number.POSITIVE_INFINITY : isSoloBusy(memory) ? 0 : 1;
  return new Foresight({ lanes, rules, soloRoom, refill });
}

/**
 * The highest version of a type that a worker here has shown to know: a consumer of those that came last, or whoever has
 * a session. Infinity where none has come yet, so that nothing is known; -1: none of them knows the type.
 */
export function knownVersion({ consumerTypes, sessions }: Memory, type: string): number {
  if (consumerTypes === null) return Number.POSITIVE_INFINITY;
  let known = versionIn(consumerTypes, type);
  for (const { worker } of sessions.values()) known = Math.max(known, versionIn(worker.types, type));
  return known;
}

function versionIn(types: Readonly<Record<string, number>>, type: string): number {
  return Object.hasOwn(types, type) ? (types[type] ?? -1) : -1;
}

/** Whether a task runs alone, so that no other that must may start. */
export function isSoloBusy({ sessions }: Memory): boolean {
  for (const { solo, claims } of sessions.values()) if (solo && claims.size > 0) return true;
  return false;
}
