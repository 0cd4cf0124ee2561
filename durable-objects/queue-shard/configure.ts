/** Takes the queue's settings from the Directory, or from a submission that brings newer ones. Older ones change nothing. */

import type { Answer, Versioned } from "../../core/schema/answer.ts";
import { type QueueSettings, withDefaults } from "../../core/schema/queue-settings.ts";
import { afterOperation } from "./after.ts";
import { AT_ONCE } from "./ended/delivery-rows.ts";
import { forgetAll } from "./forget-all.ts";
import { beginTurns, countLimits } from "./memory.ts";
import { tellNobody } from "./reads/wait.ts";
import type { Shard } from "./shard.ts";
import { rereadWindows } from "./waiting/lane-rows.ts";

const KEEP_SETTINGS = `INSERT INTO shard (one, seq_reserved, settings) VALUES (1, ?1, ?2)
  ON CONFLICT (one) DO UPDATE SET settings = ?2`;

export function configure(shard: Shard, request: Versioned & { readonly settings: QueueSettings }): Answer<object> {
  const { settings } = request;
  if (settings.version <= (shard.memory.settings?.version ?? 0)) return { v: 1, ok: true };
  const isAnother = isAnotherQueue(shard, settings);
  shard.transact(() => {
    if (isAnother) forgetAll(shard);
    adoptSettings(shard, settings);
  });
  if (isAnother) tellNobody(shard);
  shard.memory.probesHeldUntil = null;
  afterOperation(shard, shard.ports.now());
  return { v: 1, ok: true };
}

/** Whether what the shard holds is of a queue that was deleted. */
export function isAnotherQueue({ memory }: Shard, { deleted, generation }: QueueSettings): boolean {
  return memory.settings !== null && (deleted || generation > memory.settings.generation);
}

/** Inside a transaction. */
export function adoptSettings(shard: Shard, settings: QueueSettings): void {
  const { memory } = shard;
  // A Directory from before there were webhooks says nothing of them, which is no word that they are gone.
  const { hooks = memory.settings?.hooks } = settings;
  const kept = hooks ? { ...settings, hooks } : settings;
  shard.sql.run(KEEP_SETTINGS, memory.seqReserved, JSON.stringify(kept));
  const { deliveries } = memory;
  // A secret may have come that they wait for, or who they are for may be gone.
  if (deliveries.pending > 0) deliveries.next = AT_ONCE;
  const before = memory.settings;
  memory.settings = withDefaults(kept);
  countLimits(memory, shard.address.shard, shard.ports.now());
  if (JSON.stringify(before?.fair) !== JSON.stringify(memory.settings.fair)) beginTurns(memory);
  if ((before?.ageStepMs == null) !== (memory.settings.ageStepMs === null)) rereadWindows(memory, shard.sql);
}
