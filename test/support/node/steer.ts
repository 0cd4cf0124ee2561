/** Steers the faults of a service that runs test/support/entry.ts, and reads its counters. */
import type { Faults } from "../entry/faults.ts";
import type { ObjectCounts } from "../entry/object-counts.ts";
import type { Client } from "./client.ts";
import { type Service, startService } from "./service.ts";

export const ENTRY = "test/support/entry.ts";

/** What the door itself reads history and the clock with. */
export const DOOR = "door.";

/** A service with faults, none of which is set. */
export function startFaulty(env: Readonly<Record<string, string>> = {}): Promise<Service> {
  return startService({ entry: ENTRY, env: { LOG_LEVEL: "warn", ...env } });
}

/** Changes what goes wrong with a queue; what is not named stays. */
export function setFaults(client: Client, queue: string, faults: Partial<Faults>): Promise<Faults> {
  return client.expect(200, "PATCH", `/__faults/${queue}`, faults);
}

/** Sends the tickets that were held; gives back how many they were. */
export async function sendHeldTickets(client: Client, queue: string): Promise<number> {
  return (await client.expect<{ sent: number }>(200, "POST", `/__faults/${queue}/tickets`)).sent;
}

/** What the queue's first shard has done since it was asked the last time. */
export function takeCounts(client: Client, queue: string): Promise<ObjectCounts> {
  return client.expect(200, "POST", `/__counts/${queue}`);
}
