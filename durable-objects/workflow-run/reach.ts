/**
 * Calls that a run makes, each of them safe to repeat: one that failed is made again 1, 2, 4 … 60 s later, and holds up
 * nobody but itself.
 */
import { retryDelay } from "../../core/retry.ts";
import type { Answer } from "../../core/schema/answer.ts";
import { callWithin } from "../stubs.ts";
import type { RunNode } from "./node-rows.ts";
import type { Run } from "./run.ts";

export const ANSWER_WITHIN_MS = 5_000;
const BACKOFF = { maxAttempts: 100, backoff: "exponential", baseMs: 1_000, capMs: 60_000, jitter: "none" } as const;

const CROWDED = { ...BACKOFF, capMs: 2_000 } as const;

/** What a run waits for when a node of it can't go on: its shard, or, by itself, what it refers to. */
export function callerName({ at, i }: Pick<RunNode, "at" | "i">): string {
  return at ? `${at.queue}:${at.shard}` : `node:${i}`;
}

/** What it waits for to have its payload complete. */
export function fillName({ i }: Pick<RunNode, "i">): string {
  return `fill:${i}`;
}

/** Whether it may be asked now. */
export function isFree(run: Run, name: string, now: number): boolean {
  const held = run.held.get(name);
  return held === undefined || held.at <= now;
}

export function hold(run: Run, name: string, why: string): void {
  const failures = (run.held.get(name)?.failures ?? 0) + 1;
  // Others ask a full queue again and again, and a place in it is whose question comes first.
  const policy = why.startsWith("queue-full") ? CROWDED : BACKOFF;
  run.held.set(name, { failures, at: run.ports.now() + retryDelay(policy, failures, 0), why });
}

/** What an object answers. @throws where it does not in time, or refuses */
export async function asked<T>({ ports }: Run, call: () => Promise<Answer<T>>): Promise<void> {
  const answer = await callWithin(ports, ANSWER_WITHIN_MS, call);
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.detail}`);
}

/** Runs what may throw; a throw holds whoever was asked. @returns whether it went well */
export async function attempt(run: Run, name: string, call: () => Promise<void>): Promise<boolean> {
  try {
    await call();
    run.held.delete(name);
    return true;
  } catch (error) {
    hold(run, name, error instanceof Error ? error.message : String(error));
    return false;
  }
}
