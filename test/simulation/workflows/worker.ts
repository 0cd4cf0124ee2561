/** Whoever runs the tasks of this world: called by tickets, it does what each payload says, and tells it, or never does. */
import { parseShardName, type ShardAddress } from "../../../core/ids.ts";
import type { ShardRpc } from "../../../core/schema/rpc.ts";
import type { ClaimedTask, Outcome, Ticket } from "../../../core/schema/session-rpc.ts";
import type { Random } from "../random.ts";
import { Life, type Timeline } from "../timeline.ts";
import type { WorkflowFaults } from "./faults.ts";

/** What a task does, as its payload says. */
export interface Script {
  readonly ends: "succeeded" | "failed";
  readonly ms: number;
  readonly result?: unknown;
  readonly spawned?: string;
}

export class Worker {
  readonly life = new Life("worker");
  /** Each run of a task, in order. */
  readonly runs: string[] = [];
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #faults: WorkflowFaults;
  readonly #shard: (address: ShardAddress) => ShardRpc;

  constructor(timeline: Timeline, random: Random, faults: WorkflowFaults, shard: (address: ShardAddress) => ShardRpc) {
    this.#timeline = timeline;
    this.#random = random;
    this.#faults = faults;
    this.#shard = shard;
  }

  /** A ticket is on its way; it may be lost. */
  send(ticket: Ticket): void {
    if (this.#random.chance(this.#faults.lostRequest)) return;
    this.#timeline.after(this.#random.between(1, 30), this.life, "a ticket", () => {
      void this.#redeem(ticket).catch(() => {});
    });
  }

  async #redeem({ object, ticket, solo }: Ticket): Promise<void> {
    const address = parseShardName(object);
    const shard = this.#shard(address);
    const worker = { name: "w", kind: "consumer", types: { step: 1 }, boot: null } as const;
    const opened = await shard.open({ v: 1, ticket, solo, worker, want: 6 });
    if (!opened.ok || opened.session === null) return;
    const { session } = opened;
    const outcomes = opened.handout.tasks.map((task) => this.#run(task, address));
    const ms = Math.max(0, ...outcomes.map(({ endedAt, startedAt }) => endedAt - startedAt));
    if (this.#random.chance(this.#faults.mute)) return;
    this.#timeline.after(ms, this.life, "the worker is done", () => {
      void shard.close({ v: 1, session, turn: 1, outcomes }).catch(() => {});
    });
  }

  #run({ seq, attempt, payload }: ClaimedTask, { queue, shard }: ShardAddress): Outcome {
    const { ends, ms, result = null, spawned } = JSON.parse(payload) as Script;
    const { now } = this.#timeline;
    const times = { seq, attempt, startedAt: now, endedAt: now + ms };
    this.runs.push(`${queue}.${shard}.${seq}`);
    const error = { code: "handler-error", message: "no", class: "Error" } as const;
    if (ends === "failed") return { ...times, kind: "failed", retryable: false, error };
    return { ...times, kind: "succeeded", result: JSON.stringify(result), ...(spawned !== undefined && { spawned }) };
  }
}
