/**
 * Brings a queue's settings to its shards. What is owed stands in `push` until the shard has answered: at once, then by
 * the alarm each 2 s. A shard that was down has them at the latest with its next submission (`settings-needed`).
 */
import type { QueueName } from "../../../core/ids.ts";
import type { QueueEntry } from "../../../core/schema/directory-rpc.ts";
import { callWithin, fanOut } from "../../stubs.ts";
import { write } from "../perform.ts";
import { type DirectoryState, done } from "../state.ts";
import { addressOf, findKept } from "./queue-entry.ts";

const OWE = `INSERT INTO push (queue, shard, version, try_at) SELECT ?1, value, ?2, ?3 FROM json_each(?4) WHERE true
  ON CONFLICT (queue, shard) DO UPDATE SET version = ?2, try_at = ?3`;
const OF_QUEUE = "SELECT queue, shard, version FROM push WHERE queue = ? ORDER BY shard";
const DUE = "SELECT queue, shard, version FROM push WHERE try_at <= ? ORDER BY try_at LIMIT ?";
const PUT_OFF = "UPDATE push SET try_at = ?3 WHERE queue = ?1 AND shard = ?2";
// A change since has raised `version`: that one is still owed.
const ACKED = "DELETE FROM push WHERE queue = ? AND shard = ? AND version <= ?";

export const PUSH_EVERY_MS = 2_000;
const ANSWER_WITHIN_MS = 1_000;
const MAX_PUSHES = 64;

export interface Push {
  readonly queue: QueueName;
  readonly shard: number;
  readonly version: number;
}

/** Owes an entry's settings to every object that the queue ever had. Inside a transaction. */
export function oweSettings(state: DirectoryState, entry: QueueEntry): Push[] {
  const { queue, shardsEver, settings } = entry;
  const shards = Array.from({ length: shardsEver }, (_, shard) => shard);
  const tryAt = state.ports.now() + PUSH_EVERY_MS;
  state.sql.run(OWE, queue, settings.version, tryAt, JSON.stringify(shards));
  return outstanding(state, queue);
}

/** What is owed to a queue's shards. */
export function outstanding(state: DirectoryState, queue: QueueName): Push[] {
  return state.sql.all<Push>(OF_QUEUE, queue);
}

/** What the alarm is to send now; the next try of each is 2 s ahead already. Inside a transaction. */
export function takeDuePushes(state: DirectoryState, now: number): Push[] {
  const due = state.sql.all<Push>(DUE, now, MAX_PUSHES);
  for (const { queue, shard } of due) state.sql.run(PUT_OFF, queue, shard, now + PUSH_EVERY_MS);
  return due;
}

/** Sends each shard the settings as they are now. Gives back how many have taken them. Never rejects. */
export async function sendSettings(state: DirectoryState, pushes: readonly Push[]): Promise<number> {
  const acked = await fanOut(pushes, (push) => sendOne(state, push));
  const taken = acked.filter((push) => push !== null);
  if (taken.length > 0)
    write(state, () => {
      for (const { queue, shard, version } of taken) state.sql.run(ACKED, queue, shard, version);
      return done({});
    });
  return taken.length;
}

async function sendOne(state: DirectoryState, push: Push): Promise<Push | null> {
  const settings = findKept(state, push.queue)?.settings;
  if (!settings) return null;
  const { ports } = state;
  const shard = addressOf(state, push.queue, push.shard);
  const answer = await callWithin(ports, ANSWER_WITHIN_MS, () => ports.shard(shard).configure({ v: 1, settings }));
  return answer.ok ? { ...push, version: settings.version } : null;
}
