/**
 * `npm start`: the whole service on this machine, from wrangler.toml. What must stay true: it says that it is ready only
 * when it is, one process at most has a state folder, a runtime that is killed is replaced, and nothing is left behind.
 * Standard output has the Worker's log lines and the ready line; what the server itself has to say goes to standard error.
 */
import { mkdtempSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CannotStart, oneLine, sentenceOf } from "./cannot-start.ts";
import { checkPort } from "./check-port.ts";
import { claimState } from "./claim-state.ts";
import { type ComeBack, comeBackFrom } from "./come-back.ts";
import { guardRuntime } from "./guard-runtime.ts";
import { findDamage } from "./inspect-state.ts";
import { migrate } from "./migrate.ts";
import { eachMinute, fireCron, TICK } from "./poke-cron.ts";
import { readSettings } from "./read-settings.ts";
import { readWorkerOptions } from "./read-worker-options.ts";
import { relayLogs } from "./relay-logs.ts";
import { startOver } from "./start-over.ts";
import { onStopSignal, stopGently } from "./stop.ts";
import { waitUntilReady } from "./wait-until-ready.ts";
import { type Deaths, watchDeaths } from "./watch-deaths.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const WRANGLER_TOML = join(ROOT, "wrangler.toml");
const TICK_PATIENCE_MS = 60_000;

const say = (sentence: string) => void process.stderr.write(`${sentence}\n`);
const end = (sentence: string): never => {
  say(sentence);
  process.exit(1);
};

async function serve(): Promise<void> {
  if (process.platform === "win32") throw new CannotStart("It needs a POSIX system: on Windows, start it in WSL.");
  // The cheap reasons not to start come before the slow imports.
  const settings = readSettings(process.argv.slice(2), process.env, ROOT);
  await checkPort(settings.port);
  const claim = claimState(settings.state);
  const { bundle } = await import("./bundle.ts");
  const options = await readWorkerOptions(WRANGLER_TOML, process.env);
  if (options.cpuFault !== null) say(`CPU_MS ${options.cpuFault}`);
  const scriptOf = bundle(settings.entry ?? options.main);
  scriptOf.catch(() => {});
  const [{ startRuntime }, { migrateAlone }] = await Promise.all([
    import("./start-runtime.ts"),
    import("./migrate-alone.ts"),
  ]);

  const folder = mkdtempSync(join(tmpdir(), "sluice-"));
  const logs = relayLogs(folder);
  const deaths = watchDeaths();
  let back: ComeBack | undefined;
  const guard = guardRuntime(folder, logs.pipe, {
    onStart: (pid) => claim.tell({ runtime: pid }),
    onDeath: (death) => {
      deaths.note(death);
      back?.died(death);
    },
  });
  const words = holdBack();
  const up = async () => {
    // Nobody is served before the tables are there.
    await startOver(() => migrateAlone(settings.state, options, words.say, deaths), say);
    const script = await scriptOf;
    const started = await startOver(async () => {
      const before = deaths.count();
      const begun = await startRuntime(settings, options.worker, script, words.say, deaths);
      return { ...begun, before };
    }, say);
    const { runtime, port, again } = started;
    const wake = () => fireCron(runtime, TICK, TICK_PATIENCE_MS);
    const comeBack = comeBackFrom({ ready: () => runtime.ready, again, wake }, say, end);
    back = comeBack;
    // One that died between its first word and here: Miniflare starts another.
    const [early] = deaths.since(started.before);
    if (early) comeBack.died(early);
    claim.tell({ port });
    const tick = () => void wake();
    const stopTicking = eachMinute(tick);
    onStopSignal(async (signal) => {
      stopTicking();
      comeBack.stop();
      guard.release();
      await stopGently(runtime, settings.drainMs, signal, say);
      await logs.close();
      claim.release();
    });
    const url = `http://localhost:${port}`;
    await overDeaths(comeBack, deaths, async () => {
      await migrate(runtime, options.databases);
      await waitUntilReady(url);
    });
    words.letGo();
    tick();
    logs.say(`Sluice is ready on ${url}`);
    // Node does it at an orderly end, which not every process has.
    flushCompileCache();
  };
  await up().catch(async (error: unknown) => {
    const damage = findDamage(settings.state, "whole");
    if (damage !== null) throw new CannotStart(damage);
    await logs.close();
    throw words.addTo(error);
  });
}

/** Does something that a death may cut off, and once more when another runtime is there. */
async function overDeaths(back: ComeBack, deaths: Deaths, work: () => Promise<void>): Promise<void> {
  for (;;) {
    const before = deaths.count();
    try {
      await work();
      await back.settled();
      if (deaths.count() === before) return;
    } catch (error) {
      if (error instanceof CannotStart || (await deaths.killedSince(before)) === null) throw error;
      await back.settled();
    }
  }
}

/** What workerd says is kept until the service is ready: a start that fails says one sentence, not workerd's many. */
function holdBack() {
  let held: string[] | null = [];
  return {
    say(message: string) {
      if (held === null) say(message);
      else held.push(message);
    },
    letGo() {
      for (const message of held ?? []) say(message);
      held = null;
    },
    addTo(error: unknown): unknown {
      const [first] = held ?? [];
      if (!(error instanceof CannotStart) || first === undefined) return error;
      return new CannotStart(`${error.message} The runtime said: ${oneLine(first)}`);
    },
  };
}

serve().catch((error: unknown) => end(`Sluice cannot start. ${sentenceOf(error)}`));
