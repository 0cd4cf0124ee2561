/**
 * A worker's stay at one shard: does what session-plan.ts decides. Tasks run as slots free, outcomes are told and new
 * tasks taken in the same call, so a warm session starts a task without the queue's latency, and N tasks cost a ticket.
 */
import { type Seq, shardName, taskId } from "../core/ids.ts";
import type { Ports } from "../core/ports.ts";
import type { ShardRpc } from "../core/schema/rpc.ts";
import type { AdvanceAnswer, AdvanceRequest, ClaimedTask, CloseRequest } from "../core/schema/session-rpc.ts";
import { type RunDeps, type RunningTask, startTask } from "./run-task.ts";
import type { SessionPlan } from "./session-plan.ts";

/** What a session asks of its shard. */
export type SessionShard = Pick<ShardRpc, "advance" | "close">;

export interface SessionDeps extends RunDeps {
  readonly ports: Pick<Ports, "now" | "later">;
  /** Makes a stub of the shard: one that failed fails ever after. */
  readonly connect: () => SessionShard;
  /** The worker's name, for the log. */
  readonly worker: string;
  /** How long running tasks may go on once the service shuts down. */
  readonly drainMs: number;
  /** Asked each 20 s: whether others wait for this worker's place. */
  readonly isWanted: () => Promise<boolean>;
}

/** Tries of one call. */
const MOST_TRIES = 6;
/** Between calls while none is answered: 50 ms, then twice as long each time. */
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1_600;
/** An async handler that awaits nothing real has ended by then. */
const GATHERING_TICKS = 4;
/** Cloudflare adds consumers only when a batch ends: one that works on for long yields to tickets that wait. */
const YIELD_MS = 20_000;
/** Answers with so many tasks mean that a session could go on for long without a pause. */
const BULK = 32;
const BREATHE_EACH_MS = 20;
/** Of a session's tasks, so many are named in its log line. */
const MOST_IDS = 8;

/** Resolves when the session is closed or given up; never rejects. */
export function runSession(plan: SessionPlan, deps: SessionDeps): Promise<void> {
  return new SessionRun(plan, deps).done;
}

class SessionRun {
  readonly done: Promise<void>;
  readonly #resolve: () => void;
  readonly #plan: SessionPlan;
  readonly #deps: SessionDeps;
  readonly #tasks = new Map<Seq, RunningTask>();
  #shard: SessionShard;
  /** Calls in a row that brought no answer, whatever their turn: a new turn is no reason to ask at once. */
  #unanswered = 0;
  #isPumpDue = false;
  #stopLook: (() => void) | null = null;
  /** When it rings (Unix ms), while there is one. */
  #lookAt = 0;
  #stopYield: () => void;
  #isDraining = false;
  /** Closing or given up: the answer of a long poll or a timer that still comes must not end it again, or too early. */
  #isLeaving = false;
  readonly #openedAt: number;
  /** For the log: how many tasks were begun, and the first few. */
  #taskCount = 0;
  readonly #firstTasks: Seq[] = [];
  /** When the runtime last had a moment for others (Unix ms). */
  #breathedAt = 0;

