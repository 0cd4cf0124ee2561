/** What can be asked of a shard, and the operation behind it: the class's table of contents, without Cloudflare. */
import type { ShardRpc } from "../../core/schema/rpc.ts";
import { doDueWork } from "../../durable-objects/queue-shard/alarm.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { bulk, countBulk } from "../../durable-objects/queue-shard/dead/bulk.ts";
import { discardDead, groupDead, listDead } from "../../durable-objects/queue-shard/dead/dead-letters.ts";
import { redriveDead } from "../../durable-objects/queue-shard/dead/redrive.ts";
import { tryRedrive } from "../../durable-objects/queue-shard/dead/try-redrive.ts";
import { drain } from "../../durable-objects/queue-shard/drain.ts";
import { listDeliveries, pingWebhook, redeliver } from "../../durable-objects/queue-shard/ended/deliveries.ts";
import { erase } from "../../durable-objects/queue-shard/ended/erase.ts";
import { explain } from "../../durable-objects/queue-shard/reads/explain.ts";
import { firstSeq } from "../../durable-objects/queue-shard/reads/first-seq.ts";
import { next } from "../../durable-objects/queue-shard/reads/next.ts";
import { read } from "../../durable-objects/queue-shard/reads/read.ts";
import { summarize } from "../../durable-objects/queue-shard/reads/summarize.ts";
import { wait } from "../../durable-objects/queue-shard/reads/wait.ts";
import { waitBatch } from "../../durable-objects/queue-shard/reads/wait-batch.ts";
import { watch } from "../../durable-objects/queue-shard/reads/watch.ts";
import { advance } from "../../durable-objects/queue-shard/running/advance.ts";
import { close } from "../../durable-objects/queue-shard/running/close.ts";
import { deadTicket } from "../../durable-objects/queue-shard/running/dead-ticket.ts";
import { open } from "../../durable-objects/queue-shard/running/open.ts";
import type { Shard } from "../../durable-objects/queue-shard/shard.ts";
import { purgeCache } from "../../durable-objects/queue-shard/submit/purge-cache.ts";
import { submit } from "../../durable-objects/queue-shard/submit/submit.ts";
import { trySubmit } from "../../durable-objects/queue-shard/submit/try-submit.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { change } from "../../durable-objects/queue-shard/waiting/change.ts";
import { endNodes } from "../../durable-objects/queue-shard/waiting/end-nodes.ts";
import { purge } from "../../durable-objects/queue-shard/waiting/purge.ts";
import { release } from "../../durable-objects/queue-shard/waiting/release.ts";

export type Method = keyof ShardRpc;
export type RequestOf<M extends Method> = Parameters<ShardRpc[M]>[0];
export type AnswerOf<M extends Method> = Awaited<ReturnType<ShardRpc[M]>>;
type Operation<M extends Method> = (
  shard: Shard,
  request: RequestOf<M>,
  respond: (answer: AnswerOf<M>) => void,
) => void;

const OPERATIONS: { readonly [M in Method]: Operation<M> } = {
  submit,
  advance,
  wait,
  watch,
  open: (shard, request, respond) => respond(open(shard, request)),
  close: (shard, request, respond) => respond(close(shard, request)),
  read: (shard, request, respond) => respond(read(shard, request)),
  batch: waitBatch,
  explain: (shard, request, respond) => respond(explain(shard, request)),
  trySubmit: (shard, request, respond) => respond(trySubmit(shard, request)),
  next: (shard, request, respond) => respond(next(shard, request)),
  cancel: (shard, request, respond) => respond(cancel(shard, request)),
  listDead: (shard, request, respond) => respond(listDead(shard, request)),
  groupDead: (shard, request, respond) => respond(groupDead(shard, request)),
  discardDead: (shard, request, respond) => respond(discardDead(shard, request)),
  redriveDead: (shard, request, respond) => respond(redriveDead(shard, request)),
  tryRedrive: (shard, request, respond) => respond(tryRedrive(shard, request)),
  countBulk: (shard, request, respond) => respond(countBulk(shard, request)),
  bulk: (shard, request, respond) => respond(bulk(shard, request)),
  listDeliveries: (shard, request, respond) => respond(listDeliveries(shard, request)),
  redeliver: (shard, request, respond) => respond(redeliver(shard, request)),
  pingWebhook: (shard, request, respond) => respond(pingWebhook(shard, request)),
  purge: (shard, request, respond) => respond(purge(shard, request)),
  change: (shard, request, respond) => respond(change(shard, request)),
  release: (shard, request, respond) => respond(release(shard, request)),
  endNodes: (shard, request, respond) => respond(endNodes(shard, request)),
  erase: (shard, request, respond) => respond(erase(shard, request)),
  purgeCache: (shard, request, respond) => respond(purgeCache(shard, request)),
  configure: (shard, request, respond) => respond(configure(shard, request)),
  firstSeq: (shard, request, respond) => respond(firstSeq(shard, request)),
  summary: (shard, _request, respond) => respond({ v: 1, ok: true, summary: summarize(shard) }),
  drain: (shard, _request, respond) => respond(drain(shard)),
  wake(shard, _request, respond) {
    doDueWork(shard);
    respond({ v: 1, ok: true });
  },
  deadTicket: (shard, request, respond) => respond(deadTicket(shard, request)),
};

export function operationOf<M extends Method>(method: M): Operation<M> {
  return OPERATIONS[method];
}
