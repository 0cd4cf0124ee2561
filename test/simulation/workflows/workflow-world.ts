/**
 * A world in which runs of workflows live: two queues of two shards each, D1, and a worker that runs whatever is handed out
 * as each task's payload says. Calls between objects are late, lost, and their answers lost; objects die at their gates.
 */
import { DEFAULT_TENANT, type QueueName, type RunId, type ShardAddress, shardName } from "../../../core/ids.ts";
import type { Ports } from "../../../core/ports.ts";
import type { DirectoryRpc } from "../../../core/schema/directory-rpc.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { ShardRpc } from "../../../core/schema/rpc.ts";
import type { CreateRunRequest, RunRecord, WorkflowRpc } from "../../../core/schema/workflow-rpc.ts";
import { onAlarm } from "../../../durable-objects/queue-shard/alarm.ts";
import { failure, Shard } from "../../../durable-objects/queue-shard/shard.ts";
import { cancel } from "../../../durable-objects/workflow-run/cancel.ts";
import { create } from "../../../durable-objects/workflow-run/create.ts";
import { ended } from "../../../durable-objects/workflow-run/ended.ts";
import { erase } from "../../../durable-objects/workflow-run/erase.ts";
import { eraseNode } from "../../../durable-objects/workflow-run/erase-node.ts";
import { read } from "../../../durable-objects/workflow-run/read.ts";
import { readNode } from "../../../durable-objects/workflow-run/read-node.ts";
import { retry } from "../../../durable-objects/workflow-run/retry.ts";
import { Run, refuse } from "../../../durable-objects/workflow-run/run.ts";
import { signal } from "../../../durable-objects/workflow-run/signal.ts";
import { work } from "../../../durable-objects/workflow-run/work.ts";
import { NodeD1 } from "../../support/node/d1.ts";
import { type AnswerOf, type Method, operationOf, type RequestOf } from "../operations.ts";
import { Random } from "../random.ts";
import { Life, Timeline } from "../timeline.ts";
import type { WorkflowFaults } from "./faults.ts";
import { Hosted } from "./objects.ts";
import { LOST, type Release, Wire } from "./wire.ts";
import { Worker } from "./worker.ts";

/** 2026-01-01 in the timeline's time. */
export const START = Date.UTC(2026, 0, 1);
const QUEUES = ["a", "b"] as const;
const SHARDS = 2;
const MOST_STEPS = 500_000;
const SILENT = "nobody answered";

export class WorkflowWorld {
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly faults: WorkflowFaults;
  readonly history = new NodeD1();
  readonly shards = new Map<string, Hosted<Shard>>();
  readonly runs = new Map<RunId, Hosted<Run>>();
  /** Virtual ms until which D1 is away. */
  historyAwayUntil = 0;
  readonly #settings = new Map<string, QueueSettings>();
  readonly worker: Worker;
  readonly #users = new Life("users");
  readonly #wire: Wire;
  #uuids = 0;

  constructor(seed: number, faults: WorkflowFaults, settings: Partial<QueueSettings> = {}) {
    this.timeline.now = START;
    this.random = new Random(seed, "workflows");
    this.faults = faults;
    this.#wire = new Wire(this.timeline, this.random, faults);
    this.worker = new Worker(this.timeline, this.random, faults, (address) =>
      this.#shardRpc(address, this.worker.life),
    );
    const told = { ...DEFAULT_SETTINGS, version: 1, shards: SHARDS, keyShards: SHARDS, ...settings };
    for (const queue of QUEUES) this.#settings.set(queue, told);
    this.history.fault = () => {
      if (this.timeline.now < this.historyAwayUntil) throw new Error("D1_ERROR: simulated: away");
    };
    for (const queue of QUEUES) for (let shard = 0; shard < SHARDS; shard++) this.#addShard(queue as QueueName, shard);
  }

  get now(): number {
    return this.timeline.now;
  }

  /** What everybody outside asks for it. */
  run(id: RunId): WorkflowRpc {
    return this.#runRpc(id, null);
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
      for (const shard of this.shards.values()) shard.settle();
      for (const run of this.runs.values()) run.settle();
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
    return this.#shardRpc(address, null);
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

  #addShard(queue: QueueName, shard: number): void {
    const address: ShardAddress = { tenant: DEFAULT_TENANT, queue, shard };
    const host = new Hosted<Shard>(
      shardName(address),
      {
        timeline: this.timeline,
        random: this.random,
        faults: this.faults,
        onDeath: (gate) => {
          const hasTables = gate.all("SELECT 1 FROM sqlite_master WHERE name = 'notice'").length > 0;
          if (hasTables && this.random.chance(this.faults.lostNotice)) gate.run("DELETE FROM notice");
        },
      },
      (gate, life) => {
        const made: Shard = new Shard(
          address,
          gate,
          this.#ports(life, (message) => gate.release(message)),
          {
            setAlarm: (at) => {
              gate.alarm = at;
            },
            keepAlive: (background) => void background.catch(() => {}),
          },
        );
        return made;
      },
      onAlarm,
    );
    this.shards.set(host.name, host);
  }

