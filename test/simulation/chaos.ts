/** What befalls whole parts of the world between two steps, and how the world is put right at the end. */
import type { Broker } from "./broker.ts";
import type { Client } from "./client.ts";
import type { Faults } from "./faults.ts";
import type { SimulatedHistory } from "./history-database.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Runtime, Runtimes } from "./runtimes.ts";
import type { Tally } from "./tally.ts";
import { Life, type Timeline } from "./timeline.ts";

const HOUR_MS = 3_600_000;

export interface ChaosDeps {
  readonly timeline: Timeline;
  readonly faults: Faults;
  readonly random: Random;
  readonly tally: Tally;
  readonly host: Host;
  readonly broker: Broker;
  readonly runtimes: Runtimes;
  readonly history: SimulatedHistory;
  readonly network: Network;
  readonly client: Client;
  /** One process holds everything, and a boot id says which run of it. */
  readonly isLocal: boolean;
}

export class Chaos {
  hasSteppedClock = false;
  #boots = 0;
  #isDown = false;
  #isShuttingDown = false;
  readonly #fate = new Life("fate");
  readonly #deps: ChaosDeps;

  constructor(deps: ChaosDeps) {
    this.#deps = deps;
    deps.broker.onDead = (ticket) => deps.client.deadTicket(ticket);
    this.#boot();
  }

  get boot(): string | null {
    return this.#deps.isLocal ? `boot-${this.#boots}` : null;
  }

  /** @param note is told what happened */
  strike(note: (what: string) => void): void {
    const { faults, random, host, runtimes, history, network, timeline, tally, isLocal } = this.#deps;
    if (faults.isCalm) return;
    if (faults.strikes("clock-step")) {
      const ms = random.pick([-HOUR_MS, HOUR_MS]);
      this.hasSteppedClock = true;
      tally.count(ms < 0 ? "clock back an hour" : "clock on an hour");
      host.step(ms);
      note(`the clock jumps by ${ms}`);
    }
    if (faults.strikes("eviction") && host.evict()) {
      tally.count("evicted");
      note("the object is evicted");
    }
    if (faults.strikes("restart") && host.shard) {
      host.restart();
      note("the object is restarted");
    }
    if (faults.strikes("d1-down")) {
      history.downUntil = timeline.now + random.between(1_000, 120_000);
      note("D1 is down");
    }
    if (faults.strikes("outage")) {
      network.downUntil = timeline.now + random.between(20_000, 200_000);
      note("the network is down");
    }
    const [first, ...others] = runtimes.all;
    if (!first) return;
    const runtime = random.pick([first, ...others]);
    if (faults.strikes("runtime-stall")) {
      runtime.life.frozenUntil = timeline.now + random.between(1_000, 90_000);
      note(`${runtime.life.name} stalls`);
    }
    if (faults.strikes("runtime-crash")) {
      this.crashed(runtime);
      note(`${runtime.life.name} dies`);
    }
    if (isLocal && faults.strikes("reboot") && !this.#isShuttingDown) {
      note("the service is shut down");
      this.#shutDown();
    }
  }

  /** An isolate dies; where one process is everything, everything does. */
  crashed(runtime: Runtime): void {
    const { timeline, runtimes, random, isLocal } = this.#deps;
    if (isLocal) {
      this.#die();
      return;
    }
    runtimes.kill(runtime);
    timeline.after(random.between(0, 500), this.#fate, "an isolate starts", () => this.#spawn());
  }

  /** Nothing goes wrong any more (an outage lasts as long as it lasts), and every worker knows every type. */
  end(): void {
    const { runtimes, history } = this.#deps;
    history.downUntil = 0;
    for (const runtime of runtimes.all) {
      runtime.life.frozenUntil = 0;
      runtime.isOldDeploy = false;
    }
  }

  /** SIGTERM: told to stop, and gone a while later; or killed at once. */
  #shutDown(): void {
    const { client, timeline, random, tally } = this.#deps;
    this.#isShuttingDown = true;
    const isTold = random.chance(0.6);
    tally.count(isTold ? "drain" : "kill");
    if (isTold) client.drain();
    timeline.after(isTold ? random.between(0, 12_000) : 0, this.#fate, "the service ends", () => this.#die());
  }

  #die(): void {
    const { runtimes, broker, host, random, timeline } = this.#deps;
    if (this.#isDown) return;
    this.#isDown = true;
    broker.clear();
    for (const runtime of [...runtimes.all]) runtimes.kill(runtime);
    // The next boot is named at once: a new object must not take the dead one's sessions for its own.
    this.#boots++;
    host.die(random.chance(0.5));
    timeline.after(random.between(50, 3_000), this.#fate, "the service starts", () => this.#boot());
  }

  #boot(): void {
    const { host, client, random } = this.#deps;
    this.#isDown = false;
    this.#isShuttingDown = false;
    host.isDown = false;
    const isolates = this.#deps.isLocal ? 1 : random.between(1, 3);
    for (let i = 0; i < isolates; i++) this.#spawn();
    // The cron trigger's tick.
    if (this.#boots > 0) client.wake();
  }

  #spawn(): void {
    const { runtimes, random, faults } = this.#deps;
    runtimes.spawn(!faults.isCalm && random.chance(0.25));
  }
}
