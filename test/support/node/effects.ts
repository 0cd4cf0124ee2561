/**
 * The world that `effect` tasks act on: a server that counts each task's POSTs by its idempotency key, so that a task that
 * was lost or ran twice is seen from outside; and that can hold its answers back, so that tasks are running for as long
 * as a test wants.
 */
import type { ServerResponse } from "node:http";
import { startTargetServer, type TargetServer } from "./target-server.ts";

export class Effects implements AsyncDisposable {
  readonly server: TargetServer;
  /** How often each task came, by idempotency key. */
  readonly seen = new Map<string, number>();
  /** How often each was answered. */
  readonly done = new Map<string, number>();
  /** Called as each POST arrives. */
  onPost: () => void = () => {};
  readonly #held: { readonly key: string; readonly response: ServerResponse }[] = [];
  #holding = 0;
  #now = 0;
  #most = 0;

  private constructor(server: TargetServer) {
    this.server = server;
    server.on("effect", (response, request) => this.#take(String(request.headers["idempotency-key"]), response));
  }

  static async start(): Promise<Effects> {
    return new Effects(await startTargetServer());
  }

  get url(): string {
    return `${this.server.url}/effect`;
  }
  /** Tasks that wait for an answer now. */
  get holding(): number {
    return this.#held.length;
  }
  /** The most that were here at once. */
  get most(): number {
    return this.#most;
  }
  /** POSTs in all. */
  get posts(): number {
    return [...this.seen.values()].reduce((sum, n) => sum + n, 0);
  }

  /** Holds back the answers of the next `count` that come. */
  hold(count: number): void {
    this.#holding = count;
  }

  /** Answers those that are held, and holds no more. */
  release(): void {
    this.#holding = 0;
    for (const { key, response } of this.#held.splice(0)) this.#answer(key, response);
  }

  /** Forgets those that are held without an answer: whoever asked is dead. */
  forget(): void {
    this.#holding = 0;
    for (const { response } of this.#held.splice(0)) response.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
  }

  #take(key: string, response: ServerResponse): void {
    this.onPost();
    this.seen.set(key, (this.seen.get(key) ?? 0) + 1);
    this.#now++;
    this.#most = Math.max(this.#most, this.#now);
    response.once("close", () => this.#now--);
    if (this.#holding > 0) {
      this.#holding--;
      this.#held.push({ key, response });
    } else this.#answer(key, response);
  }

  #answer(key: string, response: ServerResponse): void {
    this.done.set(key, (this.done.get(key) ?? 0) + 1);
    response.end(`done ${key}`);
  }
}

/** The idempotency key that a task's handler is given. */
export function keyOf(id: string): string {
  return `default:${id}`;
}
