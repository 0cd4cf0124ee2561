/**
 * What wrangler.toml and the migrations make of the Worker, read by wrangler itself and kept in .build/ by the hash of all
 * that it was read from: loading wrangler is the slowest part of a start. Where wrangler would also read files of secrets
 * or its own environment variables, nothing is kept.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Unstable_MiniflareWorkerOptions } from "wrangler";
import { CannotStart, codeOf } from "./cannot-start.ts";
import { compareCpu } from "./compare-cpu.ts";
import { explainConfig } from "./explain-config.ts";
import { keep } from "./keep.ts";

export interface WorkerOptions {
  /** As `convertV4MiniflareOptions` takes them, less the module rules that Miniflare 5 refuses. */
  readonly worker: Unstable_MiniflareWorkerOptions["workerOptions"];
  /** Absolute path of the entry that ships. */
  readonly main: string;
  readonly databases: readonly DatabaseOptions[];
  /** What it says twice and differently about CPU time; null: nothing. */
  readonly cpuFault: string | null;
}

/** A D1 database that names a migrations folder. */
export interface DatabaseOptions {
  /** HISTORY_0 … */
  readonly binding: string;
  /** Where applied migrations are noted. */
  readonly table: string;
  /** In the order in which they are to be applied. */
  readonly migrations: readonly { readonly name: string; readonly statements: readonly string[] }[];
  /** Absolute path of the migrations folder, and the hash of what it held. */
  readonly folder: string;
  readonly hash: string;
}

/** Names that wrangler reads secrets from, beside wrangler.toml. */
const SECRET_FILES = [".dev.vars", ".env", ".env.local"];

/** @throws CannotStart with what is wrong in wrangler.toml, or with the migrations that it names */
export async function readWorkerOptions(wranglerToml: string, env: NodeJS.ProcessEnv): Promise<WorkerOptions> {
  try {
    return await readOrAsk(wranglerToml, env);
  } catch (error) {
    if (codeOf(error).endsWith("MODULE_NOT_FOUND")) throw new CannotStart("Dependencies are missing: run `npm ci`.");
    throw new CannotStart(explainConfig(wranglerToml, error));
  }
}

async function readOrAsk(wranglerToml: string, env: NodeJS.ProcessEnv): Promise<WorkerOptions> {
  const kept = keptAt(wranglerToml, env);
  if (kept !== null && existsSync(kept)) {
    const options: WorkerOptions = JSON.parse(readFileSync(kept, "utf8"));
    if (options.databases.every(({ folder, hash }) => hashOf(readMigrations(folder)) === hash)) return options;
  }
  const options = await askWrangler(wranglerToml);
  if (kept !== null) keep(kept, options);
  return options;
}

async function askWrangler(wranglerToml: string): Promise<WorkerOptions> {
  const wrangler = await import("wrangler");
  const { workerOptions, main = "" } = wrangler.unstable_getMiniflareWorkerOptions(wranglerToml);
  if (main === "") throw new Error("main is missing: it names the Worker's entry");
  const { modulesRules: _, ...worker } = workerOptions;
  const config = wrangler.unstable_readConfig({ config: wranglerToml }, { hideWarnings: true });
  const databases: DatabaseOptions[] = [];
  for (const database of config.d1_databases) {
    if (database.migrations_dir === undefined) continue;
    const folder = join(dirname(wranglerToml), database.migrations_dir);
    const files = readMigrations(folder);
    databases.push({
      binding: database.binding,
      table: database.migrations_table ?? "d1_migrations",
      migrations: files.map(({ name, sql }) => ({ name, statements: wrangler.unstable_splitSqlQuery(sql) })),
      folder,
      hash: hashOf(files),
    });
  }
  return { worker, main, databases, cpuFault: compareCpu(config.vars, config.limits?.cpu_ms) };
}

/** In wrangler's order: by number, then by name. */
function readMigrations(folder: string): { name: string; sql: string }[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  const numbered = names.map((name) => ({ name, number: Number.parseInt(name, 10) }));
  numbered.sort((a, b) => a.number - b.number || (a.name < b.name ? -1 : 1));
  return numbered.map(({ name }) => ({ name, sql: readFileSync(join(folder, name), "utf8") }));
}

function hashOf(files: readonly object[]): string {
  return createHash("sha256").update(JSON.stringify(files)).digest("hex");
}

/** Where options of this very input are kept; null: not at all. */
function keptAt(wranglerToml: string, env: NodeJS.ProcessEnv): string | null {
  const root = dirname(wranglerToml);
  if (Object.keys(env).some((name) => /^(CLOUDFLARE|WRANGLER)_/.test(name) && name !== "WRANGLER_SEND_METRICS"))
    return null;
  if (SECRET_FILES.some((name) => existsSync(join(root, name)))) return null;
  const hash = createHash("sha256");
  hash
    .update(wranglerToml)
    .update(readFileSync(wranglerToml))
    .update(readFileSync(import.meta.filename));
  hash.update(readFileSync(createRequire(import.meta.url).resolve("wrangler/package.json")));
  return join(root, ".build", `worker-options-${hash.digest("hex").slice(0, 16)}.json`);
}
