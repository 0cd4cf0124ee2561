/**
 * A world in which runs of workflows live: two queues of two shards each, D1, and a worker that runs whatever is handed out
 * as each task's payload says. Calls between objects are late, lost, and their answers lost; objects die at their gates.
 */
import type { QueueName, RunId, ShardAddress } from "../../../core/ids.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { ShardRpc } from "../../../core/schema/rpc.ts";
import type { CreateRunRequest, RunRecord, WorkflowRpc } from "../../../core/schema/workflow-rpc.ts";
import { NodeD1 } from "../../support/node/d1.ts";
import { Random } from "../random.ts";
import { Life, Timeline } from "../timeline.ts";
import type { WorkflowFaults } from "./faults.ts";
import { Population, QUEUES, SHARDS, START } from "./population.ts";
import { LOST } from "./wire.ts";
import { Worker } from "./worker.ts";

const MOST_STEPS = 500_000;
const SILENT = "nobody answered";

export class WorkflowWorld {
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly faults: WorkflowFaults;
  readonly history = new NodeD1();
  /** Virtual ms until which D1 is away. */
  historyAwayUntil = 0;
  readonly #settings = new Map<string, QueueSettings>();
  readonly worker: Worker;
  readonly #users = new Life("users");
  readonly #population: Population;

  constructor(seed: number, faults: WorkflowFaults, settings: Partial<QueueSettings> = {}) {
    this.timeline.now = START;
    this.random = new Random(seed, "workflows");
    this.faults = faults;
    this.worker = new Worker(this.timeline, this.random, faults, (address) =>
      this.#population.shardRpc(address, this.worker.life),
    );
    const told = { ...DEFAULT_SETTINGS, version: 1, shards: SHARDS, keyShards: SHARDS, ...settings };
    for (const queue of QUEUES) this.#settings.set(queue, told);
    this.history.fault = () => {
      if (this.timeline.now < this.historyAwayUntil) throw new Error("D1_ERROR: simulated: away");
    };
    const { timeline, random, history, worker } = this;
    this.#population = new Population({ timeline, random, faults, history, worker, settings: this.#settings });
  }

  /** By name. */
  get shards(): Population["shards"] {
    return this.#population.shards;
  }
  get runs(): Population["runs"] {
    return this.#population.runs;
  }

  get now(): number {
    return this.timeline.now;
  }

  /** What everybody outside asks for it. */
  run(id: RunId): WorkflowRpc {
    return this.#population.runRpc(id, null);
  }

  /** Steps until it is so, at most `ms` of virtual time from now. @returns whether it came to be so */
  async until(isSo: () => boolean, ms: number): Promise<boolean> {
    const end = this.now + ms;
    // So that time does not leap over it where nothing else is to happen.
    this.timeline.after(ms, this.#users, "the end of the wait", () => {});
    for (let steps = 0; !isSo(); steps++) {
      const next = this.timeline.next();
      if (!next) return isSo();
      // Virtual time that does not pass: somebody asks on and on.
      if (steps > MOST_STEPS) throw new Error(`no end after ${steps} steps, at ${next.what}`);
      next.run();
      await drained();
      const objects = [...this.shards.values(), ...this.runs.values()];
      const hasWritten = objects.some(({ gate }) => gate.isOpen);
      for (const object of objects) object.settle();
      // What was let out is under way before time goes on: in a quiet world it would leap to whoever has waited in vain.
      if (hasWritten) await drained();
      // What has been taken off the timeline has happened, or it never would.
      if (this.now >= end) return isSo();
    }
    return true;
  }

  /** The answer of something asked, while the world goes on. */
  async ask<T>(question: Promise<T>, ms = 60_000): Promise<T> {
    let got: { readonly answer: T } | null = null;
    let failed: { readonly error: unknown } | null = null;
    question.then(
      (answer) => {
        got = { answer };
      },
      (error: unknown) => {
        failed = { error };
      },
    );
    await drained();
    for (const run of this.runs.values()) run.settle();
    for (const shard of this.shards.values()) shard.settle();
    await drained();
    await this.until(() => got !== null || failed !== null, ms);
    if (failed !== null) throw (failed as { readonly error: unknown }).error;
    if (got === null) throw new Error(SILENT);
    return (got as { readonly answer: T }).answer;
  }

  async create(id: RunId, request: Omit<CreateRunRequest, "v">): Promise<RunRecord> {
    for (;;) {
      try {
        const answer = await this.ask(this.run(id).create({ v: 1, ...request }));
        if (answer.ok) return answer.run;
        throw new Error(`${answer.code}: ${answer.detail}`);
      } catch (error) {
        if (!(error instanceof Error && (error.message === LOST || error.message === SILENT))) throw error;
      }
    }
  }

  /** Nothing happens here any more. */
  close(): void {
    for (const { gate } of [...this.shards.values(), ...this.runs.values()]) gate.database.close();
    this.history.sqlite.close();
  }

  /** As its object has it; null: there is none. */
  head(id: RunId) {
    return this.runs.get(id)?.instance.memory ?? null;
  }

  /** A shard, as users ask it. */
  shard(address: ShardAddress): ShardRpc {
    return this.#population.shardRpc(address, null);
  }

  /** A queue's settings change, and its shards hear of it. */
  change(queue: QueueName, changes: Partial<QueueSettings>): void {
    const before = this.#settings.get(queue) ?? DEFAULT_SETTINGS;
    const settings = { ...before, ...changes, version: before.version + 1 };
    this.#settings.set(queue, settings);
    for (const { instance } of this.shards.values())
      if (instance.address.queue === queue)
        void this.shard(instance.address)
          .configure({ v: 1, settings })
          .catch(() => {});
  }

  /** A queue is deleted with all that is in it, and made again; its shards may hear of it late. */
  remake(queue: QueueName): void {
    this.change(queue, { generation: (this.#settings.get(queue) ?? DEFAULT_SETTINGS).generation + 1 });
  }

  /** Something happens at random moments, as long as the world goes on. */
  each(low: number, high: number, what: string, act: () => void): void {
    this.timeline.after(this.random.between(low, high), this.#users, what, () => {
      act();
      this.each(low, high, what, act);
    });
  }
}

/** When all that was to follow at once has followed. */
export function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
