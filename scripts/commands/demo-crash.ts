/**
 * `npm run demo:crash`: what a power cut does to the service, step by step. 500 waiting and 20 running tasks fetch from a small server of this
 * script, which therefore sees them run without asking the service anything: after the crash not one request is made
 * until the last has run. `npm run demo:crash -- 40` does it with 40 waiting tasks.
 */
import { startService } from "../../test/support/node/service.ts";
import { startTargetServer } from "../../test/support/node/target-server.ts";
import { waitFor } from "../../test/support/node/wait-for.ts";

const RUNNING = 20;
const WAITING = Number(process.argv[2] ?? 500);
const began = performance.now();
const tell = (sentence: string) =>
  console.log(`${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${sentence}`);

async function ask<T>(method: string, url: string, body?: object): Promise<T> {
  const response = await fetch(url, {
    method,
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

interface Read {
  readonly status: string;
  readonly attempts: readonly { readonly outcome: string | null }[];
}

tell("A server for the tasks to fetch from, and the service, on a fresh state folder.");
await using target = await startTargetServer();
await using service = await startService({ env: { LOG_LEVEL: "warn" } });
tell(`The service is ready on ${service.url} (process ${service.pid}, runtime ${service.workerdPid()}).`);

// The first who come are held until their connection dies with the service; whoever comes later is answered at once.
let isHolding = true;
target.on("hold", (response) => void (isHolding || response.end("held")));
const answered = new Set<string>();
target.on("quick", (response, request) => {
  answered.add(request.url ?? "");
  response.end("quick");
});
const fetchOf = (path: string) => ({ type: "http-fetch", payload: { url: `${target.url}${path}` }, queue: "demo" });
await ask("PUT", `${service.url}/queues/demo`, { concurrency: RUNNING });
const held = await ask<{ ids: string[] }>("POST", `${service.url}/tasks/submissions`, {
  tasks: Array.from({ length: RUNNING }, (_, n) => ({ ...fetchOf(`/hold/${n}`), priority: "high" })),
});
await waitFor(() => target.counts.size === RUNNING, { what: `${RUNNING} tasks run` });
const quick = await ask<{ ids: string[] }>("POST", `${service.url}/tasks/submissions`, {
  tasks: Array.from({ length: WAITING }, (_, n) => fetchOf(`/quick/${n}`)),
});
const { counts } = await ask<{ counts: { running: number; queued: number } }>("GET", `${service.url}/queues/demo`);
tell(`${counts.running} tasks run and wait for our answer, ${counts.queued} wait behind them.`);

await service.kill();
isHolding = false;
tell("SIGKILL to every process of the service. Nothing runs any more; nothing was told to anybody.");
const before = { held: target.asked(), quick: answered.size };

await service.restart();
tell("Started again on the same state folder. From here on, no request is made.");
const done = () => answered.size === WAITING && target.asked() - before.held >= RUNNING + WAITING - before.quick;
let shown = 0;
const show = setInterval(() => {
  if (answered.size !== shown) tell(`${answered.size} of ${WAITING} waiting tasks have run.`);
  shown = answered.size;
}, 500);
await waitFor(done, { what: "all of them have run", timeoutMs: 120_000 }).finally(() => clearInterval(show));
tell(`All ${WAITING + RUNNING} have run. Now we ask what became of them.`);

const ids = [...held.ids, ...quick.ids];
const read: Read[] = [];
const readAll = async () => {
  read.length = 0;
  for (let from = 0; from < ids.length; from += 100) {
    const some = ids.slice(from, from + 100).join(",");
    read.push(...(await ask<{ tasks: Read[] }>("GET", `${service.url}/tasks/submissions?ids=${some}`)).tasks);
  }
  return read.every(({ status }) => status === "SUCCEEDED");
};
await waitFor(readAll, { what: "every task is SUCCEEDED", timeoutMs: 30_000 });
const successes = read.map(({ attempts }) => attempts.filter(({ outcome }) => outcome === "succeeded").length);
const crashed = read.filter(({ attempts }) => attempts.some(({ outcome }) => outcome !== "succeeded")).length;
tell(
  `${read.length} SUCCEEDED, each with ${Math.min(...successes)} to ${Math.max(...successes)} success recorded; ${crashed} show the attempt that the crash cut off.`,
);
const twice = [...target.counts.values()].filter((times) => times > 1).length;
tell(`${twice} were fetched twice: at least once means that; a handler makes it once by its idempotency key.`);
if (read.length !== RUNNING + WAITING || successes.some((count) => count !== 1)) process.exitCode = 1;
