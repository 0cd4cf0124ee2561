/**
 * `node bench/profile.ts --scenario submit`: where the runtime's time goes under one kind of load, by self time.
 * Scenarios: submit, execute, batch, status, drain, latency, and the floors empty, insert, hello. `--seconds 5`, `--top 40`.
 */
import { parseArgs } from "node:util";
import { bundle } from "../scripts/commands/serve/bundle.ts";
import { Api } from "./load/api.ts";
import { Connection } from "./load/connection.ts";
import { findLoader, type Shot, shoot } from "./load/shot.ts";
import { submitBatches } from "./scenarios/drain.ts";
import { batchOf, echoTask, floor, HELLO, submission } from "./scenarios/shots.ts";
import { profileWhile } from "./service/profile-runtime.ts";
import { ENTRY, startService } from "./service/start.ts";

const INSPECTOR_PORT = 9_341;

const { values: flags } = parseArgs({
  options: {
    scenario: { type: "string", default: "submit" },
    seconds: { type: "string", default: "5" },
    top: { type: "string", default: "40" },
  },
});
// By itself a signal would end this process without its exit handlers, which stop the service.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

// A reader that went away (… | head) has seen enough.
process.stdout.on("error", () => process.exit(1));
const say = (line: string) => void process.stdout.write(`${line}\n`);

const service = await startService({ inspectorPort: INSPECTOR_PORT });
try {
  const api = new Api(service.url);
  await api.makeQueue("paused", true);
  await api.makeQueue("running");
  const load = await loadFor(flags.scenario, api);
  await load(1);
  const times = await profileWhile(INSPECTOR_PORT, await bundle(ENTRY), () => load(Number(flags.seconds)));
  for (const { name, ms, share } of times.slice(0, Number(flags.top)))
    say(`${ms.toFixed(0).padStart(7)} ms ${(share * 100).toFixed(1).padStart(5)} %  ${name}`);
} finally {
  await service.stop();
}

async function loadFor(scenario: string, api: Api): Promise<(seconds: number) => Promise<void>> {
  const loader = findLoader();
  const byShot = (shot: Shot) => async (duration: number) => {
    const { perSecond, requests } = await shoot(loader, api.url, shot, duration);
    say(`${scenario}: ${requests} requests, ${Math.round(perSecond)} a second`);
  };
  switch (scenario) {
    case "submit":
      return byShot(submission("paused"));
    case "execute":
      return byShot(submission("running"));
    case "batch":
      return byShot(batchOf("paused", 100));
    case "drain":
      return (duration) => drainAgain(api, duration);
    case "status":
      return byShot({ method: "GET", path: `/tasks/submissions/${await api.submit(echoTask("paused"))}` });
    case "hello":
      return byShot(HELLO);
    case "empty":
    case "insert":
      return byShot(floor(scenario, submission("paused")));
    case "latency":
      return (duration) => oneByOne(api, duration);
    default:
      throw new Error(`no scenario ${scenario}`);
  }
}

/** As the scenario does it, one after the other. */
async function drainAgain(api: Api, duration: number): Promise<void> {
  const until = performance.now() + duration * 1_000;
  while (performance.now() < until) {
    const since = performance.now();
    const batches = await submitBatches(api);
    const submitted = performance.now() - since;
    await api.until("running", ({ depth }) => depth === 0);
    const run = performance.now() - since;
    await api.untilFlushed("running");
    const flushed = performance.now() - since;
    say(
      `drain: ${batches.length} batches submitted in ${submitted.toFixed(0)} ms, run after ${run.toFixed(0)}, in D1 after ${flushed.toFixed(0)}`,
    );
  }
}

async function oneByOne({ url }: Api, duration: number): Promise<void> {
  const connection = new Connection(url);
  const body = JSON.stringify(echoTask("running"));
  const until = performance.now() + duration * 1_000;
  let tasks = 0;
  for (; performance.now() < until; tasks++) {
    const { id }: { id: string } = JSON.parse((await connection.ask("POST", "/tasks/submissions", body)).text);
    await connection.ask("GET", `/tasks/submissions/${id}?wait=20`);
  }
  connection.close();
  say(`latency: ${tasks} tasks, ${((duration * 1_000) / tasks).toFixed(2)} ms each`);
}
