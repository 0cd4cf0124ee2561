/** A shard as a Directory reaches it: what it asks of one, over calls that may fail. */
import type { Refusal } from "../../../core/schema/answer.ts";
import type { ShardRpc, SubmitAnswer } from "../../../core/schema/rpc.ts";
import { configure } from "../../../durable-objects/queue-shard/configure.ts";
import { bulk, countBulk } from "../../../durable-objects/queue-shard/dead/bulk.ts";
import { firstSeq } from "../../../durable-objects/queue-shard/reads/first-seq.ts";
import { read } from "../../../durable-objects/queue-shard/reads/read.ts";
import { summarize } from "../../../durable-objects/queue-shard/reads/summarize.ts";
import type { Shard } from "../../../durable-objects/queue-shard/shard.ts";
import { submit } from "../../../durable-objects/queue-shard/submit/submit.ts";
import { trySubmit } from "../../../durable-objects/queue-shard/submit/try-submit.ts";
import { cancel } from "../../../durable-objects/queue-shard/waiting/cancel.ts";

/** What a call to an object meets. `lose`: it is done, its answer is not told. */
export type Fault = "throw" | "lose" | "hang" | Refusal;

/** @param call does what is asked, or what a fault makes of it */
export function shardForDirectory(
  target: Shard,
  call: <T>(method: keyof ShardRpc, work: () => T | Promise<T>) => Promise<T | Refusal>,
): ShardRpc {
  const unasked = async (): Promise<never> => {
    throw new Error("a Directory does not ask this of a shard");
  };
  return {
    submit: (request) => call("submit", () => new Promise<SubmitAnswer>((done) => submit(target, request, done))),
    configure: (request) => call("configure", () => configure(target, request)),
    wake: () => call("wake", () => ({ v: 1, ok: true })),
    drain: () => call("drain", () => ({ v: 1, ok: true, sessions: 1 })),
    open: unasked,
    advance: unasked,
    close: unasked,
    firstSeq: (request) => call("firstSeq", () => firstSeq(target, request)),
    read: (request) => call("read", () => read(target, request)),
    wait: unasked,
    watch: unasked,
    batch: unasked,
    explain: unasked,
    trySubmit: (request) => call("trySubmit", () => trySubmit(target, request)),
    next: unasked,
    cancel: (request) => call("cancel", () => cancel(target, request)),
    purge: unasked,
    listDead: unasked,
    groupDead: unasked,
    discardDead: unasked,
    redriveDead: unasked,
    tryRedrive: unasked,
    countBulk: (request) => call("countBulk", () => countBulk(target, request)),
    bulk: (request) => call("bulk", () => bulk(target, request)),
    listDeliveries: unasked,
    redeliver: unasked,
    pingWebhook: unasked,
    change: unasked,
    release: unasked,
    endNodes: unasked,
    purgeCache: unasked,
    erase: unasked,
    summary: () => call("summary", () => ({ v: 1, ok: true, summary: summarize(target) })),
    deadTicket: unasked,
  };
}

export async function meet<T>(fault: Fault | null, work: () => T | Promise<T>): Promise<T | Refusal> {
  if (fault === "throw") throw new Error("Network connection lost.");
  if (fault === "hang") return await new Promise<never>(() => {});
  if (fault !== null && fault !== "lose") return fault;
  const answer = await work();
  if (fault === "lose") throw new Error("Network connection lost.");
  return answer;
}
