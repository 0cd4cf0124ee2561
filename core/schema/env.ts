/**
 * What a deployment must bring: one schema of vars and bindings, read by readiness (inside the Worker) and by
 * `npm run doctor` (from wrangler.toml). A fault never throws: it has a name and a remedy, a wrong var gets its default
 * and one warning, a missing binding makes readiness answer 503 `misconfigured` while everything else still answers.
 */

import { z } from "zod";
import { KIB, MIB } from "../bytes.ts";
import { DEFAULT_CPU_MS, tooShortLease } from "../check-settings.ts";
import { LOG_LEVELS, type LogLevel } from "../log.ts";
import { TICKET_QUEUES } from "../ports.ts";
import { DEFAULT_SETTINGS } from "./queue-settings.ts";

export type BindingKind = "durable-object" | "queue" | "d1";

/** Stands for a binding where there is none to hold: doctor puts it where wrangler.toml binds one. */
export class Bound {
  readonly kind: BindingKind;
  constructor(kind: BindingKind) {
    this.kind = kind;
  }
}

/** The method by which a binding of each kind is known, and how wrangler.toml makes one. */
const KINDS: Readonly<Record<BindingKind, { readonly method: string; readonly table: string; readonly is: string }>> = {
  "durable-object": { method: "getByName", table: "[[durable_objects.bindings]]", is: "a Durable Object namespace" },
  queue: { method: "send", table: "[[queues.producers]]", is: "the producer of a queue" },
  d1: { method: "prepare", table: "[[d1_databases]]", is: "a D1 database" },
};

function isBinding(value: unknown, kind: BindingKind): boolean {
  if (value instanceof Bound) return value.kind === kind;
  return typeof value === "object" && value !== null && typeof Reflect.get(value, KINDS[kind].method) === "function";
}

function binding(kind: BindingKind): z.ZodType {
  const missing = "is not bound";
  return z.custom((value) => isBinding(value, kind), {
    error: (issue) => (issue.input === undefined ? missing : `is not ${KINDS[kind].is}`),
  });
}

/** RPC carries 32 MiB, and a character may take two bytes there (PLATFORM, 1). */
const MAX_BODY_LIMIT = 15 * MIB;

const VARS = {
  LOG_LEVEL: z.enum(LOG_LEVELS).default("info"),
  BODY_LIMIT: z.coerce
    .number()
    .int()
    .min(KIB)
    .max(MAX_BODY_LIMIT)
    .default(8 * MIB),
  CPU_MS: z.coerce.number().int().min(10).max(300_000).default(DEFAULT_CPU_MS),
  DETACH: z.enum(["0", "1"]).default("0"),
  DRAIN_SECONDS: z.coerce.number().min(0).max(600).default(10),
};

const VAR_REMEDIES: Readonly<Record<string, string>> = {
  LOG_LEVEL: `Set LOG_LEVEL to one of ${LOG_LEVELS.join(", ")}, or remove it (info).`,
  BODY_LIMIT: `Set BODY_LIMIT to bytes from ${KIB} to ${MAX_BODY_LIMIT}, or remove it (${8 * MIB}).`,
  CPU_MS: `Set CPU_MS to what cpu_ms under [limits] says, 300000 at most, or remove it (${DEFAULT_CPU_MS}).`,
  DETACH: 'Remove DETACH: the local servers set it to "1" by themselves, and a deployment has no use for it.',
  DRAIN_SECONDS: "Set DRAIN_SECONDS to seconds from 0 to 600, or remove it (10).",
};

const BINDINGS: ReadonlyMap<string, BindingKind> = new Map([
  ["QUEUE_SHARD", "durable-object"],
  ["DIRECTORY", "durable-object"],
  ["LIVE_FEED", "durable-object"],
  ["WORKFLOW_RUN", "durable-object"],
  ["HISTORY_0", "d1"],
  ...Array.from({ length: TICKET_QUEUES }, (_, n): [string, BindingKind] => [`TICKETS_${n}`, "queue"]),
  ["TICKETS_SOLO", "queue"],
  ["DEAD_LETTERS", "queue"],
]);

/** Vars and bindings that the Worker reads; others (HISTORY_1 and up, a user's own) are let be. */
export const EnvSchema = z.looseObject({
  ...VARS,
  ...Object.fromEntries(Array.from(BINDINGS, ([name, kind]) => [name, binding(kind)])),
});

export interface EnvFault {
  /** The var's or binding's name. */
  readonly name: string;
  readonly detail: string;
  readonly remedy: string;
  /** true: the service is not ready. false: a default stands in. */
  readonly fatal: boolean;
}

export interface CheckedEnv {
  readonly logLevel: LogLevel;
  /** Bytes. */
  readonly bodyLimit: number;
  /** What an invocation may compute, as `[limits]` says; that table itself no Worker can read. */
  readonly cpuMs: number;
  readonly detach: boolean;
  /** How long running tasks have when the local service stops. */
  readonly drainMs: number;
  readonly faults: readonly EnvFault[];
}

/** Reads vars, a default where one is absent or wrong, and lists every fault; never throws. */
export function checkEnv(env: object): CheckedEnv {
  const parsed = EnvSchema.safeParse(env);
  const issues = parsed.success ? [] : parsed.error.issues;
  const cpuMs = cpuMsOf(env);
  return {
    logLevel: varOf(VARS.LOG_LEVEL, env, "LOG_LEVEL"),
    bodyLimit: varOf(VARS.BODY_LIMIT, env, "BODY_LIMIT"),
    cpuMs,
    detach: varOf(VARS.DETACH, env, "DETACH") === "1",
    drainMs: varOf(VARS.DRAIN_SECONDS, env, "DRAIN_SECONDS") * 1_000,
    faults: [...issues.map((issue) => faultOf(String(issue.path[0] ?? ""), issue.message)), ...leaseFaults(cpuMs)],
  };
}

/** LOG_LEVEL alone, for objects, which are made often. */
export function logLevelOf(env: object): LogLevel {
  return varOf(VARS.LOG_LEVEL, env, "LOG_LEVEL");
}

/** CPU_MS alone, for Directories. */
export function cpuMsOf(env: object): number {
  return varOf(VARS.CPU_MS, env, "CPU_MS");
}

/** A queue that comes by itself, or a PUT that names no leaseMs, would have a lease that ends while a worker computes. */
function leaseFaults(cpuMs: number): EnvFault[] {
  const tooShort = tooShortLease(cpuMs);
  if (DEFAULT_SETTINGS.leaseMs > tooShort) return [];
  const detail = `${cpuMs} is too much for the default leaseMs (${DEFAULT_SETTINGS.leaseMs})`;
  return [{ name: "CPU_MS", detail, remedy: `Give each queue a leaseMs above ${tooShort}.`, fatal: false }];
}

function varOf<T>(schema: z.ZodType<T>, env: object, name: keyof typeof VARS): T {
  const own = schema.safeParse(Reflect.get(env, name));
  return own.success ? own.data : schema.parse(undefined);
}

function faultOf(name: string, detail: string): EnvFault {
  const kind = BINDINGS.get(name);
  if (kind === undefined)
    return { name, detail, remedy: VAR_REMEDIES[name] ?? `Correct or remove ${name} in wrangler.toml.`, fatal: false };
  const remedy = `Bind ${name} under ${KINDS[kind].table} in wrangler.toml, as the one that ships does, and deploy again.`;
  return { name, detail, remedy, fatal: true };
}
