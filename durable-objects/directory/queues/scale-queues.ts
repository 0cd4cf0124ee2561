/**
 * Queues with `autoscale`: looked at each 15 s, their shards asked what waits, the number of shards changed where
 * core/autoscale says so. Each step is a change of settings like any other, and an operator event that gives its reason.
 * Must stay true: where a shard does not answer, nothing is decided, because what waits there is not known.
 */

import { type AutoscaleRule, type QueueLoad, type ScaleState, scale } from "../../../core/autoscale.ts";
import { countOf } from "../../../core/count-of.ts";
import type { QueueName } from "../../../core/ids.ts";
import type { QueueEntry } from "../../../core/schema/directory-rpc.ts";
import { noteEvent } from "../note-event.ts";
import { write } from "../perform.ts";
import { type DirectoryState, done } from "../state.ts";
import { summarizeShards } from "./ask-shards.ts";
import { oweSettings, type Push, sendSettings } from "./push-settings.ts";
import { findQueue, saveQueue } from "./queue-entry.ts";

const DUE = "SELECT queue FROM scaling WHERE look_at <= ? ORDER BY look_at LIMIT ?";
const PUT_OFF = "UPDATE scaling SET look_at = ?2 WHERE queue = ?1";
const FIND = "SELECT changed_at AS changedAt, low_since AS lowSince FROM scaling WHERE queue = ?";
const KEEP_LOW = "UPDATE scaling SET low_since = ?2 WHERE queue = ?1";
const CHANGED = "UPDATE scaling SET changed_at = ?2, low_since = ?3 WHERE queue = ?1";

export const LOOK_EVERY_MS = 15_000;
const MAX_LOOKS = 32;

/** What the alarm is to look at now; the next look at each is 15 s ahead already. Inside a transaction. */
export function takeDueLooks(state: DirectoryState, now: number): QueueName[] {
  const due = state.sql.all<{ queue: QueueName }>(DUE, now, MAX_LOOKS).map(({ queue }) => queue);
  for (const queue of due) state.sql.run(PUT_OFF, queue, now + LOOK_EVERY_MS);
  return due;
}

/** Never rejects. */
export async function scaleQueues(state: DirectoryState, queues: readonly QueueName[]): Promise<void> {
  await Promise.all(queues.map((queue) => scaleQueue(state, queue)));
}

async function scaleQueue(state: DirectoryState, queue: QueueName): Promise<void> {
  const entry = findQueue(state, queue);
  if (!entry?.settings.autoscale) return;
  const load = await measure(state, entry);
  if (load === null) return;
  const decided = write(state, () => done({ pushes: decide(state, entry, entry.settings.autoscale, load) }));
  if (decided.ok) await sendSettings(state, decided.pushes);
}

/** null: a shard did not answer. */
async function measure(state: DirectoryState, entry: QueueEntry): Promise<QueueLoad | null> {
  let waiting = 0;
  let oldest: number | null = null;
  for (const answer of await summarizeShards(state, entry)) {
    if (!answer.ok) return null;
    // What is at a limit is not helped by another shard. (Absent: a shard of an older version.)
    const { queued, oldestQueuedAt, ready = queued, oldestReadyAt = oldestQueuedAt } = answer.summary;
    waiting += ready;
    if (oldestReadyAt !== null) oldest = Math.min(oldest ?? oldestReadyAt, oldestReadyAt);
  }
  const oldestMs = oldest === null ? 0 : Math.max(0, state.ports.now() - oldest);
  return { shards: entry.settings.shards, waiting, oldestMs };
}

/** Inside a transaction. @returns the settings that are owed to shards now */
function decide(state: DirectoryState, seen: QueueEntry, rule: AutoscaleRule | null, load: QueueLoad): readonly Push[] {
  const { queue, createdAt } = seen;
  const { settings } = findQueue(state, queue) ?? {};
  const [before] = state.sql.all<ScaleState>(FIND, queue);
  // Changed by somebody meanwhile: what was measured is looked at again in 15 s.
  if (!settings || !rule || !before || settings.version !== seen.settings.version) return [];
  // A paused queue grows for another reason than too few shards.
  if (settings.paused) return [];
  const now = state.ports.now();
  const { step, lowSince } = scale(rule, load, before, now);
  if (step === null) {
    if (lowSince !== before.lowSince) state.sql.run(KEEP_LOW, queue, lowSince);
    return [];
  }
  const entry = saveQueue(state, queue, { ...settings, shards: step.shards, version: settings.version + 1 }, createdAt);
  state.sql.run(CHANGED, queue, now, lowSince);
  const detail = `${queue}: ${load.shards} to ${countOf(step.shards, "shard")}: ${step.reason}`;
  noteEvent(state, "queue-scaled", detail, queue);
  return oweSettings(state, entry);
}
