/**
 * The Durable Object of one shard of a queue: the one truth of its live tasks. A table of contents: each method is an
 * operation in queue-shard/, which also holds the SQL. Answers leave when what they tell is durable (output gate).
 */
import { DurableObject } from "cloudflare:workers";
import { parseShardName } from "../core/ids.ts";
import type { Ports } from "../core/ports.ts";
import type {
  AdvanceAnswer,
  AdvanceRequest,
  CloseRequest,
  OpenRequest,
  ReadAnswer,
  ShardRpc,
  SubmitAnswer,
  SubmitRequest,
} from "../core/schema/rpc.ts";
import { type Env, platformPorts } from "../ports.ts";
import { advance } from "./queue-shard/advance.ts";
import { doDueWork, onAlarm } from "./queue-shard/alarm.ts";
import { close } from "./queue-shard/close.ts";
import { configure } from "./queue-shard/configure.ts";
import { deadTicket } from "./queue-shard/dead-ticket.ts";
import { drain } from "./queue-shard/drain.ts";
import { open } from "./queue-shard/open.ts";
import { countBatch, read, summarize } from "./queue-shard/read.ts";
import { Shard } from "./queue-shard/shard.ts";
import { submit } from "./queue-shard/submit.ts";
import { wait } from "./queue-shard/wait.ts";
import { durableSql } from "./sql/durable.ts";

export class QueueShard extends DurableObject<Env> implements ShardRpc {
  readonly #shard: Shard;

  constructor(ctx: DurableObjectState, env: Env, ports: Ports = platformPorts(env)) {
    super(ctx, env);
    this.#shard = new Shard(parseShardName(ctx.id.name), durableSql(ctx.storage), ports, {
      setAlarm: (at) => logFailure(ctx.storage.setAlarm(at), "setAlarm"),
      keepAlive: (work) => ctx.waitUntil(logFailure(work, "background work")),
    });
    doDueWork(this.#shard);
  }

  submit(request: SubmitRequest): Promise<SubmitAnswer> {
    return new Promise((respond) => submit(this.#ready(), request, respond));
  }
  async open(request: OpenRequest) {
    return open(this.#ready(), request);
  }
  advance(request: AdvanceRequest): Promise<AdvanceAnswer> {
    return new Promise((respond) => advance(this.#ready(), request, respond));
  }
  async close(request: CloseRequest) {
    return close(this.#ready(), request);
  }
  async read(request: Parameters<ShardRpc["read"]>[0]) {
    return read(this.#ready(), request);
  }
  wait(request: Parameters<ShardRpc["wait"]>[0]): Promise<ReadAnswer> {
    return new Promise((respond) => wait(this.#ready(), request, respond));
  }
  async batch(request: Parameters<ShardRpc["batch"]>[0]) {
    return countBatch(this.#ready(), request);
  }
  async configure(request: Parameters<ShardRpc["configure"]>[0]) {
    return configure(this.#ready(), request);
  }
  async summary() {
    return { v: 1, ok: true, summary: summarize(this.#ready()) } as const;
  }
  async drain() {
    return drain(this.#ready());
  }
  async wake() {
    doDueWork(this.#shard);
    return { v: 1, ok: true } as const;
  }
  async deadTicket(request: Parameters<ShardRpc["deadTicket"]>[0]) {
    return deadTicket(this.#ready(), request);
  }

  override async alarm(): Promise<void> {
    onAlarm(this.#shard);
  }

  /** The shard, with what an overdue alarm should have done, done. */
  #ready(): Shard {
    const shard = this.#shard;
    if (shard.alarmAt !== null && shard.alarmAt <= shard.ports.now()) doDueWork(shard);
    return shard;
  }
}

async function logFailure(work: Promise<unknown>, what: string): Promise<void> {
  try {
    await work;
  } catch (error) {
    console.error(JSON.stringify({ level: "error", event: "shard-failure", what, error: String(error) }));
  }
}
