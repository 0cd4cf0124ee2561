/**
 * A worker is believed as long as its lease says: a session goes only when it closes, when its lease is over by the
 * shard's clock, or with the boot that it belongs to. And two workers that the shard believes never run the same task.
 */
import type { Seq } from "../../core/ids.ts";
import type { Attempt } from "../../core/task.ts";
import type { Memory } from "../../durable-objects/queue-shard/memory.ts";
import type { Shard } from "../../durable-objects/queue-shard/shard.ts";
import type { Sql } from "../../durable-objects/sql/sql.ts";
import type { Execution, KnownTask, Stay } from "./model.ts";
import { must } from "./violation.ts";

interface LastSeen {
  readonly turn: number;
  readonly leaseUntil: number;
  readonly boot: string | null;
}

export class Leases {
  /** As the last step left them. */
  #sessions = new Map<number, LastSeen>();
  #memory: Memory | null = null;
  readonly #closed = new Set<number>();

  /** The turn that the last step left the session at; undefined: it is not known of this memory. */
  turnOf(session: number): number | undefined {
    return this.#sessions.get(session)?.turn;
  }

  closed(session: number): void {
    this.#closed.add(session);
  }

  /**
   * After each step that touched the shard. Memory that was built anew (a start, or a throw) believes what the rows
   * tell: a session's lease is stored now and then, so up to a quarter of it may be forgotten.
   */
  check(shard: Shard): void {
    if (shard.memory !== this.#memory) this.#sessions = new Map();
    this.#memory = shard.memory;
    const now = shard.ports.now();
    const { sessions, settings } = shard.memory;
    for (const [id, { leaseUntil, boot }] of this.#sessions) {
      const isOver = leaseUntil <= now || this.#closed.has(id) || boot !== shard.ports.boot;
      must(isOver || sessions.has(id), () => `session ${id} ended ${leaseUntil - now} ms before its lease`);
    }
    for (const { id, worker } of sessions.values())
      must(worker.boot === shard.ports.boot, () => `session ${id} outlived its boot`);
    const seen = new Map<number, LastSeen>();
    for (const { id, turn, leaseUntil, worker } of sessions.values()) {
      const before = this.#sessions.get(id);
      const isRenewed = !before || turn === before.turn || leaseUntil >= now + (settings?.leaseMs ?? 0);
      must(isRenewed, () => `turn ${turn} of session ${id} did not renew its lease`);
      seen.set(id, { turn, leaseUntil, boot: worker.boot });
    }
    this.#sessions = seen;
  }
}

/**
 * As a handler begins: nobody else whom the shard believes is running the same task. One whose own lease was over before
 * it heard of the task begins in vain, and will be told.
 */
export function checkAlone({ seq, executions }: KnownTask, attempt: number, stay: Stay, shard: Shard | null): void {
  if (!isHeld(seq, attempt, stay, shard)) return;
  for (const earlier of executions)
    if (isUnderWay(earlier))
      must(
        !isHeld(seq, earlier.attempt, earlier.stay, shard),
        () => `task ${seq} begins while ${earlier.stay.worker} runs it`,
      );
}

const ATTEMPTS = "SELECT attempts FROM task WHERE seq = ?";

/**
 * `onCrash: "fail"`: what a worker died of, or may have, is not begun again. One that the shard took for hung is a
 * failure, whatever became of its worker, and failures are tried again.
 */
export function checkOnce({ seq, options, executions, replacedAfter }: KnownTask, sql: Sql): void {
  if (options.onCrash !== "fail") return;
  const text = sql.all<{ attempts: string | null }>(ATTEMPTS, seq)[0]?.attempts ?? "[]";
  const failed = (JSON.parse(text) as Attempt[]).filter(({ outcome }) => outcome === "failed");
  for (const { attempt, end, stay } of executions.slice(replacedAfter ?? 0)) {
    const isKnown = end !== null || !stay.isOver || failed.some((one) => one.attempt === attempt);
    must(isKnown, () => `task ${seq} begins again after ${stay.worker} died of it, against its word`);
  }
}

function isUnderWay({ end, stay }: Execution): boolean {
  return end === null && !stay.isOver;
}

/** Whether the shard believes that stay to have the task in hand. */
export function isHeld(seq: Seq, attempt: number, stay: Stay, shard: Shard | null): boolean {
  const session = stay.session === null ? undefined : shard?.memory.sessions.get(stay.session);
  return session?.claims.get(seq)?.attempt === attempt;
}
