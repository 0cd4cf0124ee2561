/** A worker that says at a shard what a test has it say, turn by turn, and what it may say of a task. */
import type { Seq } from "../../../core/ids.ts";
import type {
  AdvanceAnswer,
  AdvanceRequest,
  ClaimedTask,
  Handout,
  OpenRequest,
  Outcome,
} from "../../../core/schema/session-rpc.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { read } from "../../../durable-objects/queue-shard/reads/read.ts";
import { close } from "../../../durable-objects/queue-shard/running/close.ts";
import type { ShardWorld } from "./shard-world.ts";

export class WorkerHand {
  readonly session: number;
  /** What it was handed and has not told the end of. */
  readonly held = new Map<Seq, ClaimedTask>();
  /** Whose cancellation it has heard of. */
  readonly cancelling: Seq[] = [];
  turn = 0;
  readonly #world: ShardWorld;

  /** Opens a session; throws where there is none to be had. */
  constructor(world: ShardWorld, request: Partial<OpenRequest> = {}) {
    const opened = world.open(request);
    if (!opened.ok || opened.session === null) throw new Error("no session was opened");
    this.#world = world;
    this.session = opened.session;
    this.#take(opened.handout);
  }

  get tasks(): ClaimedTask[] {
    return [...this.held.values()];
  }

  /** The next turn; what it holds and has not told is named, unless the test says otherwise. */
  say(request: Partial<AdvanceRequest> = {}): Handout {
    return handoutOf(this.ask(request));
  }

  /** The same, where the answer may be a refusal, or is still to come (null). */
  ask(request: Partial<AdvanceRequest> = {}): AdvanceAnswer | null {
    for (const { seq } of request.outcomes ?? []) this.held.delete(seq);
    const turn = ++this.turn;
    const answer = this.#world.advance({
      session: this.session,
      turn,
      answered: turn - 1,
      holding: [...this.held.keys()],
      cancelling: this.cancelling,
      ...request,
    });
    if (answer?.ok) this.#take(answer.handout);
    return answer;
  }

  close(outcomes: readonly Outcome[] = []): ReturnType<typeof close> {
    return close(this.#world.shard, { v: 1, session: this.session, turn: this.turn + 1, outcomes });
  }

  #take(handout: Handout): void {
    for (const task of handout.tasks) this.held.set(task.seq, task);
    this.cancelling.push(...handout.cancel);
  }
}

export function handoutOf(answer: AdvanceAnswer | null): Handout {
  if (!answer?.ok) throw new Error(`no handout: ${JSON.stringify(answer)}`);
  return answer.handout;
}

const times = (world: ShardWorld) => ({ startedAt: world.now, endedAt: world.now });

export function succeeded(world: ShardWorld, { seq, attempt }: ClaimedTask, result = "null"): Outcome {
  return { kind: "succeeded", result, seq, attempt, ...times(world) };
}

export function failed(world: ShardWorld, { seq, attempt }: ClaimedTask, retryable = true): Outcome {
  const error = { code: "handler-error", message: `attempt ${attempt} failed`, class: "Error" } as const;
  return { kind: "failed", error, retryable, seq, attempt, ...times(world) };
}

export function snoozed(world: ShardWorld, { seq, attempt }: ClaimedTask, delayMs: number): Outcome {
  return { kind: "snoozed", delayMs, seq, attempt, ...times(world) };
}

export function cancelled(world: ShardWorld, { seq, attempt }: ClaimedTask): Outcome {
  const error = { code: "cancelled", message: "stopped", class: "AbortError" } as const;
  return { kind: "cancelled", error, seq, attempt, ...times(world) };
}

export function returned(world: ShardWorld, { seq, attempt }: ClaimedTask, hasBegun = true): Outcome {
  return { kind: "returned", hasBegun, seq, attempt, ...times(world) };
}

/** As the shard tells it; null where it has no such task. */
export function taskAt(world: ShardWorld, seq: Seq): TaskRecord | null {
  const answer = read(world.shard, { v: 1, seqs: [seq] });
  return answer.ok ? (answer.tasks[0] ?? null) : null;
}

/** Submits tasks that must all be taken. */
export function accept(world: ShardWorld, ...tasks: Parameters<ShardWorld["submit"]>[0]): Seq[] {
  const answer = world.submit(tasks);
  if (!answer.ok) throw new Error(`not accepted: ${answer.code}`);
  return answer.seqs.filter((seq) => seq !== null);
}

export function many(count: number, task: Parameters<ShardWorld["submit"]>[0][number] = {}) {
  return Array.from({ length: count }, () => task);
}

/** An item that must be there. */
export function nth<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`there is no item ${index} of ${list.length}`);
  return item;
}
