/**
 * Tasks that their nodes have not any more: made by a portion of a node that has another by then, or still to end when its
 * node was taken up again. Their shards are told until they have heard, and a run has not ended before.
 */
import type { QueueName, Seq } from "../../core/ids.ts";
import type { Sql } from "../sql/sql.ts";

export interface Stray {
  readonly queue: QueueName;
  readonly shard: number;
  readonly seq: Seq;
}

const LOAD = "SELECT queue, shard, seq FROM stray";
const KEEP = "INSERT OR IGNORE INTO stray (queue, shard, seq) VALUES (?, ?, ?)";
const FORGET = "DELETE FROM stray WHERE queue = ? AND shard = ? AND seq = ?";

export function loadStrays(sql: Sql): Stray[] {
  return sql.all<{ queue: QueueName; shard: number; seq: Seq }>(LOAD);
}

/** Inside a transaction. */
export function addStray(sql: Sql, strays: Set<Stray>, stray: Stray): void {
  const { queue, shard, seq } = stray;
  sql.run(KEEP, queue, shard, seq);
  strays.add(stray);
}

/** Its shard has heard. Inside a transaction. */
export function forgetStray(sql: Sql, strays: Set<Stray>, stray: Stray): void {
  const { queue, shard, seq } = stray;
  sql.run(FORGET, queue, shard, seq);
  strays.delete(stray);
}
