/**
 * A shard's real object, spoken to as a worker speaks to it, turn by turn. The tasks are of a type that no handler here
 * has, so that the consumers that its tickets call find nothing and a test has the tasks for itself.
 */
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { Seq } from "../../../core/ids.ts";
import type { Answer } from "../../../core/schema/answer.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { NewTask, ShardRpc, ShardSummary } from "../../../core/schema/rpc.ts";
import type {
  AdvanceRequest,
  ClaimedTask,
  Handout,
  OpenRequest,
  Outcome,
  Worker,
} from "../../../core/schema/session-rpc.ts";
import type { TaskRecord } from "../../../core/task.ts";
import type { ObjectNamespace } from "../../../ports.ts";

export const MANUAL = "manual";

const nameOf = (queue: string) => `default:${queue}:0`;

/** The object as `cloudflare:test` takes it. */
export function stubOf(queue: string) {
  return env.QUEUE_SHARD.getByName(nameOf(queue));
}

/** The object as its callers see it. */
export function shardOf(queue: string): ShardRpc {
  const shards: ObjectNamespace<ShardRpc> = env.QUEUE_SHARD;
  return shards.getByName(nameOf(queue));
}

/** The object loses its memory, as after ten idle seconds. */
export async function evict(queue: string): Promise<void> {
  await evictDurableObject(stubOf(queue));
}

/** What an answer tells. @throws where it is a refusal */
export function accepted<T>(answer: Answer<T>): T {
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.detail}`);
  return answer;
}

export async function submit(
  queue: string,
  tasks: readonly Partial<NewTask>[],
  settings: Partial<QueueSettings> = {},
): Promise<Seq[]> {
  const full: QueueSettings = { ...DEFAULT_SETTINGS, ...settings };
  const { seqs } = accepted(
    await shardOf(queue).submit({
      v: 1,
      settingsVersion: full.version,
      settings: full,
      atomic: true,
      tasks: tasks.map((task) => ({ ...PLAIN, ...task })),
    }),
  );
  return seqs.filter((seq) => seq !== null);
}

const PLAIN: NewTask = { type: MANUAL, version: 1, priority: 5, payload: "{}", runAt: null, options: null };

/** Opens a session that must find work, as a worker that pulls from outside; `told` makes it another one. */
export async function open(queue: string, want: number, told: Partial<Worker> = {}): Promise<Hands> {
  const worker: Worker = { name: "hands", kind: "pull", types: { [MANUAL]: 1 }, boot: null, ...told };
  const request: OpenRequest = { v: 1, ticket: null, solo: false, worker, want };
  const { session, handout } = accepted(await shardOf(queue).open(request));
  if (session === null) throw new Error("there was nothing to do");
  return new Hands(queue, session, handout);
}

/** A session, as its worker sees it. */
export class Hands {
  readonly session: number;
  readonly #queue: string;
  #turn = 0;
  holding: readonly ClaimedTask[];

  constructor(queue: string, session: number, handout: Handout) {
    this.#queue = queue;
    this.session = session;
    this.holding = handout.tasks;
  }

  /** The next turn: `done` succeed, and it would take `want` more. */
  next(done: readonly ClaimedTask[], want: number, more: Partial<AdvanceRequest> = {}): AdvanceRequest {
    this.holding = this.holding.filter((task) => !done.includes(task));
    return {
      v: 1,
      session: this.session,
      turn: ++this.#turn,
      answered: this.#turn - 1,
      holding: this.holding.map(({ seq }) => seq),
      started: [],
      outcomes: done.map(succeeded),
      progress: [],
      want,
      waitMs: 0,
      ...more,
    };
  }

  /** Sends a turn, and takes what it brings. */
  async advance(request: AdvanceRequest): Promise<Handout> {
    const { handout } = accepted(await shardOf(this.#queue).advance(request));
    this.holding = [...this.holding, ...handout.tasks];
    return handout;
  }

  async close(done: readonly ClaimedTask[]): Promise<readonly Seq[]> {
    const outcomes = done.map(succeeded);
    return accepted(await shardOf(this.#queue).close({ v: 1, session: this.session, turn: this.#turn + 1, outcomes }))
      .lost;
  }
}

export function succeeded({ seq, attempt }: ClaimedTask): Outcome {
  return { kind: "succeeded", seq, attempt, startedAt: 1, endedAt: 2, result: `"${seq}"` };
}

export async function read(queue: string, seqs: readonly Seq[]): Promise<readonly (TaskRecord | null)[]> {
  return accepted(await shardOf(queue).read({ v: 1, seqs })).tasks;
}

export async function summary(queue: string): Promise<ShardSummary> {
  return accepted(await shardOf(queue).summary({ v: 1 })).summary;
}
