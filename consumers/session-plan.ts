/**
 * What a session says and does next, without doing it: a state machine that session.ts drives with real calls and the
 * simulation with invented ones. Must stay true: an outcome is told until a turn that carried it was answered; a task
 * stays in `holding` until then, so that it is never run twice because an answer was lost.
 */
import type { Seq } from "../core/ids.ts";
import type {
  AdvanceAnswer,
  AdvanceRequest,
  ClaimedTask,
  Handout,
  OpenAnswer,
  Outcome,
} from "../core/schema/session-rpc.ts";
import { type Flight, Flights, type Held, type Running } from "./flights.ts";
import { LatestProgress } from "./latest-progress.ts";
import { AHEAD_MS, Pace } from "./pace.ts";
import type { Step } from "./step.ts";
import { Untold } from "./untold.ts";

/**
 * A session with every slot taken has nothing to ask: its long poll, which brings `stop` and renews the lease, waits this
 * long (ms) for an outcome that would overtake it. A poll at once made two calls of each task that waits for something.
 */
const POLL_DELAY_MS = 1_000;

export type SessionTerms = Pick<Extract<OpenAnswer, { ok: true }>, "slots" | "leaseMs" | "lingerMs"> & {
  readonly session: number;
};

export class SessionPlan {
  readonly #terms: SessionTerms;
  readonly #solo: boolean;
  #waiting: Held[] = [];
  /** Abandoned and cancelled ones, to be told. */
  #orders: Step[] = [];
  /** Of what it holds: those whose cancellation it has heard of. */
  #cancelling = new Set<Seq>();
  readonly #running = new Map<Seq, Running>();
  readonly #untold = new Untold();
  readonly #progress: LatestProgress;
  readonly #flights = new Flights();
  #turn = 0;
  #stop: Handout["stop"] = "no";
  #isDone = false;
  #isClosing = false;
  readonly #pace: Pace;
  #lastEndAt: number;
  #lastAnswerAt: number;

  constructor(terms: SessionTerms, handout: Handout, solo: boolean, now: number) {
    this.#terms = terms;
    this.#solo = solo;
    this.#pace = new Pace(now);
    this.#progress = new LatestProgress(now);
    this.#lastEndAt = now;
    this.#lastAnswerAt = now;
    this.#take(handout, 0, now);
  }

  /** Closed, or given up: nothing more is to be done. */
  get isDone(): boolean {
    return this.#isDone;
  }
  get stop(): Handout["stop"] {
    return this.#stop;
  }
  get running(): ReadonlyMap<Seq, { readonly task: ClaimedTask }> {
    return this.#running;
  }

  /** A task ended; its outcome is told with the next turn. */
  ended(outcome: Outcome, now: number): void {
    const running = this.#running.get(outcome.seq);
    if (running?.task.attempt !== outcome.attempt) return;
    this.#running.delete(outcome.seq);
    this.#progress.drop(outcome.seq);
    this.#pace.ended(now - running.startedAt);
    this.#lastEndAt = now;
    this.#untold.add({ ...outcome, turn: running.turn }, now);
  }

  /** @param text of JSON. @returns whether steps are to be thought of: more of it comes with those that are */
  progressed(seq: Seq, text: string): boolean {
    return this.#running.has(seq) && this.#progress.note(seq, text);
  }

