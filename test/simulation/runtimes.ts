/**
 * The isolates that consumers run in. Each redeems tickets with the product's own consumer code (tickets.ts, session.ts,
 * session-plan.ts, run-task.ts); one that crashes takes every session in it along, the solo one and the company.
 */
import { redeemTicket } from "../../consumers/tickets.ts";
import type { Seq } from "../../core/ids.ts";
import type { Ports } from "../../core/ports.ts";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import type { OpenAnswer } from "../../core/schema/session-rpc.ts";
import type { Broker, Message } from "./broker.ts";
import type { Faults } from "./faults.ts";
import { type Isolate, scriptedRegistry } from "./handlers.ts";
import type { Model, Stay } from "./model.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";
import { Life, type Timeline } from "./timeline.ts";

const DRAIN_MS = 10_000;

export interface RuntimesDeps {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly faults: Faults;
  readonly tally: Tally;
  readonly network: Network;
  readonly broker: Broker;
  readonly model: Model;
  readonly now: () => number;
  readonly boot: () => string | null;
  readonly begin: Isolate["begin"];
  /** A handler killed its isolate. */
  readonly onCrash: (runtime: Runtime) => void;
}

export class Runtime {
  readonly life: Life;
  /** It was deployed before the newest task types were. */
  isOldDeploy: boolean;
  readonly stays = new Set<Stay>();
  readonly messages = new Set<Message>();

  constructor(name: string, isOldDeploy: boolean) {
    this.life = new Life(name);
    this.isOldDeploy = isOldDeploy;
  }
}

export class Runtimes {
  readonly all: Runtime[] = [];
  #names = 0;
  #stays = 0;
  readonly #deps: RuntimesDeps;

  constructor(deps: RuntimesDeps) {
    this.#deps = deps;
    deps.broker.deliver = (message, done) => this.#deliver(message, done);
  }

  spawn(isOldDeploy: boolean): void {
    this.all.push(new Runtime(`isolate ${++this.#names}`, isOldDeploy));
  }

  kill(runtime: Runtime): void {
    runtime.life.isAlive = false;
    this.all.splice(this.all.indexOf(runtime), 1);
    for (const stay of runtime.stays) stay.isOver = true;
    for (const message of runtime.messages) this.#deps.broker.abandoned(message);
  }

  #deliver(message: Message, done: () => void): boolean {
    const [first, ...others] = this.all;
    if (!first) return false;
    const runtime = this.#deps.random.pick([first, ...others]);
    runtime.messages.add(message);
    const name = `w${String(++this.#stays).padStart(7, "0")}`;
    const stay: Stay = { worker: `consumer-${name}`, queue: message.queue, session: null, isOver: false };
    runtime.stays.add(stay);
    this.#deps.model.stays.set(stay.worker, stay);
    void this.#stay(runtime, message, stay, name).then(() => {
      stay.isOver = true;
      runtime.stays.delete(stay);
      runtime.messages.delete(message);
      done();
    });
    return true;
  }

  /** Ends when the stay does; never, if the isolate dies. */
  async #stay(runtime: Runtime, message: Message, stay: Stay, name: string): Promise<void> {
    const { broker, tally } = this.#deps;
    const told = {
      body: message.ticket,
      attempts: message.attempts,
      ack: () => {
        message.isSettled = true;
      },
      retry: ({ delaySeconds }: { delaySeconds: number }) => {
        tally.count("ticket retried");
        broker.retry(message, delaySeconds * 1_000);
      },
    };
    const session = await redeemTicket(told, message.queue, {
      ports: this.#portsOf(runtime, stay, name),
      registry: scriptedRegistry(this.#isolateOf(runtime), stay, runtime.isOldDeploy),
      env: {},
      log: () => {},
      drainMs: DRAIN_MS,
    });
    if (session) tally.count(message.queue === "solo" ? "solo session" : "session");
    await session?.ended;
  }

  /** Now and then an outcome is kept back for good, and its task said to be held. */
  #mute(shard: ShardRpc): ShardRpc {
    const { faults } = this.#deps;
    const muted = new Set<Seq>();
    return {
      ...shard,
      advance(request) {
        for (const { seq } of request.outcomes) if (faults.strikes("mute-outcome")) muted.add(seq);
        if (muted.size === 0) return shard.advance(request);
        const outcomes = request.outcomes.filter(({ seq }) => !muted.has(seq));
        return shard.advance({ ...request, outcomes, holding: [...new Set([...request.holding, ...muted])] });
      },
    };
  }

  #isolateOf(runtime: Runtime): Isolate {
    const { timeline, begin, onCrash, random, tally } = this.#deps;
    return {
      begin,
      later: (ms, run) => timeline.after(ms, runtime.life, "handler", run),
      crash: (stay) => {
        tally.count(stay.queue === "solo" ? "crash while alone" : "crash in company");
        onCrash(runtime);
      },
      stall: () => {
        tally.count("stalled handler");
        runtime.life.frozenUntil = timeline.now + random.between(5_000, 120_000);
      },
    };
  }

  #portsOf(runtime: Runtime, stay: Stay, name: string): Ports {
    const { timeline, network, broker, now, boot } = this.#deps;
    const stub = this.#mute(
      network.stub(runtime.life, (method, answer) => {
        const opened = answer as OpenAnswer;
        if (method === "open" && opened.ok) stay.session = opened.session;
      }),
    );
    const notHere = () => {
      throw new Error("a consumer does not ask for that");
    };
    return {
      now,
      random: notHere,
      log: () => {},
      uuid: () => name,
      later: (ms, run) => timeline.after(ms, runtime.life, "timer of a consumer", run),
      shard: () => stub,
      directory: notHere,
      liveFeed: notHere,
      workflow: notHere,
      sendTickets: notHere,
      ticketBacklog: async () => broker.backlog,
      sendDeadLetters: notHere,
      taskType: notHere,
      sendWebhook: notHere,
      history: notHere,
      boot: boot(),
    };
  }
}
