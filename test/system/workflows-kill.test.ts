/** The runtime dies again and again while runs are under way: each of them comes to its end, and nothing is left over. */
import { expect, inject, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { Effects, keyOf } from "../support/node/effects.ts";
import { startFaulty } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";
import { runEnded, startRun } from "../support/node/workflows.ts";

const RUNS = 20;
/** How many of the nodes have run at each kill. */
const SHARES = inject("full") ? [0.02, 0.2, 0.4, 0.6, 0.9] : [0.02, 0.3, 0.8];
/** Three rows: each node of the second waits for all of the first, each of the third for one of the second. */
const PARENTS: readonly (readonly number[])[] = [[], [], [], [0, 1, 2], [0, 1, 2], [0, 1, 2], [3], [4], [5], [6, 7, 8]];
const NODES = RUNS * PARENTS.length;

it("308 20 runs of 10 nodes all succeed, each node after its parents, though the runtime is killed again and again", async () => {
  await using service = await startFaulty();
  await using effects = await Effects.start();
  const client = new Client(service.url);
  await client.putQueue("flows", { concurrency: 12 });
  const effect = { type: "effect", payload: { url: effects.url }, queue: "flows" };
  const tasks = PARENTS.map((parents, i) => ({ key: `n${i}`, ...effect, dependsOn: parents.map((one) => `n${one}`) }));
  const ids = await Promise.all(Array.from({ length: RUNS }, () => startRun(client, { tasks })));

  for (const share of SHARES) {
    await waitFor(() => effects.done.size >= share * NODES, { what: `${share} of the nodes ran`, timeoutMs: 60_000 });
    await service.killWorkerd();
  }

  const runs = await Promise.all(ids.map((id) => runEnded(client, id)));
  const place = new Map([...effects.done.keys()].map((key, i) => [key, i]));
  for (const run of runs) {
    expect([run.id, run.status, run.progress.counts]).toEqual([run.id, "SUCCEEDED", { SUCCEEDED: PARENTS.length }]);
    const places = run.nodes.map(({ task }) => place.get(keyOf(String(task))) ?? -1);
    for (const [i, parents] of PARENTS.entries())
      for (const parent of parents) expect(places[i]).toBeGreaterThan(places[parent] ?? 0);
  }
  expect(effects.done.size).toBe(NODES);
  expect(await client.settled("flows")).toMatchObject({ depth: 0, deadLetters: 0 });
});
