/**
 * One shard and everything around it, for one seed: workers, queues, D1, clients, clocks, and what goes wrong with them.
 * A step is one thing that happens; after each, what must stay true is checked. No real clock, no real chance: a seed
 * is a run.
 */
import type { QueueName, ShardAddress, TenantName } from "../../core/ids.ts";
import type { QueueSettings } from "../../core/schema/queue-settings.ts";
import type { AdvanceRequest } from "../../core/schema/session-rpc.ts";
import type { Hooks } from "../../core/schema/webhooks-rpc.ts";
import { depthOf } from "../../durable-objects/queue-shard/memory.ts";
import type { Shard } from "../../durable-objects/queue-shard/shard.ts";
import { begin } from "./begin.ts";
import { Broker } from "./broker.ts";
import { Chaos } from "./chaos.ts";
import { checkTaken } from "./check-advance.ts";
import { checkAnswer } from "./check-answer.ts";
import { checkCommit, checkMark } from "./check-commit.ts";
import { checkEnd } from "./check-end.ts";
import { Leases } from "./check-leases.ts";
import { checkEnds } from "./check-nodes.ts";
import { RateCheck } from "./check-rates.ts";
import { checkTold } from "./check-told.ts";
import { TurnCheck } from "./check-turn.ts";
import { checkWatchers } from "./check-watch.ts";
import { Client } from "./client.ts";
import { databaseFor } from "./databases.ts";
import { drawHooks, signed } from "./draw-hooks.ts";
import { drawSettings } from "./draw-settings.ts";
import { type Fault, Faults } from "./faults.ts";
import { SimulatedHistory } from "./history-database.ts";
import { Host } from "./host.ts";
import { Model } from "./model.ts";
import { Network } from "./network.ts";
import { Random } from "./random.ts";
import { Receivers } from "./receivers.ts";
import { checkReplays } from "./replays.ts";
import { Runs } from "./runs.ts";
import { Runtimes } from "./runtimes.ts";
import { shardPorts } from "./shard-ports.ts";
import type { Tally } from "./tally.ts";
import { Timeline } from "./timeline.ts";
import { Users } from "./users.ts";
import { takeViolation } from "./violation.ts";
import { Witness } from "./witness.ts";

/** 2026-01-01, so that ids look as they do in life. */
const START = Date.UTC(2026, 0, 1);
/** How often a step is something new, and not the next thing that was to happen anyway. */
const NEWS = 0.08;

export interface WorldOptions {
  readonly seed: number;
  readonly without: ReadonlySet<Fault>;
  readonly tally: Tally;
}

export class World {
  readonly address: ShardAddress = { tenant: "default" as TenantName, queue: "q" as QueueName, shard: 0 };
  readonly timeline = new Timeline();
  readonly model = new Model();
  readonly faults: Faults;
  readonly trace: string[] = [];
  readonly host: Host;
  readonly #random: Random;
  readonly #tally: Tally;
  readonly #history: SimulatedHistory;
  readonly #receivers: Receivers;
  readonly #client: Client;
  readonly #users: Users;
  readonly #chaos: Chaos;
  readonly #broker: Broker;
  readonly #witness: Witness;
  readonly #leases = new Leases();
  readonly #turns = new TurnCheck();
  readonly #rates = new RateCheck();
  readonly #deadLetters = new Set<number>();
  readonly #settings: QueueSettings;
  readonly #hooks: Hooks;
  /** What had been written when the tables were last looked at; -1: a rollback came since. */
  #writes = -1;
  #calmTurns = 0;

