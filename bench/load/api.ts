/** The service's HTTP surface, as far as scenarios use it beside the load. Anything but success is thrown. */
import { setTimeout as pause } from "node:timers/promises";
import type { Counts } from "../worker/counts.ts";
import type { TurnsRequest } from "../worker/requests.ts";

export interface QueueCounts {
  readonly depth: number;
  readonly running: number;
  readonly sessions: number;
  readonly outboxRows: number;
}

/** More than any scenario submits. */
const DEPTH_LIMIT = 10_000_000;
const SETTLED_MS = 300_000;

export class Api {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** Makes a queue that takes whatever comes. */
  async makeQueue(queue: string, paused = false): Promise<void> {
    await this.#ask("PUT", `/queues/${queue}`, { depthLimit: DEPTH_LIMIT });
    if (paused) await this.#ask("POST", `/queues/${queue}/pause`);
  }

  /** A type that no handler here has. */
  async declareType(type: string, queue: string): Promise<void> {
    await this.#ask("PUT", `/types/${type}`, { queue });
  }

  async submit(task: object): Promise<string> {
    const { id } = await this.#ask<{ id: string }>("POST", "/tasks/submissions", task);
    return id;
  }

  async submitBatch(tasks: readonly object[]): Promise<string> {
    const { batch } = await this.#ask<{ batch: string }>("POST", "/tasks/submissions", { tasks });
    return batch;
  }

  async putSchedule(id: string, schedule: object): Promise<void> {
    await this.#ask("PUT", `/schedules/${id}`, schedule);
  }

  /** What a schedule has fired, the latest first. */
  async fires(id: string): Promise<readonly { readonly firedAt?: string }[]> {
    const { fires } = await this.#ask<{ fires: { firedAt?: string }[] }>("GET", `/schedules/${id}/fires`);
    return fires;
  }

  /** A task when it has ended. */
  async ended(id: string): Promise<EndedTask> {
    return await this.#ask<EndedTask>("GET", `/tasks/submissions/${id}?wait=60`);
  }

  async batchCounts(batch: string): Promise<Readonly<Record<string, number>>> {
    const { counts } = await this.#ask<{ counts: Record<string, number> }>("GET", `/tasks/submissions?batch=${batch}`);
    return counts;
  }

  async counts(queue: string): Promise<QueueCounts> {
    const { counts } = await this.#ask<{ counts: QueueCounts }>("GET", `/queues/${queue}`);
    return counts;
  }

  /** When the queue is as `wanted`; looks each `everyMs`. */
  async until(queue: string, wanted: (counts: QueueCounts) => boolean, everyMs = 5): Promise<void> {
    const deadline = performance.now() + SETTLED_MS;
    while (!wanted(await this.counts(queue))) {
      if (performance.now() > deadline) throw new Error(`the queue ${queue} did not come to rest`);
      await pause(everyMs);
    }
  }

  /** When everything has run and history has it. */
  async untilFlushed(queue: string, everyMs = 5): Promise<void> {
    await this.until(queue, ({ depth, outboxRows }) => depth === 0 && outboxRows === 0, everyMs);
  }

  /** As {@link untilFlushed}, and no session is open any more. */
  async untilIdle(queue: string): Promise<void> {
    await this.until(queue, (counts) => counts.depth === 0 && counts.outboxRows === 0 && counts.sessions === 0);
  }

  async fill(queue: string, count: number, type: string, priority: number): Promise<void> {
    await this.#shard(queue, "fill", { v: 1, count, type, priority, payload: '{"hello":"world"}' });
  }

  /** @returns how many tasks were claimed or settled */
  async takeTurns(queue: string, turns: Omit<TurnsRequest, "v">): Promise<number> {
    return (await this.#shard<{ tasks: number }>(queue, "take-turns", { v: 1, ...turns })).tasks;
  }

  async startCounting(queue: string): Promise<void> {
    await this.#shard(queue, "start-counting", {});
  }

  async counted(queue: string): Promise<Counts> {
    return (await this.#shard<{ counts: Counts }>(queue, "counted", {})).counts;
  }

  async #shard<T>(queue: string, work: string, body: object): Promise<T> {
    return await this.#ask<T>("POST", `/bench/shard/${queue}/${work}`, body);
  }

  async #ask<T>(method: string, path: string, body?: object): Promise<T> {
    const init =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await fetch(`${this.url}${path}`, { method, ...init });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
    return JSON.parse(text) as T;
  }
}

export interface EndedTask {
  readonly id: string;
  readonly status: string;
  readonly createdAt: string;
  readonly attempts: readonly { readonly startedAt: string; readonly endedAt: string }[];
}
