/** Calls a running service as a client does, over HTTP alone; what only a service with faults has is at the end. */
import type { BatchId, TaskId } from "../../../core/ids.ts";
import type { FinishedStatus, Status } from "../../../core/status.ts";
import type { Task } from "../../../core/task.ts";
import { waitFor } from "./wait-for.ts";

export interface Reply<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export interface ProblemBody {
  readonly code: string;
  readonly detail: string;
  readonly requestId: string;
  readonly retryable: boolean;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
}

export interface BatchCounts {
  readonly tasks: number;
  readonly counts: Readonly<Record<Status, number>>;
  readonly finished: number;
}

export interface QueueCounts {
  readonly depth: number;
  readonly queued: number;
  readonly scheduled: number;
  readonly running: number;
  readonly deadLetters: number;
  readonly sessions: number;
  readonly outboxRows: number;
  readonly pendingDeliveries: number;
}

/** As `GET /tasks/{id}` answers. */
export interface Ended {
  readonly id: TaskId;
  readonly status: FinishedStatus;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
  readonly resultType: string;
  readonly attempts: number;
}

export interface Accepted {
  readonly batch: BatchId;
  readonly ids: readonly TaskId[];
}

/** A task to submit. */
export interface NewTask {
  readonly type: string;
  readonly payload: unknown;
  readonly [option: string]: unknown;
}

const IDS_A_CALL = 100;

export class Client {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async call<T = ProblemBody>(
    method: string,
    path: string,
    json?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply<T>> {
    const response = await fetch(this.url + path, {
      method,
      headers: { ...(json !== undefined && { "content-type": "application/json" }), ...headers },
      ...(json !== undefined && { body: typeof json === "string" ? json : JSON.stringify(json) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
  }

  /** The body of an answer that must have that status. */
  async expect<T>(status: number, method: string, path: string, json?: unknown): Promise<T> {
    const reply = await this.call<T>(method, path, json);
    if (reply.status === status) return reply.body;
    throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
  }

  async submit(task: NewTask): Promise<TaskId> {
    return (await this.expect<{ id: TaskId }>(202, "POST", "/tasks/submissions", task)).id;
  }

  /** One batch of one queue. */
  submitAll(tasks: readonly NewTask[]): Promise<Accepted> {
    return this.expect(202, "POST", "/tasks/submissions", { tasks });
  }

  task(id: string): Promise<Task> {
    return this.expect(200, "GET", `/tasks/submissions/${id}`);
  }

  async tasks(ids: readonly string[]): Promise<Task[]> {
    const found: Task[] = [];
    for (let at = 0; at < ids.length; at += IDS_A_CALL) {
      const some = ids.slice(at, at + IDS_A_CALL).join(",");
      found.push(...(await this.expect<{ tasks: Task[] }>(200, "GET", `/tasks/submissions?ids=${some}`)).tasks);
    }
    return found;
  }

  /** The task when it has ended. @throws where that takes longer than a minute */
  async ended(id: string): Promise<Task> {
    const task = await this.expect<Task>(200, "GET", `/tasks/submissions/${id}?wait=60`);
    if ("endedAt" in task) return task;
    throw new Error(`${id} is ${task.status} after a minute: ${JSON.stringify(task)}`);
  }

  result(id: string): Promise<Ended> {
    return this.expect(200, "GET", `/tasks/${id}`);
  }

  async status(id: string): Promise<Status> {
    return (await this.task(id)).status;
  }

  async reaches(id: string, status: Status, timeoutMs = 20_000): Promise<void> {
    await waitFor(async () => (await this.status(id)) === status, { what: `${id} is ${status}`, timeoutMs });
  }

  batch(id: string): Promise<BatchCounts> {
    return this.expect(200, "GET", `/tasks/submissions?batch=${id}`);
  }

  /** Counts of a batch of which every task has ended. */
  async batchEnded(id: string, timeoutMs = 60_000): Promise<BatchCounts> {
    const done = async () => {
      const batch = await this.batch(id);
      if (batch.finished < batch.tasks) throw new Error(JSON.stringify(batch.counts));
      return batch;
    };
    return await waitFor(done, { what: `batch ${id} has ended`, timeoutMs, everyMs: 50 });
  }

  putQueue(queue: string, settings: object = {}): Promise<unknown> {
    return this.expect(200, "PUT", `/queues/${queue}`, settings);
  }

  patchQueue(queue: string, settings: object): Promise<unknown> {
    return this.expect(200, "PATCH", `/queues/${queue}`, settings);
  }

  pause(queue: string): Promise<unknown> {
    return this.expect(200, "POST", `/queues/${queue}/pause`);
  }

  resume(queue: string): Promise<unknown> {
    return this.expect(200, "POST", `/queues/${queue}/resume`);
  }

  async counts(queue: string): Promise<QueueCounts> {
    return (await this.expect<{ counts: QueueCounts }>(200, "GET", `/queues/${queue}`)).counts;
  }

  /** Resolves when nothing of a queue is under way any more: tasks, sessions, history that D1 has not taken. */
  async settled(queue: string, timeoutMs = 60_000): Promise<QueueCounts> {
    const idle = async () => {
      const counts = await this.counts(queue);
      if (counts.depth + counts.sessions + counts.outboxRows > 0) throw new Error(JSON.stringify(counts));
      return counts;
    };
    return await waitFor(idle, { what: `nothing of ${queue} is under way`, timeoutMs, everyMs: 50 });
  }
}