  #ports(life: Life, release: Release): Ports {
    const { timeline, worker } = this;
    const notHere = () => {
      throw new Error("not in this world");
    };
    const held = (): Promise<void> => new Promise((resolve) => release(resolve));
    return {
      now: () => timeline.now,
      random: () => this.random.next(),
      uuid: () => `uuid-${++this.#uuids}`,
      log: () => {},
      later: (ms, run) => timeline.after(ms, life, "timer", run),
      shard: (address) => this.#shardRpc(address, life, release),
      directory: () => this.#directory(),
      liveFeed: notHere,
      workflow: (_tenant, id) => this.#runRpc(id, life, release),
      async sendTickets(_queue, tickets) {
        await held();
        for (const ticket of tickets) worker.send(ticket);
      },
      ticketBacklog: async () => 0,
      sendDeadLetters: () => held(),
      taskType: () => null,
      sendWebhook: notHere,
      // What is not durable yet is not told to D1.
      history: () => ({
        prepare: (statement) => this.history.prepare(statement),
        batch: async (statements) => {
          await held();
          return await this.history.batch(statements);
        },
      }),
      boot: null,
    };
  }

  /** Knows its queues, and no more. */
  #directory(): DirectoryRpc {
    return new Proxy({} as DirectoryRpc, {
      get: (_target, method) => {
        if (method !== "lookup") throw new Error(`nobody asks the Directory for ${String(method)}`);
        return async ({ queue, type }: Parameters<DirectoryRpc["lookup"]>[0]) => {
          const name = queue ?? QUEUES[0];
          const settings = this.#settings.get(name);
          const entry = settings ? { queue: name, settings, shardsEver: SHARDS, createdAt: START } : null;
          return { v: 1, ok: true, route: type === null ? null : QUEUES[0], entry, declared: true };
        };
      },
    });
  }

  #shardRpc(address: ShardAddress, life: Life | null, release = letOut): ShardRpc {
    return new Proxy({} as ShardRpc, {
      get: (_target, method) => {
        if (method === "then") return undefined;
        const name = method as Method;
        return (request: RequestOf<typeof name>) =>
          this.#wire.call(life ?? this.#users, release, () => {
            const host = this.shards.get(shardName(address));
            if (!host) throw new Error(`there is no shard ${shardName(address)}`);
            const shard = host.instance;
            return new Promise<AnswerOf<typeof name>>((resolve) => {
              const respond = (answer: AnswerOf<typeof name>) => host.gate.release(() => resolve(answer));
              try {
                operationOf(name)(shard, structuredClone(request), respond);
              } catch (error) {
                respond(failure(error));
              }
            });
          });
      },
    });
  }

  #runRpc(id: RunId, life: Life | null, release = letOut): WorkflowRpc {
    const ask = <T>(operation: (run: Run) => T | Promise<T>): Promise<T> =>
      this.#wire.call(life ?? this.#users, release, async () => {
        const host = this.#hostOf(id);
        try {
          const answer = await operation(host.instance);
          return await new Promise<T>((resolve) => host.gate.release(() => resolve(answer)));
        } catch (error) {
          host.instance.reload();
          return refuse("internal", String(error)) as T;
        }
      });
    return {
      create: (request) => ask((run) => create(run, request)),
      read: (request) => ask((run) => new Promise((respond) => read(run, request, respond))),
      readNode: (request) => ask((run) => readNode(run, request)),
      ended: (request) => ask((run) => ended(run, request)),
      signal: (request) => ask((run) => signal(run, request)),
      cancel: (request) => ask((run) => cancel(run, request)),
      retry: (request) => ask((run) => retry(run, request)),
      eraseNode: (request) => ask((run) => eraseNode(run, request)),
      erase: (request) => ask((run) => erase(run, request)),
    };
  }

  #hostOf(id: RunId): Hosted<Run> {
    const known = this.runs.get(id);
    if (known) return known;
    const host = new Hosted<Run>(
      id,
      { timeline: this.timeline, random: this.random, faults: this.faults },
      (gate, life) =>
        new Run(
          DEFAULT_TENANT,
          id,
          gate,
          this.#ports(life, (message) => gate.release(message)),
          {
            setAlarm: (at) => {
              gate.alarm = at;
            },
            keepAlive: (background) => void background.catch(() => {}),
            async deleteAll() {
              for (const table of ["run", "node", "signal", "portion"]) gate.run(`DELETE FROM ${table}`);
              gate.alarm = null;
            },
          },
        ),
      work,
    );
    this.runs.set(id, host);
    return host;
  }
}

function letOut(message: () => void): void {
  message();
}

/** When all that was to follow at once has followed. */
export function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
