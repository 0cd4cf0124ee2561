/**
 * The shipped QueueShard, and what the bench asks beside it. The shipped methods are inherited as they are, but for a
 * counter of calls.
 */

import type { Answer, Versioned } from "../../core/schema/answer.ts";
import type { PackedSubmitRequest } from "../../core/schema/rpc.ts";
import type { AdvanceRequest, CloseRequest, OpenRequest } from "../../core/schema/session-rpc.ts";
import { QueueShard } from "../../durable-objects/queue-shard.ts";
import { type Env, platformPorts } from "../../ports.ts";
import type { BenchRpc } from "./bench-rpc.ts";
import { countPorts, countStorage, noCounts } from "./count.ts";
import type { Counts } from "./counts.ts";
import { fill } from "./fill.ts";
import type { FillRequest, TurnsRequest } from "./requests.ts";
import { Turns } from "./turns.ts";

const DONE = { v: 1, ok: true } as const;

export class BenchShard extends QueueShard implements BenchRpc {
  readonly #counts: Counts;
  #settleCounts: (() => void) | null = null;
  readonly #turns = new Turns(this);
  #hasPlainTable = false;

  constructor(ctx: DurableObjectState, env: Env) {
    const counts = noCounts();
    super(ctx, env, countPorts(platformPorts(env), counts));
    this.#counts = counts;
  }

  override submit(request: PackedSubmitRequest) {
    this.#counts.requests++;
    for (const task of request.tasks) this.#counts.tasks += "payloads" in task ? task.payloads.length : 1;
    return super.submit(request);
  }
  override open(request: OpenRequest) {
    this.#counts.requests++;
    return super.open(request);
  }
  override advance(request: AdvanceRequest) {
    this.#counts.requests++;
    return super.advance(request);
  }
  override close(request: CloseRequest) {
    this.#counts.requests++;
    return super.close(request);
  }
  override alarm() {
    this.#counts.requests++;
    return super.alarm();
  }

  async empty(_request: Versioned): Promise<Answer<object>> {
    return DONE;
  }

  async insert({ text }: Versioned & { readonly text: string }): Promise<Answer<object>> {
    const { sql } = this.ctx.storage;
    if (!this.#hasPlainTable) sql.exec("CREATE TABLE IF NOT EXISTS plain (id INTEGER PRIMARY KEY, text TEXT NOT NULL)");
    this.#hasPlainTable = true;
    sql.exec("INSERT INTO plain (text) VALUES (?)", text);
    return DONE;
  }

  fill(request: FillRequest) {
    return fill(this, request);
  }

  takeTurns(request: TurnsRequest) {
    return this.#turns.take(request);
  }

  async startCounting(_request: Versioned): Promise<Answer<object>> {
    this.#settleCounts?.();
    Object.assign(this.#counts, noCounts());
    this.#settleCounts ??= countStorage(this.ctx.storage, this.#counts);
    return DONE;
  }

  async counted(_request: Versioned): Promise<Answer<{ readonly counts: Counts }>> {
    this.#settleCounts?.();
    return { v: 1, ok: true, counts: { ...this.#counts } };
  }
}