  constructor({ seed, without, tally }: WorldOptions) {
    const streamOf = (name: string) => new Random(seed, name);
    const { timeline, model } = this;
    this.#tally = tally;
    this.#random = streamOf("steps");
    this.faults = new Faults(seed, tally, without);
    const { faults } = this;
    const isLocal = streamOf("mode").chance(0.35);
    const mayCrash = !faults.isGentle && streamOf("crashes").chance(0.8);
    model.isDisturbed = mayCrash || !faults.isOrderly;
    this.#hooks = drawHooks(streamOf("hooks"));
    this.#settings = { ...drawSettings(streamOf("settings")), hooks: this.#hooks };
    this.#history = new SimulatedHistory(timeline, faults, streamOf("d1"));
    const shared = { timeline, faults, tally, model };
    this.#receivers = new Receivers({ ...shared, random: streamOf("receivers") });
    this.#broker = new Broker(timeline, faults, streamOf("queues"), tally);
    const network = new Network(timeline, faults, streamOf("network"), tally, () => this.host);
    const runtimes = new Runtimes({
      ...shared,
      network,
      random: streamOf("runtimes"),
      broker: this.#broker,
      // Locally there is one clock, else a shard's jumps alone.
      now: () => (isLocal ? this.#now() : START + timeline.now),
      boot: () => this.#chaos.boot,
      begin: (seq, attempt, stay, script) => {
        this.#note(`  ${stay.worker} begins ${seq}, attempt ${attempt}`);
        return begin({ model, timeline, host: this.host }, seq, attempt, stay, script);
      },
      onCrash: (runtime) => this.#chaos.crashed(runtime),
    });
    const runs = new Runs({
      ...shared,
      network,
      random: streamOf("runs"),
      client: () => this.#client,
      now: () => this.#now(),
    });
    this.host = new Host({
      database: databaseFor(seed),
      address: this.address,
      timeline,
      faults,
      tally,
      random: streamOf("host"),
      now: () => this.#now(),
      ports: shardPorts({
        timeline,
        tally,
        random: streamOf("jitter"),
        broker: this.#broker,
        history: this.#history,
        receivers: this.#receivers,
        runs,
        host: () => this.host,
        now: () => this.#now(),
        boot: () => this.#chaos.boot,
        onDeadLetter: (seq) => this.#deadLetters.add(seq),
      }),
      onCommit: () => this.#committed(),
      onRollback: () => {
        this.#writes = -1;
        this.#witness.rolledBack();
      },
      onTaken: (method, request) => {
        const { shard } = this.host;
        if (shard && method === "advance" && !this.host.isHurt) this.#taken(shard, request as AdvanceRequest);
      },
      onAnswer: (method, request, answer) => {
        const { shard } = this.host;
        if (shard) checkAnswer(shard, method, request, answer, { history: this.#history, leases: this.#leases, model });
      },
    });
    this.#witness = new Witness(this.host.gate);
    this.#client = new Client(this.#settings, {
      ...shared,
      network,
      random: streamOf("client"),
      callbacks: streamOf("callbacks"),
      now: () => this.#now(),
      hasSteppedClock: () => this.#chaos.hasSteppedClock,
      mayCrash,
    });
    this.#users = new Users({
      address: this.address,
      client: this.#client,
      history: this.#history,
      model,
      network,
      receivers: this.#receivers,
      runs,
      tally,
      timeline,
      now: () => this.#now(),
      streamOf: (name) => (name === "steps" ? this.#random : streamOf(name)),
    });
    this.#chaos = new Chaos({
      timeline,
      faults,
      runtimes,
      tally,
      random: streamOf("chaos"),
      host: this.host,
      broker: this.#broker,
      history: this.#history,
      network,
      client: this.#client,
      isLocal,
    });
  }

  /** One thing happens. @returns false: nothing is left that could */
  async step(): Promise<boolean> {
    this.#chaos.strike((what) => this.#note(`CHAOS ${what}`));
    const isNews = !this.faults.isCalm && this.#random.chance(NEWS);
    const next = isNews ? null : this.timeline.next();
    if (next) this.#note(`${next.life.name}: ${next.what}`);
    if (next) next.run();
    else if (this.faults.isCalm) return false;
    else this.#users.act((what) => this.#note(what));
    // A macrotask: by then every microtask that the step began has run.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.host.endTurn();
    this.#check();
    return true;
  }

  /** Faults stop, everybody is up, nothing is paused. */
  calm(): void {
    this.faults.isCalm = true;
    this.#note("CALM");
    this.#chaos.end();
    this.#client.change({
      paused: false,
      draining: false,
      concurrency: null,
      depthLimit: 10_000,
      hooks: signed(this.#hooks),
    });
  }

  /** Every task has ended and has been told. */
  get isDone(): boolean {
    const memory = this.host.shard?.memory;
    if (!memory) return this.host.gate.alarm === null && this.model.tasks.size === 0;
    const { deliveries, notices, outbox, sessions } = memory;
    const noticed = Object.values(notices.sinks).reduce((sum, { count }) => sum + count, 0);
    return depthOf(memory) + outbox.rows + noticed + deliveries.pending + sessions.size === 0;
  }

  checkEnd(): void {
    checkEnd(this.model, this.#history, this.#settings, this.#deadLetters, this.#chaos.hasSteppedClock);
    checkReplays(this.address, this.model, this.#history);
    checkEnds(this.model, this.#history);
    checkTold(this.model, this.#history, this.#receivers, this.#hooks);
  }

  #taken(shard: Shard, request: AdvanceRequest): void {
    const before = this.#leases.turnOf(request.session);
    checkTaken(shard, request, before !== undefined && before < request.turn);
  }

  #committed(): void {
    const seen = this.#witness.collect();
    const { moves, flushes, records, forgotten } = seen;
    if (moves.length + flushes.length + records.length === 0 && !forgotten) return;
    for (const { seq, was, now } of moves) this.#note(`  ${seq}: ${was} to ${now}`);
    const settings = this.host.shard?.memory.settings;
    if (forgotten) {
      this.#tally.count("queue deleted");
      flushes.splice(0, forgotten.flushes);
      records.splice(0, forgotten.records);
      const gone = moves.splice(0, forgotten.moves);
      this.model.forget(gone.filter(({ was }) => was === "NEW").map(({ seq }) => seq));
      this.#client.forget();
      this.#rates.forget();
    }
    checkMark(seen, { model: this.model, gate: this.host.gate });
    checkCommit(seen, {
      model: this.model,
      history: this.#history,
      tally: this.#tally,
      gate: this.host.gate,
      now: this.#chaos.hasSteppedClock ? null : this.#now(),
      settings: this.#settings,
    });
    if (this.#chaos.hasSteppedClock) this.#rates.forget();
    else if (settings) this.#rates.committed(moves, this.host.gate, settings, this.#now());
  }

  #check(): void {
    const { host } = this;
    if (host.shard && host.wasTouched) {
      this.#witness.attend();
      this.#leases.check(host.shard);
      checkWatchers(host.shard);
      // The tables are read each time while faults are on; in the calm every third time is enough, and saves a quarter.
      if (!this.faults.isCalm || ++this.#calmTurns % 3 === 0) {
        const { writes } = host.sql;
        this.#turns.check(host, host.shard, host.gate, writes !== this.#writes, this.#chaos.hasSteppedClock);
        this.#writes = writes;
      }
    }
    host.wasTouched = false;
    const violation = takeViolation();
    if (violation) throw violation;
  }

  /** The shard's clock. */
  #now(): number {
    return START + this.timeline.now + this.host.skew;
  }

  #note(what: string): void {
    this.trace.push(`${String(this.timeline.now).padStart(9)} ${what}`);
  }
}
