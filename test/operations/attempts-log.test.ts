/** The log of attempts is bounded, and says what it leaves out. */
import { expect, it } from "vitest";
import { MAX_ATTEMPTS_BYTES, utf8Bytes } from "../../core/bytes.ts";
import type { AttemptError } from "../../core/errors.ts";
import { read } from "../../durable-objects/queue-shard/reads/read.ts";
import { close } from "../../durable-objects/queue-shard/running/close.ts";
import { makeWorld } from "../support/node/shard-world.ts";

const ATTEMPTS = 40;
const error: AttemptError = {
  code: "handler-error",
  message: "ä".repeat(1_000),
  class: "Error",
  stack: "x".repeat(4_000),
};

it("146 forty failures of 6 KB: the first and the latest are kept within 64 KiB, the rest is counted", () => {
  const world = makeWorld({ retry: { maxAttempts: ATTEMPTS, baseMs: 0 } });
  const submitted = world.submit([{}]);
  const [seq] = submitted.ok ? submitted.seqs : [];
  if (seq === undefined || seq === null) throw new Error("not accepted");
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const opened = world.open();
    if (!opened.ok || opened.session === null) throw new Error("no session");
    const times = { startedAt: world.now, endedAt: world.now };
    const failed = { kind: "failed", seq, attempt, error, retryable: true, ...times } as const;
    close(world.shard, { v: 1, session: opened.session, turn: 1, outcomes: [failed] });
    world.passTo(world.now + 1);
  }
  const answer = read(world.shard, { v: 1, seqs: [seq] });
  const task = answer.ok ? answer.tasks[0] : null;
  if (!task) throw new Error("the task is gone");
  const numbers = task.attempts.map((entry) => entry.attempt);
  expect(task.status).toBe("FAILED");
  expect(utf8Bytes(JSON.stringify(task.attempts))).toBeLessThanOrEqual(MAX_ATTEMPTS_BYTES);
  expect([numbers[0], numbers.at(-1)]).toEqual([1, ATTEMPTS]);
  expect(numbers.length).toBeGreaterThan(5);
  expect(numbers.length + task.attemptsDropped).toBe(ATTEMPTS);
});
