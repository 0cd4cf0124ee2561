/**
 * What the world outside the shard knows: which tasks were promised, what ran where, and which ends are durable. The
 * invariants hold the shard's tables against it.
 */
import type { Seq } from "../../core/ids.ts";
import type { TicketQueue } from "../../core/ports.ts";
import type { TaskOptions } from "../../core/schema/rpc.ts";
import type { NodeEnd } from "../../core/schema/workflow-rpc.ts";
import type { Status } from "../../core/status.ts";
import type { Script } from "./script.ts";

/** A worker's stay: one redeemed ticket. */
export interface Stay {
  /** As the attempts' log names it. */
  readonly worker: string;
  readonly queue: TicketQueue;
  /** null until the answer to `open` arrived, or where it brought no session. */
  session: number | null;
  isOver: boolean;
}

export interface Execution {
  readonly attempt: number;
  readonly stay: Stay;
  readonly startedAt: number;
  /** Its signal fired. */
  isTold: boolean;
  /** How the handler ended; null: it has not, or its worker died. */
  end: "ok" | "failed" | "snoozed" | "stopped" | null;
  result: string | null;
}

export interface KnownTask {
  readonly seq: Seq;
  /** Of the queue, which was deleted and made again so often. */
  readonly generation: number;
  /** As it was told last. */
  script: Script;
  options: TaskOptions;
  /** How often it had run when it was replaced last; null: it never was. */
  replacedAfter: number | null;
  /** The shard's clock, Unix ms. */
  readonly bornAt: number;
  /** Unix ms by which it must have begun; null: whenever. */
  expiresAt: number | null;
  readonly executions: Execution[];
  /** The task whose result it has without a run; null: it runs. */
  readonly source: Seq | null;
  /** As the latest commit left it. GONE: not in the shard's task table any more. */
  status: Status | "GONE";
}

export class Model {
  /** Every task of which a commit is known. */
  readonly tasks = new Map<Seq, KnownTask>();
  /** Each by its worker's name. */
  readonly stays = new Map<string, Stay>();
  /** Tasks of a queue that was deleted, since the commit that did it. null: born and forgotten in one. */
  readonly forgotten = new Map<Seq, KnownTask | null>();
  /** Tasks that a client was told of. */
  readonly promised = new Set<Seq>();
  /** Tasks whose cancellation somebody asked for. */
  readonly asked = new Set<Seq>();
  /** Dead letters that somebody asked to discard. */
  readonly discarded = new Set<Seq>();
  /** What dead letters became. */
  readonly redriven = new Map<Seq, Seq>();
  /** By the `timeoutMs` of the new task: how many dead letters were redriven under it. */
  readonly redrives = new Map<number, number>();
  /** How often the queue was deleted. */
  forgets = 0;
  /** Of those asked: the answer was that they have been asked to stop. */
  readonly stopping = new Set<Seq>();
  /** Tasks whose payload is known to have been changed. */
  readonly edited = new Set<Seq>();
  /** Those of which somebody asked for that. */
  readonly edits = new Set<Seq>();
  /** By key: the task that was made under it last. */
  readonly byKey = new Map<string, KnownTask>();
  /** By the number that their submission gave them. */
  readonly byId = new Map<number, KnownTask>();
  /** Answered purges of kept results: what came up to `before` answers nothing that came after `after`. */
  readonly purges: { readonly type: string; readonly before: number; readonly after: number }[] = [];
  /** Tasks whose data somebody asked to delete. */
  readonly erasing = new Set<Seq>();
  /** Those of which the answer was that it is: the newest task there was then. */
  readonly erased = new Map<Seq, number>();
  /** Nodes that wait for others, which their run knows to be placed; it sees to it that they wait no more. */
  readonly placed = new Set<Seq>();
  /** Of those: which their run released, and whether with another payload. */
  readonly releases = new Map<Seq, boolean>();
  /** Nodes that their run has end. */
  readonly ending = new Set<Seq>();
  /** What runs were told of ends. */
  readonly ends = new Map<Seq, NodeEnd>();
  /** Seqs ever made durable. */
  readonly numbers = new Set<number>();
  /** Something in this run may end or repeat a task against its script. */
  isDisturbed = false;

  /** The queue was deleted, and made again. @param born what only the same commit knew of */
  forget(born: Iterable<Seq>): void {
    this.forgets++;
    for (const seq of born) {
      this.numbers.add(seq);
      this.forgotten.set(seq, null);
    }
    for (const [seq, task] of this.tasks) this.forgotten.set(seq, task);
    for (const known of [this.tasks, this.promised, this.byKey, this.byId]) known.clear();
  }

  /** Whether a task is of a queue that the shard knows to be deleted. */
  isForgotten(seq: Seq, generation: number): boolean {
    return this.forgotten.has(seq) || (this.tasks.get(seq)?.generation ?? generation) < generation;
  }
}
