/**
 * A world in which runs of workflows live: two queues of two shards each, D1, and a worker that runs whatever is handed out
 * as each task's payload says. Calls between objects are late, lost, and their answers lost; objects die at their gates.
 */
import {
  DEFAULT_TENANT,
  parseShardName,
  type QueueName,
  type RunId,
  type ShardAddress,
  shardName,
  type TaskId,
} from "../../../core/ids.ts";
import type { Ports } from "../../../core/ports.ts";
import type { DirectoryRpc } from "../../../core/schema/directory-rpc.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { ShardRpc } from "../../../core/schema/rpc.ts";
import type { ClaimedTask, Outcome, Ticket } from "../../../core/schema/session-rpc.ts";
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
import { Hosted } from "./objects.ts";

/** Chances a time, 0 to 1. */
export interface WorkflowFaults {
  readonly crash: number;
  readonly evict: number;
  readonly lostRequest: number;
  readonly lostAnswer: number;
  readonly doubled: number;
  /** What a shard was to tell is gone when it dies. */
  readonly lostNotice: number;
  /** A worker that takes a task and is never heard of again. */
  readonly mute: number;
}
export const NO_FAULTS: WorkflowFaults = {
  crash: 0,
  evict: 0,
  lostRequest: 0,
  lostAnswer: 0,
  doubled: 0,
  lostNotice: 0,
  mute: 0,
};

/** What a task of this world does, as its payload says. */
export interface Script {
  readonly ends: "succeeded" | "failed";
  readonly ms: number;
  readonly result?: unknown;
  readonly spawned?: string;
}

/** 2026-01-01 in the timeline's time. */
export const START = Date.UTC(2026, 0, 1);
const QUEUES = ["a", "b"] as const;
const SHARDS = 2;
const MOST_STEPS = 500_000;
const SILENT = "nobody answered";
const LOST = "simulated: no connection";

export class WorkflowWorld {
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly faults: WorkflowFaults;
  readonly history = new NodeD1();
  readonly shards = new Map<string, Hosted<Shard>>();
  readonly runs = new Map<RunId, Hosted<Run>>();
  /** Virtual ms until which D1 is away. */
  historyAwayUntil = 0;
  readonly settings: QueueSettings;
  /** Everything that was run, in order: `key` of what. */
  readonly logged: string[] = [];
  readonly #users = new Life("users");
  readonly #worker = new Life("worker");
  #uuids = 0;

  constructor(seed: number, faults: WorkflowFaults, settings: Partial<QueueSettings> = {}) {
    this.timeline.now = START;
    this.random = new Random(seed, "workflows");
    this.faults = faults;
    this.settings = { ...DEFAULT_SETTINGS, version: 1, shards: SHARDS, keyShards: SHARDS, ...settings };
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

  #redeem({ object, ticket, solo }: Ticket): void {
    const address = parseShardName(object);
    const rpc = this.#shardRpc(address, this.#worker);
    const types = { step: 1 };
    const worker = { name: "w", kind: "consumer", types, boot: null } as const;
    void rpc.open({ v: 1, ticket, solo, worker, want: 6 }).then(
      (opened) => {
        if (!opened.ok || opened.session === null) return;
        const { session } = opened;
        const outcomes = opened.handout.tasks.map((task) => this.#outcomeOf(task, address));
        const ms = Math.max(0, ...outcomes.map(({ endedAt, startedAt }) => endedAt - startedAt));
        if (this.random.chance(this.faults.mute)) return;
        this.timeline.after(ms, this.#worker, "the worker is done", () => {
          void rpc.close({ v: 1, session, turn: 1, outcomes }).catch(() => {});
        });
      },
      () => {},
    );
  }

  #outcomeOf({ seq, attempt, payload }: ClaimedTask, { queue, shard }: ShardAddress): Outcome {
    const { ends, ms, result = null, spawned } = JSON.parse(payload) as Script;
    const times = { seq, attempt, startedAt: this.now, endedAt: this.now + ms };
    this.logged.push(`${queue}.${shard}.${seq}`);
    if (ends === "failed")
      return {
        ...times,
        kind: "failed",
        retryable: false,
        error: { code: "handler-error", message: "no", class: "Error" },
      };
    return { ...times, kind: "succeeded", result: JSON.stringify(result), ...(spawned !== undefined && { spawned }) };
  }

  #ports(life: Life, release: (message: () => void) => void): Ports {
    const { timeline } = this;
    const world = this;
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
        for (const ticket of tickets) {
          if (world.random.chance(world.faults.lostRequest)) continue;
          timeline.after(world.random.between(1, 30), world.#worker, "a ticket", () => world.#redeem(ticket));
        }
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
          const isKnown = QUEUES.some((known) => known === name);
          const entry = isKnown ? { queue: name, settings: this.settings, shardsEver: SHARDS, createdAt: START } : null;
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
          this.#call(life, release, () => {
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
      this.#call(life, release, async () => {
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

  /** Over the wire: later, perhaps lost, perhaps twice; and the answer perhaps lost. */
  #call<T>(life: Life | null, release: (message: () => void) => void, receive: () => Promise<T>): Promise<T> {
    const { timeline, random, faults } = this;
    const caller = life ?? this.#users;
    return new Promise((resolve, reject) => {
      const fail = () => timeline.after(random.between(1, 200), caller, "lost", () => reject(new Error(LOST)));
      release(() => {
        if (random.chance(faults.lostRequest)) return void fail();
        const arrive = (isCopy: boolean) =>
          timeline.after(random.between(0, 3), NETWORK, "call", () => {
            receive().then(
              (answer) => {
                if (isCopy) return;
                if (random.chance(faults.lostAnswer)) return void fail();
                timeline.after(random.between(0, 3), caller, "answer", () => resolve(structuredClone(answer)));
              },
              () => void fail(),
            );
          });
        arrive(false);
        if (random.chance(faults.doubled)) arrive(true);
      });
    });
  }
}

const NETWORK = new Life("network");

function letOut(message: () => void): void {
  message();
}

/** When all that was to follow at once has followed. */
export function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export type { TaskId };
