/**
 * Who lives in this world: the shards of its queues and the runs of workflows, each called by the others over the wire. The
 * operations are the real ones; the Directory knows its queues, and no more.
 */
import { DEFAULT_TENANT, type QueueName, type RunId, type ShardAddress, shardName } from "../../../core/ids.ts";
import type { Ports } from "../../../core/ports.ts";
import type { DirectoryRpc } from "../../../core/schema/directory-rpc.ts";
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { ShardRpc } from "../../../core/schema/rpc.ts";
import type { WorkflowRpc } from "../../../core/schema/workflow-rpc.ts";
import { onAlarm } from "../../../durable-objects/queue-shard/alarm.ts";
import { failure, Shard } from "../../../durable-objects/queue-shard/shard.ts";
import { cancel } from "../../../durable-objects/workflow-run/asked/cancel.ts";
import { create } from "../../../durable-objects/workflow-run/asked/create.ts";
import { ended } from "../../../durable-objects/workflow-run/asked/ended.ts";
import { erase } from "../../../durable-objects/workflow-run/asked/erase.ts";
import { eraseNode } from "../../../durable-objects/workflow-run/asked/erase-node.ts";
import { read } from "../../../durable-objects/workflow-run/asked/read.ts";
import { readNode } from "../../../durable-objects/workflow-run/asked/read-node.ts";
import { retry } from "../../../durable-objects/workflow-run/asked/retry.ts";
import { signal } from "../../../durable-objects/workflow-run/asked/signal.ts";
import { Run, refuse } from "../../../durable-objects/workflow-run/run.ts";
import { work } from "../../../durable-objects/workflow-run/work.ts";
import type { NodeD1 } from "../../support/node/d1.ts";
import { type AnswerOf, type Method, operationOf, type RequestOf } from "../operations.ts";
import type { Random } from "../random.ts";
import { Life, type Timeline } from "../timeline.ts";
import type { WorkflowFaults } from "./faults.ts";
import { Hosted } from "./objects.ts";
import { type Release, Wire } from "./wire.ts";
import type { Worker } from "./worker.ts";

/** 2026-01-01 in the timeline's time. */
export const START = Date.UTC(2026, 0, 1);
export const QUEUES = ["a", "b"] as const;
export const SHARDS = 2;

export interface PopulationDeps {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly faults: WorkflowFaults;
  readonly history: NodeD1;
  readonly worker: Worker;
  /** By queue, as they are now. */
  readonly settings: ReadonlyMap<string, QueueSettings>;
}

export class Population {
  readonly shards = new Map<string, Hosted<Shard>>();
  readonly runs = new Map<RunId, Hosted<Run>>();
  readonly #deps: PopulationDeps;
  readonly #users = new Life("users");
  readonly #wire: Wire;
  #uuids = 0;

  constructor(deps: PopulationDeps) {
    this.#deps = deps;
    this.#wire = new Wire(deps.timeline, deps.random, deps.faults);
    for (const queue of QUEUES) for (let shard = 0; shard < SHARDS; shard++) this.#addShard(queue as QueueName, shard);
  }

  #addShard(queue: QueueName, shard: number): void {
    const address: ShardAddress = { tenant: DEFAULT_TENANT, queue, shard };
    const host = new Hosted<Shard>(
      shardName(address),
      {
        ...this.#deps,
        onDeath: (gate) => {
          const hasTables = gate.all("SELECT 1 FROM sqlite_master WHERE name = 'notice'").length > 0;
          if (hasTables && this.#deps.random.chance(this.#deps.faults.lostNotice)) gate.run("DELETE FROM notice");
        },
      },
      (gate, life) =>
        new Shard(
          address,
          gate,
          this.#ports(life, (message) => gate.release(message)),
          {
            setAlarm: (at) => {
              gate.alarm = at;
            },
            keepAlive: (background) => void background.catch(() => {}),
          },
        ),
      onAlarm,
    );
    this.shards.set(host.name, host);
  }

  #ports(life: Life, release: Release): Ports {
    const { timeline, worker } = this.#deps;
    const notHere = () => {
      throw new Error("not in this world");
    };
    const held = (): Promise<void> => new Promise((resolve) => release(resolve));
    return {
      now: () => timeline.now,
      random: () => this.#deps.random.next(),
      uuid: () => `uuid-${++this.#uuids}`,
      log: () => {},
      later: (ms, run) => timeline.after(ms, life, "timer", run),
      shard: (address) => this.shardRpc(address, life, release),
      directory: () => this.#directory(),
      liveFeed: notHere,
      workflow: (_tenant, id) => this.runRpc(id, life, release),
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
        prepare: (statement) => this.#deps.history.prepare(statement),
        batch: async (statements) => {
          await held();
          return await this.#deps.history.batch(statements);
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
          const settings = this.#deps.settings.get(name);
          const entry = settings ? { queue: name, settings, shardsEver: SHARDS, createdAt: START } : null;
          return { v: 1, ok: true, route: type === null ? null : QUEUES[0], entry, declared: true };
        };
      },
    });
  }

  /** A shard, as another object asks it; null: as users do. */
  shardRpc(address: ShardAddress, life: Life | null, release = letOut): ShardRpc {
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

  /** A run, as another object asks it; null: as users do. Made by the first question. */
  runRpc(id: RunId, life: Life | null, release = letOut): WorkflowRpc {
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
      this.#deps,
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
              for (const table of ["run", "node", "signal", "portion", "stray", "held"])
                gate.run(`DELETE FROM ${table}`);
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
