/**
 * Whether a shard takes more, worked out in one place for whatever brings or ends tasks: submissions, redrives, portions
 * of jobs, purges. On the way of every submission: where there is room, nothing is made.
 */
import { MAX_OUTBOX_BYTES } from "../../../core/bytes.ts";
import { countOf } from "../../../core/count-of.ts";
import { type QueueSettings, shareOf } from "../../../core/schema/queue-settings.ts";
import { depthOf, type Memory } from "../memory.ts";
import type { Shard } from "../shard.ts";

export interface NoRoom {
  readonly code: "draining" | "queue-full" | "history-backlog" | "webhook-backlog";
  readonly detail: string;
}

const HISTORY_BACKLOG: NoRoom = {
  code: "history-backlog",
  detail: "history has not taken the last gigabyte of finished tasks",
};
const WEBHOOK_BACKLOG: NoRoom = {
  code: "webhook-backlog",
  detail: "receivers of webhooks have not taken the last gigabyte of deliveries",
};
const DRAINING: NoRoom = { code: "draining", detail: "the queue takes no new tasks until it is resumed" };

/** Why no task may end that need not; null: it may. Who has not heard of ends is no reason to keep tasks from ending. */
export function historyBacklog({ outbox }: Memory): NoRoom | null {
  return outbox.bytes > MAX_OUTBOX_BYTES ? HISTORY_BACKLOG : null;
}

/** Why nothing new is taken, however little is here; null: it is. */
export function backlogOf(memory: Memory): NoRoom | null {
  return historyBacklog(memory) ?? (memory.deliveries.bytes > MAX_OUTBOX_BYTES ? WEBHOOK_BACKLOG : null);
}

/** How many unfinished tasks may be here; of a queue that drains none that is new. */
export function limitOf({ address }: Shard, settings: QueueSettings): number {
  return settings.draining ? 0 : shareOf(settings.depthLimit, settings, address.shard);
}

/** Why nothing beyond the limit is taken. @param depth unfinished tasks that are here */
export function whyFull({ address }: Shard, settings: QueueSettings, depth: number): NoRoom {
  if (settings.draining) return DRAINING;
  const share = shareOf(settings.depthLimit, settings, address.shard);
  return {
    code: "queue-full",
    detail: `${depth} of at most ${countOf(share, "unfinished task is", "unfinished tasks are")} here`,
  };
}

/** How many more tasks the shard takes now; where that is none, why. */
export function roomIn(shard: Shard): { readonly room: number; readonly refusal: NoRoom | null } {
  const { memory } = shard;
  const { settings } = memory;
  if (!settings) return { room: 0, refusal: DRAINING };
  const depth = depthOf(memory);
  const room = Math.max(0, limitOf(shard, settings) - depth);
  const refusal = backlogOf(memory) ?? (room > 0 ? null : whyFull(shard, settings, depth));
  return { room: refusal ? 0 : room, refusal };
}
