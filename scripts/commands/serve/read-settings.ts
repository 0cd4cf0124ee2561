/**
 * What the local server was told: flags first, then the environment, then the defaults (design, 9). A value that makes
 * no sense ends the start with a sentence; what only the Worker reads is passed on as it is, and the Worker judges it.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { CannotStart } from "./cannot-start.ts";

export interface ServeSettings {
  /** 0: any free port; the ready line tells which. */
  readonly port: number;
  /** Absolute path of the state folder. */
  readonly state: string;
  /** Absolute path of the Worker's entry; null: `main` of wrangler.toml. */
  readonly entry: string | null;
  /** How long running tasks have when the service stops. */
  readonly drainMs: number;
  /** Vars that the Worker gets beside those of wrangler.toml. */
  readonly vars: Readonly<Record<string, string>>;
}

/** Variables of the environment that are the Worker's; everything that begins with SLUICE_ is too. */
const WORKER_VARS = ["LOG_LEVEL", "BODY_LIMIT", "EGRESS_ALLOW", "CORS_ORIGINS"];

const USAGE = "usage: npm start -- [--port 8787] [--state .state] [--entry FILE]";

/**
 * @param root the project's folder; flags are relative to where the user stands, defaults to it
 * @throws CannotStart for an unknown flag or a value out of bounds
 */
export function readSettings(args: readonly string[], env: NodeJS.ProcessEnv, root: string): ServeSettings {
  const flags = parseFlags(args);
  const drainSeconds = within("DRAIN_SECONDS", env.DRAIN_SECONDS ?? "10", 0, 600, "seconds");
  const state = flags.state ?? env.STATE_DIR;
  const vars: Record<string, string> = {};
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && (WORKER_VARS.includes(name) || name.startsWith("SLUICE_"))) vars[name] = value;
  return {
    port: within(flags.port === undefined ? "PORT" : "--port", flags.port ?? env.PORT ?? "8787", 0, 65_535, "a port"),
    state: state === undefined || state === "" ? resolve(root, ".state") : resolve(state),
    entry: flags.entry === undefined ? null : resolve(flags.entry),
    drainMs: drainSeconds * 1_000,
    // DETACH lets the one batch that the local broker has in flight go on at once (design, 5.6).
    vars: { ...vars, DRAIN_SECONDS: String(drainSeconds), DETACH: "1" },
  };
}

function parseFlags(args: readonly string[]): { port?: string; state?: string; entry?: string } {
  const string = { type: "string" } as const;
  try {
    return parseArgs({ args: [...args], options: { port: string, state: string, entry: string } }).values;
  } catch (error) {
    throw new CannotStart(`${error instanceof Error ? error.message : String(error)} (${USAGE})`);
  }
}

function within(name: string, text: string, least: number, most: number, is: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < least || value > most)
    throw new CannotStart(`${name} is "${text}": set it to ${is} from ${least} to ${most}, or remove it.`);
  return value;
}
