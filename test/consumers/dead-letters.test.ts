/** What the log says of the queue dead-letters while nobody else listens there. */
import { expect, it } from "vitest";
import { takeDeadLetters } from "../../consumers/dead-letters.ts";
import { type QueueName, type Seq, seqAt, taskId } from "../../core/ids.ts";

it("145 a batch is one line with its count and a few ids, and is taken off the queue", () => {
  const lines: unknown[] = [];
  let acked = 0;
  const place = { queue: "q" as QueueName, shard: 0 };
  const ids = Array.from({ length: 100 }, (_, i) => taskId(place, (seqAt(Date.UTC(2026, 0, 1)) + i) as Seq));
  const messages = ids.map((id) => ({ body: { v: 1 as const, id } }));
  takeDeadLetters({ messages, ackAll: () => void acked++ }, (...line) => lines.push(line));
  expect(lines).toEqual([["warn", "dead-letters", { count: 100, taskIds: ids.slice(0, 5) }]]);
  expect(acked).toBe(1);
});
