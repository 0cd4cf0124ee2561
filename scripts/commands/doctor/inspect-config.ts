/**
 * Whether wrangler.toml binds what the Worker reads (core/schema/env.ts, the schema that readiness uses too), and what
 * that schema cannot see from inside: that every ticket queue has its consumer and its dead letters, every object class
 * a migration, every history database its tables.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Bound, checkEnv } from "../../../core/schema/env.ts";
import { compareCpu } from "../serve/compare-cpu.ts";
import { type Finding, ill, odd, well } from "./finding.ts";

/** The part of wrangler's configuration that is looked at. */
export interface Config {
  readonly configPath?: string | undefined;
  readonly vars: Readonly<Record<string, unknown>>;
  readonly limits?: { readonly cpu_ms?: number | undefined } | undefined;
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
  readonly migrations: readonly { readonly new_sqlite_classes?: string[] | undefined }[];
  readonly d1_databases: readonly { readonly binding: string; readonly migrations_dir?: string | undefined }[];
  readonly queues: {
    readonly producers?: readonly { readonly binding: string; readonly queue?: string | undefined }[] | undefined;
    readonly consumers?:
      | readonly { readonly queue: string; readonly dead_letter_queue?: string | undefined }[]
      | undefined;
  };
}

/** @param told variables of the environment, which the local server puts over those of wrangler.toml */
export function inspectConfig(config: Config, told: Readonly<Record<string, string | undefined>>): Finding[] {
  const findings: Finding[] = [];
  for (const { name, detail, remedy, fatal } of checkEnv(environmentOf(config, told)).faults)
    findings.push((fatal ? ill : odd)(name, `${detail}. ${remedy}`));
  const cpuFault = compareCpu(config.vars, config.limits?.cpu_ms);
  if (cpuFault !== null) findings.push(odd("CPU_MS", cpuFault));
  findings.push(...inspectQueues(config), ...inspectClasses(config), ...inspectDatabases(config));
  if (findings.length === 0) findings.push(well("wrangler.toml", "binds what the Worker reads"));
  return findings;
}

/** What the Worker would be given, with a stand-in for each binding. */
function environmentOf(config: Config, told: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const env: Record<string, unknown> = { ...config.vars };
  for (const name of ["LOG_LEVEL", "BODY_LIMIT", "DRAIN_SECONDS"]) if (told[name] !== undefined) env[name] = told[name];
  for (const { name } of config.durable_objects.bindings) env[name] = new Bound("durable-object");
  for (const { binding } of config.queues.producers ?? []) env[binding] = new Bound("queue");
  for (const { binding } of config.d1_databases) env[binding] = new Bound("d1");
  return env;
}

function inspectQueues(config: Config): Finding[] {
  const consumers = new Map((config.queues.consumers ?? []).map((consumer) => [consumer.queue, consumer]));
  const findings: Finding[] = [];
  for (const { binding, queue = "" } of config.queues.producers ?? []) {
    const consumer = consumers.get(queue);
    const remedy = `Add a [[queues.consumers]] for ${queue} in wrangler.toml, as the one that ships has it.`;
    if (consumer === undefined) findings.push(ill(binding, `nothing consumes the queue ${queue}. ${remedy}`));
    else if (binding.startsWith("TICKETS_") && consumer.dead_letter_queue === undefined)
      findings.push(odd(binding, `tickets that fail are dropped without a word. Set dead_letter_queue for ${queue}.`));
    const dead = consumer?.dead_letter_queue;
    if (dead !== undefined && !consumers.has(dead))
      findings.push(odd(binding, `nothing consumes its dead letters. Add a [[queues.consumers]] for ${dead}.`));
  }
  return findings;
}

function inspectClasses(config: Config): Finding[] {
  const made = new Set(config.migrations.flatMap(({ new_sqlite_classes = [] }) => new_sqlite_classes));
  return config.durable_objects.bindings
    .filter(({ class_name }) => !made.has(class_name))
    .map(({ name, class_name }) =>
      ill(name, `no [[migrations]] makes ${class_name}. Name it in new_sqlite_classes of a new migration tag.`),
    );
}

function inspectDatabases(config: Config): Finding[] {
  const findings: Finding[] = [];
  for (const { binding, migrations_dir } of config.d1_databases) {
    if (!binding.startsWith("HISTORY_")) continue;
    const folder = join(dirname(config.configPath ?? "."), migrations_dir ?? "");
    if (migrations_dir === undefined || !existsSync(folder))
      findings.push(ill(binding, 'it gets no tables. Set migrations_dir = "migrations" under its [[d1_databases]].'));
  }
  return findings;
}
