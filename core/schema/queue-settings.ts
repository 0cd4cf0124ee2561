/** What a queue can be told, its defaults, and which of it is fixed when the queue is made. */
import { z } from "zod";
import { MIB } from "../bytes.ts";
import type { Share } from "../explain-reasons.ts";
import { MAX_SHARDS, TYPE_NAME } from "../ids.ts";
import { CAP_BELOW_BASE, isCapBelowBase } from "../retry.ts";
import type { Hooks } from "./webhooks-rpc.ts";

const DAY_S = 86_400;
/** A shard must be able to hold any dead letter: a payload, a log of attempts, an error. */
export const MIN_DEAD_BYTES = MIB;

export const RetrySchema = z
  .strictObject({
    maxAttempts: z.int().min(1).max(100).exactOptional(),
    backoff: z.enum(["exponential", "fixed"]).exactOptional(),
    baseMs: z.int().min(0).max(86_400_000).exactOptional(),
    capMs: z.int().min(0).max(604_800_000).exactOptional(),
    jitter: z.enum(["none", "full"]).exactOptional(),
  })
  .refine((retry) => !isCapBelowBase(retry), { path: ["capMs"], error: CAP_BELOW_BASE });

/** What may tie a task to a limit, or to a share: visible ASCII. */
export const TASK_KEY = /^[\x21-\x7e]{1,128}$/;
const MAX_LIMITED = 256;

const concurrency = z.int().min(1).max(100_000).nullable();

/** Tasks that may start in a time: over any `periodMs` at most `limit` and `burst`. */
export const RateSchema = z.strictObject({
  limit: z.int().min(1).max(100_000),
  periodMs: z.int().min(100).max(86_400_000),
  /** How many may start at once after a pause; 1 where nothing is said. */
  burst: z.int().min(1).max(100_000).exactOptional(),
});
export type RateSetting = Readonly<z.infer<typeof RateSchema>>;

/** Of a task type or a limitKey. */
const LimitSchema = z.strictObject({
  /** Tasks that may run at once; null: no limit. */
  concurrency: concurrency.exactOptional(),
  rate: RateSchema.nullable().exactOptional(),
});
export type Limit = Readonly<z.infer<typeof LimitSchema>>;

const KEY_RULE = "is no key that a task can have: 1 to 128 visible ASCII characters";
const TYPE_RULE = "is no task type's name: 1 to 128 letters, digits or any of _ . : / -";

/** @param rule of the names, told where one breaks it */
function limitsBy(name: RegExp, rule: string) {
  return z
    .record(
      z.string().regex(name, rule),
      LimitSchema.refine((limit) => Object.keys(limit).length > 0, {
        error: "limits nothing: it takes concurrency, rate or both",
      }),
    )
    .refine((limits) => Object.keys(limits).length <= MAX_LIMITED, {
      error: `has more than ${MAX_LIMITED} entries`,
    });
}

const WeightsSchema = z
  .record(z.string().regex(TASK_KEY, KEY_RULE), z.number().min(0.01).max(1_000))
  .refine((weights) => Object.keys(weights).length <= MAX_LIMITED, { error: `has more than ${MAX_LIMITED} entries` });

const shards = z.int().min(1).max(MAX_SHARDS);

export const AutoscaleSchema = z
  .strictObject({
    minShards: shards,
    maxShards: shards,
    targetDepth: z.int().min(1).max(1_000_000),
    targetWaitMs: z.int().min(100).max(86_400_000),
  })
  .refine(({ minShards, maxShards }) => minShards <= maxShards, {
    path: ["maxShards"],
    error: "must not be below minShards",
  });

/** Each field with its bounds; PUT and PATCH take any part of it. */
const fields = {
  /** Unfinished tasks that the queue may hold: exact at one shard, whole shares beyond. */
  depthLimit: z.int().min(1).max(10_000_000),
  shards,
  keyShards: shards,
  /** Raises and lowers `shards` with what waits; null: `shards` stays as told. */
  autoscale: AutoscaleSchema.nullable(),
  history: z.int().min(0).max(31),
  /** Tasks that may run at once; null: no limit. */
  concurrency,
  /** null: no limit. */
  rate: RateSchema.nullable(),
  /** By task type; like `concurrency` in shares, where a queue has several shards. */
  typeLimits: limitsBy(TYPE_NAME, TYPE_RULE),
  /** Of each limitKey by itself, whole: a key's tasks are at one shard. */
  keyLimits: LimitSchema,
  /** By limitKey, over `keyLimits` field by field. */
  keyLimitOverrides: limitsBy(TASK_KEY, KEY_RULE),
  /** Within a priority, turns go round by fairnessKey, to each as many as its weight (1 by default); null: oldest first. */
  fair: z.strictObject({ weights: WeightsSchema.exactOptional() }).nullable(),
  /** A waiting task gains a priority each so many ms; null: none. */
  ageStepMs: z.int().min(100).max(86_400_000).nullable(),
  maxSessions: z.int().min(1).max(250),
  slots: z.int().min(1).max(64),
  leaseMs: z.int().min(5_000).max(600_000),
  lingerMs: z.int().min(0).max(10_000),
  sessionMaxTasks: z.int().min(1).max(1_000_000),
  timeoutMs: z.int().min(1).max(600_000),
  retry: RetrySchema,
  maxCrashes: z.int().min(1).max(100),
  resultTtlSeconds: z
    .int()
    .min(0)
    .max(365 * DAY_S),
  historyTtlSeconds: z
    .int()
    .min(60)
    .max(3650 * DAY_S),
  /** Bytes of payload, result and detail that the queue may have in D1; null: no limit. */
  historyMaxBytes: z.int().min(MIB).max(1_000_000_000_000).nullable(),
  /** Dead letters that the queue may hold, and their bytes (payload, attempts, error); beyond it the oldest go. */
  deadLettersMax: z.int().min(1).max(10_000_000),
  deadLettersMaxBytes: z
    .int()
    .min(MIN_DEAD_BYTES)
    .max(8 * 1024 * MIB),
};