  /** The worker has to go: nothing new is taken. */
  finish(stop: Exclude<Handout["stop"], "no">): void {
    if (this.#stop !== "drain") this.#stop = stop;
  }

  answered(turn: number, answer: AdvanceAnswer, now: number): void {
    const flight = this.#flights.get(turn);
    if (!flight) return;
    if (!answer.ok) {
      this.#giveUp(turn, flight);
      // The shard knows this session no more: its tasks are another's by now, or will be.
      if (answer.code === "session-unknown") this.#isDone = true;
      return;
    }
    this.#flights.end(turn);
    this.#lastAnswerAt = now;
    const { handout } = answer;
    if (flight.isLinger && handout.tasks.length === 0 && this.#isIdle) this.#isClosing = true;
    this.#take(handout, turn, now);
  }

  /**
   * No answer came. The same turn may be sent again, as long as no newer one was: that brings the stored answer.
   * @param isLast give the turn up: its outcomes are told with the next one
   */
  failed(turn: number, isLast: boolean, now: number): AdvanceRequest | null {
    const flight = this.#flights.get(turn);
    if (!flight) return null;
    if (!isLast && turn === this.#turn) return flight.request;
    this.#giveUp(turn, flight);
    // Nothing heard for a whole lease: by now the shard has given its tasks to others.
    if (now - this.#lastAnswerAt > this.#terms.leaseMs) this.#isDone = true;
    return null;
  }

  /**
   * What to do now, in order. Call after every event, when `nextLook` has passed, and again soon after tasks were
   * started: nothing is sent in the same breath, so that what ends at once is told with the call that asks for more.
   */
  steps(now: number): Step[] {
    if (this.#isDone) return [];
    const steps = this.#orders;
    this.#orders = [];
    if (this.#stop === "drain" || this.#isStuck(now)) this.#handBackWaiting(now);
    while (this.#waiting.length > 0 && this.#running.size < this.#terms.slots) {
      const held = this.#waiting.shift();
      if (!held) break;
      const { task } = held;
      this.#running.set(task.seq, { ...held, startedAt: now, isReported: task.started });
      steps.push({ kind: "start", task });
    }
    if (steps.length > 0) return steps;
    if (this.#mayClose) {
      this.#isClosing = false;
      this.#isDone = true;
      const { session } = this.#terms;
      steps.push({ kind: "close", request: { v: 1, session, turn: this.#turn + 1, outcomes: this.#untold.take() } });
    } else if (this.#maySend(now)) steps.push({ kind: "send", request: this.#send(now) });
    return steps;
  }

  /**
   * When to look again though nothing happened (Unix ms); null: no need. What only an answer can change is not looked
   * for: a look that is overdue would come again at once, and again.
   */
  nextLook(): number | null {
    const looks: number[] = [];
    const { since } = this.#untold;
    if (since !== null && this.#flights.mayCall) looks.push(since + AHEAD_MS);
    if (this.#isFull) looks.push(this.#lastEndAt + AHEAD_MS);
    if (this.#flights.isEmpty) looks.push(this.#lastAnswerAt + POLL_DELAY_MS);
    const { dueAt } = this.#progress;
    if (dueAt !== null && this.#flights.mayCall && this.#isHungry) looks.push(dueAt);
    return looks.length === 0 ? null : Math.min(...looks);
  }

  get #isIdle(): boolean {
    return this.#running.size === 0 && this.#waiting.length === 0 && this.#untold.isEmpty;
  }

  get #mayClose(): boolean {
    if (!this.#isClosing && this.#stop === "no") return false;
    if (this.#running.size > 0 || this.#waiting.length > 0 || !this.#untold.fitOneCall) return false;
    return this.#flights.areParked && this.#flights.seqs.length === 0;
  }

  #maySend(now: number): boolean {
    const { since } = this.#untold;
    const hasNews = since !== null || this.#progress.isDue(now) || this.#unreported.length > 0;
    const isDue = this.#isHungry || (since !== null && now - since >= AHEAD_MS);
    if (!this.#flights.isEmpty) return this.#flights.mayCall && hasNews && isDue;
    const isSilent = now - this.#lastAnswerAt >= POLL_DELAY_MS || now < this.#lastAnswerAt;
    return isSilent || (hasNews ? isDue : this.#want > 0);
  }

  /** Ready for more: what is left to start is less than half of what it claims ahead. */
  get #isHungry(): boolean {
    return this.#waiting.length <= this.#ahead() / 2;
  }

  get #want(): number {
    if (this.#stop !== "no") return 0;
    return Math.max(0, this.#terms.slots + this.#ahead() - this.#running.size - this.#waiting.length);
  }

  get #unreported(): Running[] {
    return [...this.#running.values()].filter((running) => !running.isReported);
  }

  #send(now: number): AdvanceRequest {
    const { session, leaseMs, lingerMs } = this.#terms;
    const outcomes = this.#untold.take();
    const started = this.#unreported;
    for (const running of started) running.isReported = true;
    const isLinger = this.#isIdle;
    const holding = [...this.#running.keys(), ...this.#waiting.map(({ task }) => task.seq)];
    holding.push(...this.#untold.seqs, ...this.#flights.seqs);
    const request: AdvanceRequest = {
      v: 1,
      session,
      turn: ++this.#turn,
      answered: this.#flights.answeredBefore(this.#turn),
      holding,
      started: started.map((running) => running.task.seq),
      outcomes,
      progress: this.#progress.take(now),
      want: this.#want,
      // While tasks wait to be started the answer is wanted at once; else the question may stay open.
      waitMs: this.#waiting.length > 0 ? 0 : isLinger ? lingerMs : Math.floor(leaseMs / 3),
      heard: this.#stop,
      cancelling: this.#heardCancels(holding),
    };
    this.#flights.add({ request, started, isLinger });
    return request;
  }

  /** What is not held is over, unless an answer that is still on its way brings it. */
  #heardCancels(holding: readonly Seq[]): Seq[] {
    if (this.#cancelling.size === 0) return [];
    if (this.#flights.isEmpty) this.#cancelling = new Set(holding.filter((seq) => this.#cancelling.has(seq)));
    return [...this.#cancelling];
  }

  #take(handout: Handout, turn: number, now: number): void {
    for (const task of handout.tasks) this.#hold({ task, turn }, now);
    for (const seq of handout.cancel) this.#cancel(seq, now);
    if (handout.stop !== "no") this.finish(handout.stop);
    if (handout.tasks.length === 0) return;
    this.#pace.handedOut(now);
    this.#lastEndAt = now;
  }

  /** A task may come again while an earlier claim of it is still here: the shard has ended that one. */
  #hold(held: Held, now: number): void {
    const { seq } = held.task;
    const waiting = this.#waiting.findIndex(({ task }) => task.seq === seq);
    if (waiting >= 0) this.#waiting.splice(waiting, 1);
    if (this.#running.delete(seq)) {
      this.#progress.drop(seq);
      this.#orders.push({ kind: "abandon", seq });
    }
    if (this.#cancelling.has(seq)) this.#handBack(held, now);
    else this.#waiting.push(held);
  }

  #cancel(seq: Seq, now: number): void {
    if (this.#cancelling.has(seq)) return;
    this.#cancelling.add(seq);
    if (this.#running.has(seq)) this.#orders.push({ kind: "cancel", seq });
    const waiting = this.#waiting.find(({ task }) => task.seq === seq);
    if (!waiting) return;
    this.#waiting = this.#waiting.filter((held) => held !== waiting);
    this.#handBack(waiting, now);
  }

  /** A suspect runs alone, with nothing behind it. */
  #ahead(): number {
    return this.#solo ? 0 : this.#pace.ahead(this.#terms.slots);
  }

  /** Tasks wait, and every slot is held. */
  get #isFull(): boolean {
    return this.#waiting.length > 0 && this.#running.size >= this.#terms.slots;
  }

  /** Every slot is held by something slower than was measured, while others wait behind it. */
  #isStuck(now: number): boolean {
    return this.#isFull && now - this.#lastEndAt >= AHEAD_MS;
  }

  #handBackWaiting(now: number): void {
    for (const held of this.#waiting) this.#handBack(held, now);
    if (this.#waiting.length > 0 && this.#stop === "no") this.#pace.wasStuck();
    this.#waiting = [];
  }

  #handBack({ task, turn }: Held, now: number): void {
    const { seq, attempt } = task;
    this.#untold.add({ kind: "returned", hasBegun: false, seq, attempt, turn, startedAt: now, endedAt: now }, now);
  }

  #giveUp(turn: number, flight: Flight): void {
    this.#flights.end(turn);
    this.#untold.bringBack(flight.request.outcomes);
    this.#progress.bringBack(flight.request.progress, (seq) => this.#running.has(seq));
    for (const running of flight.started) running.isReported = false;
  }
}
