/**
 * `npm run dev`: wrangler dev, which builds and starts again at each change, with what it lacks: tables in the databases,
 * and a cron handler that fires (each minute, at the start, and after each reload, when the objects must be woken). Same
 * state folder as `npm start`, so only one of the two runs. It is twenty times slower than `npm start`: for trying, not
 * for measuring.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { withOwnNode } from "./own-node.ts";
import { sentenceOf } from "./serve/cannot-start.ts";
import { checkPort, HOST } from "./serve/check-port.ts";
import { claimState } from "./serve/claim-state.ts";
import { migrateAlone } from "./serve/migrate-alone.ts";
import { eachMinute, SCHEDULED_PATH, TICK } from "./serve/poke-cron.ts";
import { readSettings, type ServeSettings } from "./serve/read-settings.ts";
import { readWorkerOptions } from "./serve/read-worker-options.ts";
import { takeSignals } from "./serve/stop.ts";
import { waitUntilReady } from "./serve/wait-until-ready.ts";
import { watchDeaths } from "./serve/watch-deaths.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const WRANGLER_TOML = join(ROOT, "wrangler.toml");
/** No telemetry, and no look-up of where in the world this is, for which the first request would wait. */
const QUIET = { WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false" };
/** What wrangler prints once a new build serves. */
const RELOADED = "Local server updated and ready";

async function dev(): Promise<void> {
  const told = readSettings(process.argv.slice(2), process.env, ROOT);
  const settings = { ...told, port: await checkPort(told.port) };
  const claim = claimState(settings.state);
  const say = (sentence: string) => void process.stderr.write(`${sentence}\n`);
  await migrateAlone(settings.state, await readWorkerOptions(WRANGLER_TOML, process.env), say, watchDeaths());
  claim.tell({ port: settings.port });

  const wrangler = startWrangler(settings);
  const poke = () => void fireCron(settings.port);
  wrangler.stdout?.setEncoding("utf8").on("data", (text: string) => {
    process.stdout.write(text);
    if (text.includes(RELOADED)) poke();
  });
  let isReady = false;
  wrangler.once("exit", (code) => {
    claim.release();
    if (!isReady) process.stderr.write("Sluice cannot start. wrangler dev ended; what it said is above.\n");
    process.exit(isReady ? 0 : (code ?? 1) || 1);
  });
  process.on("exit", () => wrangler.kill());
  takeSignals((signal) => wrangler.kill(signal));

  const url = `http://localhost:${settings.port}`;
  await waitUntilReady(url);
  isReady = true;
  process.stdout.write(`Sluice is ready on ${url} (wrangler dev: it reloads as files change)\n`);
  poke();
  eachMinute(poke);
}

function startWrangler({ port, state, entry, vars }: ServeSettings): ChildProcess {
  const args = ["dev", "--config", WRANGLER_TOML, "--ip", HOST, "--port", String(port), "--inspector-port", "0"];
  if (entry !== null) args.push(entry);
  args.push("--persist-to", state, "--show-interactive-dev-session=false");
  for (const [name, value] of Object.entries(vars)) args.push("--var", `${name}:${value}`);
  return spawn(join(ROOT, "node_modules/.bin/wrangler"), args, {
    cwd: ROOT,
    env: withOwnNode(ROOT, { ...process.env, ...QUIET, ...(process.stdout.isTTY && { FORCE_COLOR: "1" }) }),
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** wrangler dev fires no cron by itself; this path of its own does. */
async function fireCron(port: number): Promise<void> {
  const path = `${SCHEDULED_PATH}?cron=${encodeURIComponent(TICK)}`;
  try {
    await fetch(`http://${HOST}:${port}${path}`, { signal: AbortSignal.timeout(60_000) });
  } catch {
    // It is reloading: it says so when it is back.
  }
}

dev().catch((error: unknown) => {
  process.stderr.write(`Sluice cannot start. ${sentenceOf(error)}\n`);
  process.exit(1);
});
