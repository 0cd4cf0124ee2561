/** Takes the queue's settings from the Directory, or from a submission that brings newer ones. Older ones change nothing. */

import type { Answer, Versioned } from "../../core/schema/answer.ts";
import type { QueueSettings } from "../../core/schema/queue-settings.ts";
import { afterOperation } from "./after.ts";
import type { Shard } from "./shard.ts";

const KEEP_SETTINGS = `INSERT INTO shard (one, seq_reserved, settings) VALUES (1, ?1, ?2)
  ON CONFLICT (one) DO UPDATE SET settings = ?2`;

export function configure(shard: Shard, request: Versioned & { readonly settings: QueueSettings }): Answer<object> {
  if (request.settings.version > (shard.memory.settings?.version ?? 0)) {
    shard.transact(() => adoptSettings(shard, request.settings));
    shard.memory.probesHeldUntil = null;
    afterOperation(shard, shard.ports.now());
  }
  return { v: 1, ok: true };
}

/** Inside a transaction. */
export function adoptSettings(shard: Shard, settings: QueueSettings): void {
  const { memory } = shard;
  shard.sql.run(KEEP_SETTINGS, memory.seqReserved, JSON.stringify(settings));
  memory.settings = settings;
}
