/**
 * Calls of a shard's object. Requests and answers travel as copies, late, out of order, and some are lost: the caller
 * then gets an error and cannot know whether the call was done. A few arrive twice.
 */
import type { ShardRpc } from "../../core/schema/rpc.ts";
import type { Faults } from "./faults.ts";
import { type Host, SIMULATED } from "./host.ts";
import type { AnswerOf, Method, RequestOf } from "./operations.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";
import { Life, type Timeline } from "./timeline.ts";

/** Asked twice, these are to do what they do once. (`open` asked twice is two tickets.) */
const MAY_COME_TWICE: ReadonlySet<Method> = new Set([
  "advance",
  "close",
  "cancel",
  "purge",
  "release",
  "endNodes",
  "redriveDead",
  "bulk",
  "configure",
  "wake",
  "deadTicket",
]);

export class Network {
  /** No request arrives before this moment of the timeline. */
  downUntil = 0;
  readonly #wire = new Life("network");
  readonly #timeline: Timeline;
  readonly #faults: Faults;
  readonly #random: Random;
  readonly #tally: Tally;
  readonly #host: () => Host;

  constructor(timeline: Timeline, faults: Faults, random: Random, tally: Tally, host: () => Host) {
    this.#timeline = timeline;
    this.#faults = faults;
    this.#random = random;
    this.#tally = tally;
    this.#host = host;
  }

  /** @param seen is told each answer as it arrives */
  stub(caller: Life, seen: (method: Method, answer: unknown) => void = () => {}): ShardRpc {
    const ask = async <M extends Method>(method: M, request: RequestOf<M>): Promise<AnswerOf<M>> => {
      const answer = await this.call(caller, method, request);
      seen(method, answer);
      return answer;
    };
    return {
      submit: (request) => ask("submit", request),
      open: (request) => ask("open", request),
      advance: (request) => ask("advance", request),
      close: (request) => ask("close", request),
      read: (request) => ask("read", request),
      wait: (request) => ask("wait", request),
      watch: (request) => ask("watch", request),
      batch: (request) => ask("batch", request),
      explain: (request) => ask("explain", request),
      trySubmit: (request) => ask("trySubmit", request),
      next: (request) => ask("next", request),
      cancel: (request) => ask("cancel", request),
      purge: (request) => ask("purge", request),
      listDead: (request) => ask("listDead", request),
      groupDead: (request) => ask("groupDead", request),
      discardDead: (request) => ask("discardDead", request),
      redriveDead: (request) => ask("redriveDead", request),
      tryRedrive: (request) => ask("tryRedrive", request),
      countBulk: (request) => ask("countBulk", request),
      bulk: (request) => ask("bulk", request),
      listDeliveries: (request) => ask("listDeliveries", request),
      redeliver: (request) => ask("redeliver", request),
      pingWebhook: (request) => ask("pingWebhook", request),
      change: (request) => ask("change", request),
      release: (request) => ask("release", request),
      endNodes: (request) => ask("endNodes", request),
      erase: (request) => ask("erase", request),
      purgeCache: (request) => ask("purgeCache", request),
      configure: (request) => ask("configure", request),
      summary: (request) => ask("summary", request),
      firstSeq: (request) => ask("firstSeq", request),
      drain: (request) => ask("drain", request),
      wake: (request) => ask("wake", request),
      deadTicket: (request) => ask("deadTicket", request),
    };
  }

  /** @param mayDouble whether the request is safe to arrive twice */
  call<M extends Method>(
    caller: Life,
    method: M,
    request: RequestOf<M>,
    mayDouble = MAY_COME_TWICE.has(method),
  ): Promise<AnswerOf<M>> {
    this.#tally.count(`call ${method}`);
    return new Promise((resolve, reject) => {
      const fail = (why: string) =>
        this.#timeline.after(this.#random.between(5, 300), caller, `${method}: ${why}`, () =>
          reject(new Error(`${SIMULATED}: ${why}`)),
        );
      if (this.#timeline.now < this.downUntil || this.#faults.strikes("lost-request")) {
        fail("request lost");
        return;
      }
      const { era } = this.#host();
      const receive = (isCopy: boolean) => {
        if (this.#host().era !== era) {
          if (!isCopy) fail("the connection was cut");
          return;
        }
        this.#host().receive(method, copy(request), (answer) => {
          if (isCopy) return;
          if (answer instanceof Error) fail(answer.message);
          else if (this.#faults.strikes(method === "open" ? "lost-opening" : "lost-answer")) fail("answer lost");
          else this.#travel(caller, `${method} answered`, () => resolve(copy(answer)));
        });
      };
      this.#travel(this.#wire, method, () => receive(false));
      if (mayDouble && this.#faults.strikes("doubled-call"))
        this.#travel(this.#wire, `${method} again`, () => receive(true));
    });
  }

  #travel(to: Life, what: string, arrive: () => void): void {
    const ms = this.#faults.strikes("late-message") ? this.#random.between(50, 1_000) : this.#random.between(0, 5);
    this.#timeline.after(ms, to, what, arrive);
  }
}

/** What crosses is JSON by contract: what comes out shares nothing with what went in. */
function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
