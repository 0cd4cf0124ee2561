/** The platform's ports with a test's faults before them. Whatever has no fault goes through to the real thing. */
import type { HistoryDatabase, HistoryResult, HistoryStatement, Ports } from "../../../core/ports.ts";
import type { ShardRpc } from "../../../core/schema/rpc.ts";
import { faultsOf, holdTickets, type LosableCall, takeFailedOpen, takeLoss } from "./faults.ts";

const LOST = "Network connection lost.";
/** How often a hanging call looks whether it still has to. */
const LOOK_MS = 20;

/** @param scope whose faults concern clock, tickets and history: a shard's queue, or the door */
export function faultyPorts(real: Ports, scope: string): Ports {
  return {
    // Not spread: `boot` is made when it is first asked for.
    get boot() {
      return real.boot;
    },
    now: () => real.now() + faultsOf(scope).clockMs,
    log: real.log,
    random: () => real.random(),
    uuid: () => real.uuid(),
    later: (ms, run) => real.later(ms, run),
    directory: (tenant) => real.directory(tenant),
    liveFeed: (tenant) => real.liveFeed(tenant),
    workflow: (tenant, id) => real.workflow(tenant, id),
    ticketBacklog: (queue) => real.ticketBacklog(queue),
    sendWebhook: (message, signal) => real.sendWebhook(message, signal),
    sendDeadLetters: (ids) => real.sendDeadLetters(ids),
    taskType: (type) => real.taskType(type),
    shard: (address) => faultyShard(real.shard(address), address.queue),
    async sendTickets(queue, tickets) {
      const fault = faultsOf(scope).tickets;
      if (fault === "dropped") return;
      if (fault === "hold") {
        holdTickets(scope, queue, tickets);
        return;
      }
      await real.sendTickets(queue, tickets);
      if (fault === "doubled") await real.sendTickets(queue, tickets);
    },
    history(number) {
      const database = real.history(number);
      return database && new FaultyDatabase(database, real, scope);
    },
  };
}

const LOSABLE: ReadonlySet<string> = new Set<LosableCall>(["submit", "open", "advance", "close"]);

/** A stub is a proxy without methods of its own, so they are taken one by one. */
function faultyShard(stub: ShardRpc, scope: string): ShardRpc {
  return new Proxy(stub, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== "function" || !LOSABLE.has(String(name))) return method;
      return async (request: unknown) => {
        if (name === "open" && takeFailedOpen(scope)) throw new Error("the shard cannot be reached");
        const answer: unknown = await Reflect.apply(method, target, [request]);
        if (takeLoss(scope, name as LosableCall)) throw new Error(LOST);
        return answer;
      };
    },
  });
}

class FaultyDatabase implements HistoryDatabase {
  readonly #real: HistoryDatabase;
  readonly #ports: Ports;
  readonly #scope: string;

  constructor(real: HistoryDatabase, ports: Ports, scope: string) {
    this.#real = real;
    this.#ports = ports;
    this.#scope = scope;
  }

  prepare(statement: string): FaultyStatement {
    return new FaultyStatement(this.#real.prepare(statement), (call) => this.#call(call));
  }

  batch(statements: HistoryStatement[]): Promise<HistoryResult[]> {
    const bare = statements.map((statement) => (statement instanceof FaultyStatement ? statement.real : statement));
    return this.#call(() => this.#real.batch(bare));
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    const fault = () => faultsOf(this.#scope).history;
    if (fault() === "hang") {
      while (fault() === "hang") await new Promise<void>((go) => this.#ports.later(LOOK_MS, go));
      throw new Error("D1_ERROR: Network connection lost.");
    }
    if (fault() === "down") throw new Error("D1_ERROR: D1 DB is overloaded. Requests queued for too long.");
    const answer = await call();
    if (fault() === "lose") throw new Error("D1_ERROR: Network connection lost.");
    return answer;
  }
}

type Guard = <T>(call: () => Promise<T>) => Promise<T>;

class FaultyStatement implements HistoryStatement {
  readonly real: HistoryStatement;
  readonly #guard: Guard;

  constructor(real: HistoryStatement, guard: Guard) {
    this.real = real;
    this.#guard = guard;
  }

  bind(...values: (string | number | null)[]): FaultyStatement {
    return new FaultyStatement(this.real.bind(...values), this.#guard);
  }

  run(): Promise<HistoryResult> {
    return this.#guard(() => this.real.run());
  }
}
