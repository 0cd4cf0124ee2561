/**
 * Calls that a run makes, each of them safe to repeat: one that failed is made again 1, 2, 4 … 60 s later, and holds up
 * nobody but itself.
 */
import type { Answer } from "../../core/schema/answer.ts";
import { callWithin } from "../stubs.ts";
import { reasonOf } from "./held-calls.ts";
import type { RunNode } from "./node-rows.ts";
import type { Run } from "./run.ts";

export const ANSWER_WITHIN_MS = 5_000;

/** What a run waits for to tell of its end; and to go on at all. */
export const FINISH = "finish";
export const WORK = "work";

/** What is asked of a shard: the run's own name for it. */
export function placeName({ queue, shard }: NonNullable<RunNode["at"]>): string {
  return `${queue}:${shard}`;
}

/** What a run waits for when a node of it can't go on: its shard, or, by itself, what it refers to. */
export function callerName({ at, i }: Pick<RunNode, "at" | "i">): string {
  return at ? placeName(at) : `node:${i}`;
}

/** What it waits for to have its payload complete. */
export function fillName({ i }: Pick<RunNode, "i">): string {
  return `fill:${i}`;
}

/** What it waits for to know how its queue is set. */
export function queueName({ queue }: NonNullable<RunNode["at"]>): string {
  return `queue:${queue}`;
}

/** What it waits for so that its items, or what it spawned, become nodes. */
export function expandName({ i }: Pick<RunNode, "i">): string {
  return `expand:${i}`;
}

/** All that it may wait for. */
export function namesOf(node: Pick<RunNode, "at" | "i">): string[] {
  return [callerName(node), fillName(node), expandName(node), ...(node.at ? [queueName(node.at)] : [])];
}

/** Whether it may be asked now. */
export function isFree(run: Run, name: string, now: number): boolean {
  return run.held.isFree(name, now);
}

/** What an object answers. @throws where it does not in time, or refuses */
export async function asked<T>({ ports }: Run, call: () => Promise<Answer<T>>): Promise<void> {
  const answer = await callWithin(ports, ANSWER_WITHIN_MS, call);
  if (!answer.ok) throw new Error(reasonOf(answer));
}

/** Runs what may throw; a throw holds whoever was asked. @returns whether it went well */
export async function attempt(run: Run, name: string, call: () => Promise<void>): Promise<boolean> {
  try {
    await call();
    run.held.release(name);
    return true;
  } catch (error) {
    run.held.hold(name, error instanceof Error ? error.message : String(error), run.ports.now(), run.ports.random);
    return false;
  }
}