const SettingsSchema = z.strictObject(fields);
export const QueuePatchSchema = SettingsSchema.partial();
/** JSON has no `undefined`: what is absent is not told. */
export type QueuePatch = { [Name in keyof z.infer<typeof SettingsSchema>]?: z.infer<typeof SettingsSchema>[Name] };

export type QueueSettings = Readonly<z.infer<typeof SettingsSchema>> & {
  /** Raised by every change; a shard that has an older one asks for the newer. */
  readonly version: number;
  /** Nothing is handed out. */
  readonly paused: boolean;
  /** Nothing new is taken; what is here is worked off. */
  readonly draining: boolean;
  /** The queue was deleted. Kept under its name, so that `version` and `generation` go on if it is made again. */
  readonly deleted: boolean;
  /** Raised when a deleted queue is made again: a shard that holds tasks of an earlier one forgets them first. */
  readonly generation: number;
  /** Who is told of ends, and the secrets to sign that with: kept and sent along, never shown. Absent: nobody, none. */
  readonly hooks?: Hooks;
};

export const DEFAULT_SETTINGS: QueueSettings = {
  version: 1,
  paused: false,
  draining: false,
  deleted: false,
  generation: 1,
  depthLimit: 10_000,
  shards: 1,
  keyShards: 1,
  autoscale: null,
  history: 0,
  concurrency: null,
  rate: null,
  typeLimits: {},
  keyLimits: {},
  keyLimitOverrides: {},
  fair: null,
  ageStepMs: null,
  maxSessions: 32,
  slots: 6,
  leaseMs: 45_000,
  lingerMs: 100,
  sessionMaxTasks: 10_000,
  timeoutMs: 60_000,
  retry: {},
  maxCrashes: 6,
  resultTtlSeconds: 7 * DAY_S,
  historyTtlSeconds: 30 * DAY_S,
  historyMaxBytes: null,
  deadLettersMax: 100_000,
  deadLettersMaxBytes: 1024 * MIB,
};

/** Settings that were kept, or sent, before a field existed get its default. */
export function withDefaults(settings: QueueSettings): QueueSettings {
  return { ...DEFAULT_SETTINGS, ...settings };
}

/** Settings that say where a task's truth lies: changing them would lose it. */
export const FIXED_SETTINGS = ["keyShards", "history"] as const satisfies readonly (keyof QueueSettings)[];

/**
 * The most shards that the queue's limits are divided by: what autoscale may yet bring counts, or a step of it would
 * throw dead letters away.
 */
export function mostShards({ shards, keyShards, autoscale }: QueueSettings): number {
  return Math.max(shards, keyShards, autoscale?.maxShards ?? 0);
}

/** What a shard may hold of dead letters; one that drains after `shards` was lowered as much as any. */
export function deadShareOf(settings: QueueSettings): { readonly count: number; readonly bytes: number } {
  const shards = mostShards(settings);
  const { deadLettersMax, deadLettersMaxBytes } = settings;
  return { count: Math.floor(deadLettersMax / shards), bytes: Math.floor(deadLettersMaxBytes / shards) };
}

/**
 * A shard's whole share of a queue-wide limit: the first shards get what the division leaves over. A shard that drains
 * after `shards` was lowered still has one, or its tasks would never run.
 */
export function shareOf(limit: number, settings: Pick<QueueSettings, "shards" | "keyShards">, shard: number): number {
  const active = sharers(settings);
  if (shard >= active) return 1;
  return Math.floor(limit / active) + (shard < limit % active ? 1 : 0);
}

/** Among how many shards a queue-wide limit is divided. */
export function sharers({ shards, keyShards }: Pick<QueueSettings, "shards" | "keyShards">): number {
  return Math.max(shards, keyShards);
}

/** To tell of a limit what a shard's share is a share of; null: it has the whole. */
export function shareToTell(limit: number, settings: Pick<QueueSettings, "shards" | "keyShards">): Share | null {
  const shards = sharers(settings);
  return shards === 1 ? null : { of: limit, shards, told: 1 };
}
