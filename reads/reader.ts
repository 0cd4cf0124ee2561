/** What it takes to find a task: the door has it, and so has a LiveFeed. */
import type { Log } from "../core/log.ts";
import type { Ports } from "../core/ports.ts";
import type { KnownQueues } from "./known-queues.ts";

export interface Reader {
  readonly ports: Ports;
  readonly known: KnownQueues;
  readonly log: Log;
}
