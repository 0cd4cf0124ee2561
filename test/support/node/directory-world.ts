/**
 * Directories and shards on node:sqlite under a clock that only tests move: the real operations of both, joined by
 * ports that can lose an answer, refuse, throw or fall silent. Alarms are the platform's: one an object, at their moment.
 */

import { type QueueName, type RunId, type ShardAddress, shardName, type TenantName } from "../../../core/ids.ts";
import { createLog } from "../../../core/log.ts";
import type { TaskType } from "../../../core/make-task.ts";
import type { HistoryDatabase, Ports } from "../../../core/ports.ts";
import type { DirectoryRpc } from "../../../core/schema/directory-rpc.ts";
import type { ShardRpc } from "../../../core/schema/rpc.ts";
import type { FireEnd, WorkflowRpc } from "../../../core/schema/workflow-rpc.ts";
import { checkAlarm } from "../../../durable-objects/directory/arm.ts";
import { drain } from "../../../durable-objects/directory/drain.ts";
import { fireEnded } from "../../../durable-objects/directory/fires/end-fires.ts";
import { registerTenant } from "../../../durable-objects/directory/register-tenant.ts";
import { onAlarm } from "../../../durable-objects/directory/run-due.ts";
import { DirectoryState } from "../../../durable-objects/directory/state.ts";
import { tick } from "../../../durable-objects/directory/tick.ts";
import { Shard } from "../../../durable-objects/queue-shard/shard.ts";
import type { Migration } from "../../../durable-objects/sql/migrate.ts";
import { type NodeSql, nodeSql, openNodeSql } from "../../../durable-objects/sql/node.ts";
import { cancel } from "../../../durable-objects/workflow-run/asked/cancel.ts";
import { create } from "../../../durable-objects/workflow-run/asked/create.ts";
import { read } from "../../../durable-objects/workflow-run/asked/read.ts";
import { Run } from "../../../durable-objects/workflow-run/run.ts";
import { type Fault, meet, shardForDirectory } from "./shard-for-directory.ts";

/** 2026-05-01 10:00 UTC. */
export const START = Date.UTC(2026, 4, 1, 10);

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

export interface Call {
  readonly shard: string;
  readonly method: keyof ShardRpc;
  readonly at: number;
}

export class DirectoryWorld {
  now = START;
  boot: string | null = null;
  /** What an object is told when it is made anew (`evict`). */
  cpuMs = 30_000;
  /** HISTORY_0 and up that are bound. */
  historyDatabases = 1;
  /** What each of them is. */
  database: HistoryDatabase = NO_DATABASE;
  readonly calls: Call[] = [];
  readonly logs: string[] = [];
  /** setAlarm of Directories, each a row written. */
  alarmsSet = 0;
  /** Shards by name, or the prefix of names, that meet a fault. */
  readonly faults = new Map<string, Fault>();
  /** Decides call by call, where no shard's own fault does. */
  faultOfCall: (call: Call) => Fault | null = () => null;
  rootFault: Fault | null = null;
  /** What a shard meets that tells of a fire's end. */
  endsFault: Fault | null = null;
  /** What shards have told, or tried to. */
  readonly endsTold: FireEnd[] = [];
  /** What a Directory meets that asks a run. */
  runsFault: Fault | null = null;
  /** Types that the deployment has handlers for. */
  readonly types = new Map<string, TaskType>();
  /** Runs that were made, by id. */
  readonly runs = new Map<RunId, Run>();
  migrations: readonly Migration[] | null = null;

  readonly ports: Ports;
  readonly #timers = new Set<Timer>();
  readonly #databases = new Map<string, NodeSql>();
  readonly #alarms = new Map<string, number>();
  readonly #directories = new Map<string, DirectoryState>();
  readonly #shards = new Map<string, Shard>();
  #uuids = 0;

  constructor() {
    const world = this;
    this.ports = {
      now: () => this.now,
      random: () => 0.5,
      log: createLog(
        () => this.now,
        "info",
        (line) => void this.logs.push(line),
      ),
      uuid: () => `uuid-${++this.#uuids}`,
      later: (ms, run) => {
        const timer = { at: this.now + ms, run };
        this.#timers.add(timer);
        return () => void this.#timers.delete(timer);
      },
      shard: (address) => this.#shardRpc(address),
      directory: (tenant) => this.#directoryRpc(tenant),
      liveFeed: () => {
        throw new Error("a Directory calls no live feed");
      },
      workflow: (tenant, id) => this.#runRpc(tenant, id),
      sendTickets: async () => {},
      ticketBacklog: async () => 0,
      sendDeadLetters: async () => {},
      taskType: (type) => this.types.get(type) ?? null,
      sendWebhook: async () => 200,
      history: (database) => (database < this.historyDatabases ? this.database : null),
      get boot() {
        return world.boot;
      },
    };
  }

