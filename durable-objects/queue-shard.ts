/**
 * The Durable Object of one shard of a queue: the one truth of its live tasks. A table of contents: each method is an
 * operation in queue-shard/, which also holds the SQL. Answers leave when what they tell is durable (output gate).
 */
import { DurableObject } from "cloudflare:workers";
import { parseShardName } from "../core/ids.ts";
import { describeThrown } from "../core/log.ts";
import type { Ports } from "../core/ports.ts";
import type { Refusal } from "../core/schema/answer.ts";
import type {
  BatchAnswer,
  BatchRequest,
  ChangeRequest,
  PackedSubmitRequest,
  PurgeRequest,
  ReadAnswer,
  ShardRpc,
  SubmitAnswer,
} from "../core/schema/rpc.ts";
import type { AdvanceAnswer, AdvanceRequest, CloseRequest, OpenRequest } from "../core/schema/session-rpc.ts";
import type { WatchAnswer, WatchRequest } from "../core/schema/watch-rpc.ts";
import { type Env, platformPorts } from "../ports.ts";
import { doDueWork, onAlarm } from "./queue-shard/alarm.ts";
import { configure } from "./queue-shard/configure.ts";
import { bulk, countBulk } from "./queue-shard/dead/bulk.ts";
import { discardDead, groupDead, listDead } from "./queue-shard/dead/dead-letters.ts";
import { redriveDead } from "./queue-shard/dead/redrive.ts";
import { tryRedrive } from "./queue-shard/dead/try-redrive.ts";
import { drain } from "./queue-shard/drain.ts";
import { listDeliveries, pingWebhook, redeliver } from "./queue-shard/ended/deliveries.ts";
import { erase } from "./queue-shard/ended/erase.ts";
import { explain } from "./queue-shard/reads/explain.ts";
import { firstSeq } from "./queue-shard/reads/first-seq.ts";
import { next } from "./queue-shard/reads/next.ts";
import { read } from "./queue-shard/reads/read.ts";
import { summarize } from "./queue-shard/reads/summarize.ts";
import { wait } from "./queue-shard/reads/wait.ts";
import { waitBatch } from "./queue-shard/reads/wait-batch.ts";
import { watch } from "./queue-shard/reads/watch.ts";
import { advance } from "./queue-shard/running/advance.ts";
import { close } from "./queue-shard/running/close.ts";
import { deadTicket } from "./queue-shard/running/dead-ticket.ts";
import { open } from "./queue-shard/running/open.ts";
import { failure, Shard } from "./queue-shard/shard.ts";
import { purgeCache } from "./queue-shard/submit/purge-cache.ts";
import { submit } from "./queue-shard/submit/submit.ts";
import { trySubmit } from "./queue-shard/submit/try-submit.ts";
import { cancel } from "./queue-shard/waiting/cancel.ts";
import { change } from "./queue-shard/waiting/change.ts";
import { endNodes } from "./queue-shard/waiting/end-nodes.ts";
import { purge } from "./queue-shard/waiting/purge.ts";
import { release } from "./queue-shard/waiting/release.ts";
import { durableSql } from "./sql/durable.ts";

export class QueueShard extends DurableObject<Env> implements ShardRpc {
  readonly #shard: Shard;