  constructor(plan: SessionPlan, deps: SessionDeps) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolve = resolve;
    this.#plan = plan;
    this.#openedAt = deps.ports.now();
    this.#deps = { ...deps, onProgress: (seq, text) => this.#progressed(seq, text) };
    this.#shard = deps.connect();
    this.#stopYield = deps.ports.later(YIELD_MS, () => void this.#considerYielding());
    void this.#pumpSoon();
  }

  /** A few microtasks later, so that handlers that end at once are told with one call. */
  async #pumpSoon(): Promise<void> {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    for (let i = 0; i < GATHERING_TICKS; i++) await null;
    this.#isPumpDue = false;
    this.#pump();
  }

  #pump(): void {
    if (this.#isLeaving) return;
    const plan = this.#plan;
    for (const step of plan.steps(this.#deps.ports.now())) {
      switch (step.kind) {
        case "start":
          this.#start(step.task);
          void this.#pumpSoon();
          break;
        case "abandon":
          this.#tasks.get(step.seq)?.stop("returned");
          void this.#pumpSoon();
          break;
        case "cancel":
          this.#tasks.get(step.seq)?.stop("cancelled");
          void this.#pumpSoon();
          break;
        case "send":
          void this.#send(step.request, 1);
          break;
        case "close":
          void this.#close(step.request);
          return;
      }
    }
    if (plan.isDone) this.#giveUp();
    else {
      if (plan.stop === "drain") this.#drain();
      this.#lookAgain();
    }
  }

  #start(task: ClaimedTask): void {
    this.#taskCount++;
    if (this.#firstTasks.length < MOST_IDS) this.#firstTasks.push(task.seq);
    const running = startTask(task, this.#deps);
    this.#tasks.set(task.seq, running);
    void running.outcome.then((outcome) => {
      if (this.#tasks.get(task.seq) === running) this.#tasks.delete(task.seq);
      this.#plan.ended(outcome, this.#deps.ports.now());
      void this.#pumpSoon();
    });
  }

  async #send(request: AdvanceRequest, tries: number): Promise<void> {
    let answer: AdvanceAnswer;
    try {
      await this.#pauseIfUnanswered();
      answer = await this.#shard.advance(request);
    } catch (error) {
      this.#retry(request, tries, error);
      return;
    }
    this.#unanswered = 0;
    if (answer.ok && answer.handout.tasks.length >= BULK) await this.#breathe();
    this.#plan.answered(request.turn, answer, this.#deps.ports.now());
    this.#pump();
  }

  /**
   * Lets the runtime read its sockets: it does only when it has nothing left to do, and quick tasks leave it something
   * for as long as any wait. Of 30 batches of 1,000 sent at once the last was answered after 5.1 s, with this after 1.7.
   */
  async #breathe(): Promise<void> {
    const { ports } = this.#deps;
    if (ports.now() - this.#breathedAt < BREATHE_EACH_MS) return;
    await new Promise<void>((resolve) => ports.later(0, resolve));
    this.#breathedAt = ports.now();
  }

  async #pauseIfUnanswered(): Promise<void> {
    if (this.#unanswered === 0) return;
    const ms = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#unanswered - 1));
    await new Promise<void>((resolve) => this.#deps.ports.later(ms, resolve));
  }

  #retry(request: AdvanceRequest, tries: number, error: unknown): void {
    this.#unanswered++;
    this.#shard = this.#deps.connect();
    const again = this.#plan.failed(request.turn, tries >= MOST_TRIES, this.#deps.ports.now());
    if (!again) {
      this.#deps.log("warn", "turn-given-up", { session: request.session, turn: request.turn, error: String(error) });
      this.#pump();
      return;
    }
    void this.#send(again, tries + 1);
  }

  /** A close that never arrives is made up for by the lease. */
  async #close(request: CloseRequest): Promise<void> {
    this.#isLeaving = true;
    for (let tries = 1; tries <= MOST_TRIES; tries++) {
      try {
        await this.#pauseIfUnanswered();
        await this.#shard.close(request);
        break;
      } catch (error) {
        if (tries === MOST_TRIES) this.#closeLost(request, error);
        this.#unanswered++;
        this.#shard = this.#deps.connect();
      }
    }
    this.#end();
  }

  #closeLost({ session, outcomes }: CloseRequest, error: unknown): void {
    const object = shardName(this.#deps.address);
    this.#deps.log("warn", "close-given-up", { object, session, outcomes: outcomes.length, error: String(error) });
  }

  /** The shard does not know the session any more: what still runs is no longer its own. */
  #giveUp(): void {
    this.#isLeaving = true;
    for (const task of this.#tasks.values()) task.stop("returned");
    this.#end();
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#deps.ports.later(this.#deps.drainMs, () => {
      for (const task of this.#tasks.values()) task.stop("returned");
    });
  }

  async #considerYielding(): Promise<void> {
    try {
      if (await this.#deps.isWanted()) this.#plan.finish("finish");
    } catch {
      // Not knowing is no reason to stop.
    }
    if (this.#plan.isDone) return;
    this.#stopYield = this.#deps.ports.later(YIELD_MS, () => void this.#considerYielding());
    this.#pump();
  }

  #progressed(seq: Seq, text: string): void {
    if (this.#plan.progressed(seq, text)) void this.#pumpSoon();
  }

  /** One timer at a time, the earliest; one that rings for nothing is set again. */
  #lookAgain(): void {
    const at = this.#plan.nextLook();
    if (at === null || (this.#stopLook && this.#lookAt <= at)) return;
    this.#stopLook?.();
    this.#lookAt = at;
    this.#stopLook = this.#deps.ports.later(Math.max(0, at - this.#deps.ports.now()), () => {
      this.#stopLook = null;
      this.#pump();
    });
  }

  /** The invocation's one line: a session is what a consumer does. */
  #end(): void {
    const { log, address, ports } = this.#deps;
    log("info", "session", {
      object: shardName(address),
      worker: this.#deps.worker,
      taskCount: this.#taskCount,
      tasks: this.#firstTasks.map((seq) => taskId(address, seq)),
      ms: ports.now() - this.#openedAt,
    });
    this.#stopLook?.();
    this.#stopYield();
    this.#resolve();
  }
}