  /** The object of that name, made at its first call. */
  directory(name = "default"): DirectoryState {
    const known = this.#directories.get(name);
    if (known) return known;
    const made = new DirectoryState(
      name,
      nodeSql(this.#database(name).database),
      this.ports,
      {
        setAlarm: (at) => {
          this.alarmsSet++;
          this.#alarms.set(name, at);
        },
        cpuMs: this.cpuMs,
        getAlarm: async () => this.#alarms.get(name) ?? null,
        keepAlive: (work) => void work,
      },
      ...(this.migrations ? [this.migrations] : []),
    );
    this.#directories.set(name, made);
    return made;
  }

  /** The object loses its memory and is made anew, as after an eviction or a crash between events. */
  async evict(name = "default"): Promise<DirectoryState> {
    this.#directories.delete(name);
    const made = this.directory(name);
    await checkAlarm(made);
    return made;
  }

  alarmOf(name = "default"): number | null {
    return this.#alarms.get(name) ?? null;
  }

  loseAlarm(name = "default"): void {
    this.#alarms.delete(name);
  }

  /** The real shard behind the port. */
  shard(queue = "default", shard = 0, tenant = "default"): Shard {
    const address: ShardAddress = { tenant: tenant as TenantName, queue: queue as QueueName, shard };
    const name = shardName(address);
    const known = this.#shards.get(name);
    if (known) return known;
    const host = { setAlarm: () => {}, keepAlive: () => {} };
    const made = new Shard(address, nodeSql(this.#database(name).database), this.ports, host);
    this.#shards.set(name, made);
    return made;
  }

  /** Rows of a table, of a Directory or (`tenant:queue:shard`) of a shard. */
  rows<Row extends object>(object: string, query: string): Row[] {
    return this.#database(object).all<Row>(query);
  }

  /** Tasks of a shard, oldest first. */
  tasks(queue = "default", shard = 0): { type: string; payload: string; priority: number; created_at: number }[] {
    const target = this.shard(queue, shard);
    if (!target.memory.hasTables) return [];
    return target.sql.all("SELECT type, payload, priority, created_at FROM task ORDER BY seq");
  }

  countCalls(method: keyof ShardRpc): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  /** Moves the clock; alarms and timers run at their moments, in order, and what they began runs as far as it can. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await this.settle();
    for (;;) {
      const timer = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      const alarm = [...this.#alarms].sort(([, a], [, b]) => a - b)[0];
      const at = Math.min(timer?.at ?? Number.POSITIVE_INFINITY, alarm?.[1] ?? Number.POSITIVE_INFINITY);
      if (at > end) break;
      this.now = Math.max(this.now, at);
      if (timer && timer.at === at) {
        this.#timers.delete(timer);
        timer.run();
      } else if (alarm) this.#fire(alarm[0]);
      await this.settle();
    }
    this.now = end;
  }

  /** Alarms do not come while the object is away: the clock alone moves. */
  stand(ms: number): void {
    this.now += ms;
  }

  /** Lets everything run that waits for no later moment: promises, timers of now. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    for (const timer of this.#timers)
      if (timer.at <= this.now) {
        this.#timers.delete(timer);
        timer.run();
        await this.settle();
        return;
      }
  }

  /** The answer to a call that waits for no later moment. */
  async ask<T>(answer: Promise<T>): Promise<T> {
    await this.settle();
    return await answer;
  }

  #fire(name: string): void {
    this.#alarms.delete(name);
    onAlarm(this.directory(name));
  }

  #database(name: string): NodeSql {
    const known = this.#databases.get(name);
    if (known) return known;
    const made = openNodeSql();
    this.#databases.set(name, made);
    return made;
  }

  #shardRpc(address: ShardAddress): ShardRpc {
    const target = this.shard(address.queue, address.shard, address.tenant);
    return shardForDirectory(target, (method, work) => {
      const made = { shard: target.name, method, at: this.now };
      this.calls.push(made);
      return meet(this.#faultOf(target.name) ?? this.faultOfCall(made), work);
    });
  }

  #faultOf(name: string): Fault | null {
    for (const [prefix, fault] of this.faults) if (name.startsWith(prefix)) return fault;
    return null;
  }

  /** As a Directory asks it; its alarm does not come. */
  #runRpc(tenant: TenantName, id: RunId): WorkflowRpc {
    const meant = () => {
      const host = { setAlarm: () => {}, keepAlive: () => {}, deleteAll: async () => {} };
      const run = this.runs.get(id) ?? new Run(tenant, id, nodeSql(openNodeSql().database), this.ports, host);
      this.runs.set(id, run);
      return run;
    };
    const asked = {
      create: (request) => meet(this.runsFault, () => create(meant(), request)),
      read: (request) =>
        meet(
          this.runsFault,
          () => new Promise<Awaited<ReturnType<WorkflowRpc["read"]>>>((done) => read(meant(), request, done)),
        ),
      cancel: (request) => meet(this.runsFault, () => cancel(meant(), request)),
    } satisfies Partial<WorkflowRpc>;
    return asked as typeof asked & WorkflowRpc;
  }

  /** What others ask of a Directory. */
  #directoryRpc(
    name: TenantName,
  ): Pick<DirectoryRpc, "tick" | "drain" | "registerTenant" | "fireEnded"> & DirectoryRpc {
    const target = this.directory(name);
    const fault = name === "_root" ? this.rootFault : null;
    const asked = {
      tick: () => meet(fault, () => tick(target)),
      drain: () => meet(fault, () => drain(target)),
      registerTenant: (request) => meet(fault, () => registerTenant(target, request)),
      fireEnded: (request) => {
        this.endsTold.push(...request.ends);
        return meet(this.endsFault, () => fireEnded(target, request));
      },
    } satisfies Partial<DirectoryRpc>;
    return asked as typeof asked & DirectoryRpc;
  }
}

const NO_DATABASE = {
  prepare: (): never => {
    throw new Error("a Directory writes no history");
  },
  batch: (): never => {
    throw new Error("a Directory writes no history");
  },
};