  constructor(ctx: DurableObjectState, env: Env, ports: Ports = platformPorts(env)) {
    super(ctx, env);
    this.#shard = new Shard(parseShardName(ctx.id.name), durableSql(ctx.storage), ports, {
      setAlarm: (at) => void this.#logFailure(ctx.storage.setAlarm(at), "setAlarm"),
      keepAlive: (work) => ctx.waitUntil(this.#logFailure(work, "background work")),
    });
    this.#guard(() => doDueWork(this.#shard));
  }

  submit(request: PackedSubmitRequest): Promise<SubmitAnswer> {
    return this.#answerLater((shard, respond) => submit(shard, request, respond));
  }
  open(request: OpenRequest) {
    return this.#answer((shard) => open(shard, request));
  }
  advance(request: AdvanceRequest): Promise<AdvanceAnswer> {
    return this.#answerLater((shard, respond) => advance(shard, request, respond));
  }
  close(request: CloseRequest) {
    return this.#answer((shard) => close(shard, request));
  }
  read(request: Parameters<ShardRpc["read"]>[0]) {
    return this.#answer((shard) => read(shard, request));
  }
  firstSeq(request: Parameters<ShardRpc["firstSeq"]>[0]) {
    return this.#answer((shard) => firstSeq(shard, request));
  }
  wait(request: Parameters<ShardRpc["wait"]>[0]): Promise<ReadAnswer> {
    return this.#answerLater((shard, respond) => wait(shard, request, respond));
  }
  watch(request: WatchRequest): Promise<WatchAnswer> {
    return this.#answerLater((shard, respond) => watch(shard, request, respond));
  }
  batch(request: BatchRequest): Promise<BatchAnswer> {
    return this.#answerLater((shard, respond) => waitBatch(shard, request, respond));
  }
  explain(request: Parameters<ShardRpc["explain"]>[0]) {
    return this.#answer((shard) => explain(shard, request));
  }
  trySubmit(request: PackedSubmitRequest) {
    return this.#answer((shard) => trySubmit(shard, request));
  }
  next(request: Parameters<ShardRpc["next"]>[0]) {
    return this.#answer((shard) => next(shard, request));
  }
  cancel(request: Parameters<ShardRpc["cancel"]>[0]) {
    return this.#answer((shard) => cancel(shard, request));
  }
  purge(request: PurgeRequest) {
    return this.#answer((shard) => purge(shard, request));
  }
  listDead(request: Parameters<ShardRpc["listDead"]>[0]) {
    return this.#answer((shard) => listDead(shard, request));
  }
  groupDead(request: Parameters<ShardRpc["groupDead"]>[0]) {
    return this.#answer((shard) => groupDead(shard, request));
  }
  discardDead(request: Parameters<ShardRpc["discardDead"]>[0]) {
    return this.#answer((shard) => discardDead(shard, request));
  }
  redriveDead(request: Parameters<ShardRpc["redriveDead"]>[0]) {
    return this.#answer((shard) => redriveDead(shard, request));
  }
  tryRedrive(request: Parameters<ShardRpc["tryRedrive"]>[0]) {
    return this.#answer((shard) => tryRedrive(shard, request));
  }
  countBulk(request: Parameters<ShardRpc["countBulk"]>[0]) {
    return this.#answer((shard) => countBulk(shard, request));
  }
  bulk(request: Parameters<ShardRpc["bulk"]>[0]) {
    return this.#answer((shard) => bulk(shard, request));
  }
  listDeliveries(request: Parameters<ShardRpc["listDeliveries"]>[0]) {
    return this.#answer((shard) => listDeliveries(shard, request));
  }
  redeliver(request: Parameters<ShardRpc["redeliver"]>[0]) {
    return this.#answer((shard) => redeliver(shard, request));
  }
  pingWebhook(request: Parameters<ShardRpc["pingWebhook"]>[0]) {
    return this.#answer((shard) => pingWebhook(shard, request));
  }
  release(request: Parameters<ShardRpc["release"]>[0]) {
    return this.#answer((shard) => release(shard, request));
  }
  endNodes(request: Parameters<ShardRpc["endNodes"]>[0]) {
    return this.#answer((shard) => endNodes(shard, request));
  }
  change(request: ChangeRequest) {
    return this.#answer((shard) => change(shard, request));
  }
  erase(request: Parameters<ShardRpc["erase"]>[0]) {
    return this.#answer((shard) => erase(shard, request));
  }
  purgeCache(request: Parameters<ShardRpc["purgeCache"]>[0]) {
    return this.#answer((shard) => purgeCache(shard, request));
  }
  configure(request: Parameters<ShardRpc["configure"]>[0]) {
    return this.#answer((shard) => configure(shard, request));
  }
  summary() {
    return this.#answer((shard) => ({ v: 1, ok: true, summary: summarize(shard) }) as const);
  }
  drain() {
    return this.#answer(drain);
  }
  wake() {
    return this.#answer((shard) => {
      doDueWork(shard);
      return { v: 1, ok: true } as const;
    });
  }
  deadTicket(request: Parameters<ShardRpc["deadTicket"]>[0]) {
    return this.#answer((shard) => deadTicket(shard, request));
  }

  /** Never throws: the platform forgets an alarm that failed six times. */
  override async alarm(): Promise<void> {
    if (this.#guard(() => onAlarm(this.#shard))) return;
    await this.#logFailure(this.ctx.storage.setAlarm(this.#shard.ports.now() + ALARM_RETRY_MS), "setAlarm");
  }

  /** Answers are values: what throws is told as `internal` or `migration-failed`, and memory is built anew. */
  async #answer<T>(operation: (shard: Shard) => T): Promise<T | Refusal> {
    try {
      return operation(this.#ready());
    } catch (error) {
      return this.#failed(error);
    }
  }

  #answerLater<T>(operation: (shard: Shard, respond: (answer: T | Refusal) => void) => void): Promise<T | Refusal> {
    return new Promise((respond) => {
      try {
        operation(this.#ready(), respond);
      } catch (error) {
        respond(this.#failed(error));
      }
    });
  }

  /** The shard, with what an overdue alarm should have done, done. */
  #ready(): Shard {
    const shard = this.#shard;
    if (shard.alarmAt !== null && shard.alarmAt <= shard.ports.now()) doDueWork(shard);
    return shard;
  }

  #guard(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #failed(error: unknown): Refusal {
    const refusal = failure(error);
    const { code, detail } = refusal;
    const stack = error instanceof Error ? error.stack : undefined;
    this.#shard.ports.log("error", "shard-failed", { object: this.#shard.name, code, detail, stack });
    return refusal;
  }

  async #logFailure(work: Promise<unknown>, what: string): Promise<void> {
    try {
      await work;
    } catch (error) {
      const { ports, name } = this.#shard;
      ports.log("error", "shard-background-failed", { object: name, what, detail: describeThrown(error) });
    }
  }
}

const ALARM_RETRY_MS = 1_000;
