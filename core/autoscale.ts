/**
 * How many shards a queue with `autoscale` should have. Pure. Up quickly, because work waits; down slowly and one at a
 * time, because a lowered shard goes on until it is empty. Between the two lies a band in which nothing changes: what
 * made it grow is not what makes it shrink, so it does not swing.
 */
import { countOf } from "./count-of.ts";

/** `autoscale` of a queue's settings. */
export interface AutoscaleRule {
  readonly minShards: number;
  readonly maxShards: number;
  /** Waiting tasks that one shard is to have at most. */
  readonly targetDepth: number;
  /** How long (ms) the oldest of them is to have waited at most. */
  readonly targetWaitMs: number;
}

export interface QueueLoad {
  readonly shards: number;
  /** Tasks that could run now, of all shards. */
  readonly waiting: number;
  /** Age of the oldest of them, ms; 0 where none waits. */
  readonly oldestMs: number;
}

export interface ScaleState {
  /** Unix ms of the last change of `shards`; null: none yet. */
  readonly changedAt: number | null;
  /** Unix ms since when the load would do with a shard less; null: it would not. */
  readonly lowSince: number | null;
}

export interface ScaleStep {
  readonly shards: number;
  /** For the operator: what was seen, and what it was held against. */
  readonly reason: string;
}

export interface Scaling {
  /** null: as it is. */
  readonly step: ScaleStep | null;
  readonly lowSince: number | null;
}

/** After a change its effect is waited for. */
export const UP_EVERY_MS = 20_000;
export const DOWN_EVERY_MS = 120_000;
/** The load must have been low for this long before a shard goes. */
export const LOW_FOR_MS = 120_000;
/** Low is half of what is aimed at, reckoned with a shard less. */
const LOW = 0.5;
/** One step at most doubles the shards. */
const MOST_GROWTH = 2;

export function scale(rule: AutoscaleRule, load: QueueLoad, state: ScaleState, now: number): Scaling {
  const { minShards, maxShards, targetDepth, targetWaitMs } = rule;
  const { shards, waiting, oldestMs } = load;
  const isLow = waiting <= LOW * targetDepth * (shards - 1) && oldestMs <= LOW * targetWaitMs;
  // A clock that stepped back must not hold a change up until it has caught up.
  const since = (at: number | null) => (at === null || at > now ? Number.POSITIVE_INFINITY : now - at);
  const lowSince = isLow ? (state.lowSince !== null && state.lowSince <= now ? state.lowSince : now) : null;
  const keep = { step: null, lowSince };

  const waits = `${countOf(waiting, "task waits", "tasks wait")} in ${countOf(shards, "shard")}`;
  const byDepth = Math.ceil(waiting / targetDepth);
  const isLate = oldestMs > targetWaitMs;
  const wanted = Math.min(Math.max(byDepth, isLate ? shards + 1 : 0), shards * MOST_GROWTH, maxShards);
  if (wanted > shards) {
    if (since(state.changedAt) < UP_EVERY_MS) return keep;
    const seen =
      byDepth > shards
        ? `${waits}, ${targetDepth} a shard are aimed at`
        : `the oldest task has waited ${oldestMs} ms, ${targetWaitMs} are aimed at`;
    return { step: { shards: wanted, reason: seen }, lowSince: null };
  }
  if (!isLow || shards <= minShards || now - (lowSince ?? now) < LOW_FOR_MS) return keep;
  if (since(state.changedAt) < DOWN_EVERY_MS) return keep;
  const reason = `${waits}, fewer than half of what one less should have, for ${LOW_FOR_MS / 1_000} s`;
  return { step: { shards: shards - 1, reason }, lowSince: now };
}

/** `shards` within what the rule allows. */
export function withinRule(shards: number, rule: AutoscaleRule | null): number {
  return rule === null ? shards : Math.min(rule.maxShards, Math.max(rule.minShards, shards));
}
