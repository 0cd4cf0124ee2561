/** What it takes to find a task: the door has it, and so have a LiveFeed, a run and a Directory. */
import type { Log } from "../core/log.ts";
import type { Ports } from "../core/ports.ts";
import type { KnownQueues } from "./known-queues.ts";

export interface TaskReader {
  readonly ports: Ports;
  readonly known: Pick<KnownQueues, "queueOfShard" | "firstSeq">;
  readonly log: Log;
}

/** The same, and whatever else is asked about queues. */
export interface Reader extends TaskReader {
  readonly known: KnownQueues;
}
