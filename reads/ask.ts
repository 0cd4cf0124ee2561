/**
 * Asks an object, and always has an answer: within the time that is left, as a value. What was thrown or did not come
 * is a refusal like any other; whether the question was carried out is then known for reads (`unavailable`) and not
 * for a submission (`outcome-unknown`). The caller takes a new stub for each question: one that failed stays broken.
 */
import { type ErrorCode, Problem, publicCode } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Ports } from "../core/ports.ts";
import type { Answer, Refusal, Versioned } from "../core/schema/answer.ts";
import { callWithin } from "../durable-objects/stubs.ts";

/** A request that waits for objects is answered within this, 3 s less what the rest of it takes (REQUIREMENTS, A5). */
export const PATIENCE_MS = 2_500;

export interface Question {
  /** Who is asked, for people: "the directory", "shard 3 of emails". */
  readonly whom: string;
  readonly ms: number;
  /** What it means that no answer came. */
  readonly lost: "unavailable" | "outcome-unknown";
}

/**
 * Never throws, never waits longer than `ms`.
 * @param question last and in place, so that it has no name: bundled, each name of a closure costs 0.4 µs a request
 */
export async function ask<T>(
  ports: Ports,
  log: Log,
  { whom, ms, lost }: Question,
  question: () => Promise<Answer<T>>,
): Promise<Answer<T>> {
  const got = await callWithin(ports, ms, async () => ({ answer: await question() }));
  if ("answer" in got) {
    const { answer } = got;
    if (!isRefusal(answer) || !INSIDE.has(answer.code)) return answer;
    log("error", "refused", { whom, code: answer.code, detail: answer.detail });
    return refusal(publicCode(answer.code), `${whom} could not do it; the log has the cause.`);
  }
  log("warn", "no-answer", { whom, ms, detail: got.detail });
  return got.code === "overloaded"
    ? refusal("overloaded", `${whom} has more to do than it can take. Come later, or raise the queue's shards.`)
    : refusal(lost, `${whom} did not answer.`);
}

/** Refusals that tell of the inside, which is for the log. */
const INSIDE: ReadonlySet<string> = new Set(["internal", "migration-failed"]);

/** Until when (Unix ms) a request may go on asking. */
export function deadlineOf(ports: Ports): number {
  return ports.now() + PATIENCE_MS;
}

/** What is left until the deadline, ms; at least enough for one quick answer. */
export function timeLeft(ports: Ports, deadline: number, atMost = PATIENCE_MS): number {
  return Math.min(atMost, Math.max(200, deadline - ports.now()));
}

/** Locally other requests share the thread, and their sockets are read only when nothing else is to be done. */
const WAY_MS = 5;

/** Between portions of work that follow each other at once. */
export async function giveWay(ports: Ports): Promise<void> {
  await new Promise<void>((resolve) => ports.later(WAY_MS, resolve));
}

/** The answer, or its refusal thrown as a problem. */
export function answered<T>(answer: Answer<T>): Versioned & { readonly ok: true } & T {
  if (isRefusal(answer)) throw problemOf(answer);
  return answer;
}

/** A refusal as it is answered over HTTP. */
export function problemOf({ code, detail, retryAfterMs, pointer, errors, taskId }: Refusal): Problem {
  const told = errors ?? (pointer === undefined ? undefined : [{ pointer, detail }]);
  return new Problem(publicCode(code), detail, {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(told !== undefined && { errors: told }),
    ...(taskId !== undefined && { taskId }),
  });
}

export function refusal(code: ErrorCode, detail: string): Refusal {
  return { v: 1, ok: false, code, detail };
}

function isRefusal<T>(answer: Answer<T>): answer is Refusal {
  return !answer.ok;
}
