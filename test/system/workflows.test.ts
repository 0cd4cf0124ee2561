/** Workflows over HTTP on the whole service: each shape, each way that a node ends, and what is read of it. */
import { expect, it } from "vitest";
import type { WaitingExplanation } from "../../core/explain.ts";
import { Effects, keyOf } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { waitFor } from "../support/node/wait-for.ts";
import { nodeStates, readNode, readRun, runEnded, runToEnd, startRun } from "../support/node/workflows.ts";

const { client } = await hostService();
const echo = (payload: unknown, more: object = {}) => ({ type: "echo", payload, ...more });
const fails = (more: object = {}) => ({ type: "fail", payload: { times: 9 }, retry: { maxAttempts: 1 }, ...more });

it("E3 301 304 309 results go from node to node, those over 64 KiB too", async () => {
  const run = await runToEnd(client, {
    tasks: [
      { key: "interest", type: "compound-interest", payload: { amount: 1_000, rate: 0.05, years: 10 } },
      { key: "big", type: "big-result", payload: { bytes: 100_000 } },
      {
        key: "both",
        ...echo({ total: { $result: "interest/total" }, text: { $result: "big" } }),
        dependsOn: ["interest", "big"],
      },
      { key: "end", ...echo({ $result: "both/total" }), dependsOn: ["both"] },
    ],
  });
  expect(run).toMatchObject({ status: "SUCCEEDED", progress: { nodes: 4, ended: 4, counts: { SUCCEEDED: 4 } } });
  const both = await readNode(client, run.id, "both");
  expect(both.result).toEqual({ total: "1628.89", text: "x".repeat(99_998) });
  expect((await readNode(client, run.id, "end")).result).toBe("1628.89");
  expect((await client.result(String(both.task))).result).toEqual(both.result);
});

it("306 307 a node that fails ends what waits for it, is skipped over, or gone on after", async () => {
  const after = (onParentFailure: string) => ({ onParentFailure, dependsOn: ["bad"] });
  const run = await runToEnd(client, {
    tasks: [
      { key: "bad", ...fails() },
      { key: "fails", ...echo(1, after("fail")) },
      { key: "skips", ...echo(1, after("skip")) },
      { key: "goes-on", ...echo({ why: { $error: "bad/code" }, none: { $result: "bad" } }, after("continue")) },
    ],
  });
  expect(nodeStates(run)).toEqual([
    "bad FAILED handler-error",
    "fails FAILED parent-failed",
    "skips CANCELLED skipped",
    "goes-on SUCCEEDED",
  ]);
  expect([run.status, run.failed]).toEqual(["FAILED", ["bad"]]);
  expect((await readNode(client, run.id, "goes-on")).result).toEqual({ why: "handler-error", none: null });
});

it("303 305 a map over a parent's list, a chord, a workflow within, and onFinish with how it ended", async () => {
  const run = await runToEnd(client, {
    name: "shapes",
    chain: [
      { key: "list", ...echo([{ n: 5 }, { n: 6 }]) },
      { key: "each", map: { over: { $result: "list" }, task: { type: "factorial", payload: { n: { $item: "/n" } } } } },
      {
        key: "within",
        workflow: {
          chord: { group: [echo({ $result: "each/0" }), echo(2)], finally: echo({ all: { $result: "group" } }) },
        },
      },
      { key: "last", ...echo({ $result: "within/all" }) },
    ],
    onFinish: echo({ id: { $run: "id" }, status: { $run: "status" }, last: { $result: "last" } }),
  });
  expect(run.status).toBe("SUCCEEDED");
  expect((await readNode(client, run.id, "each")).result).toEqual(["120", "720"]);
  expect((await readNode(client, run.id, "last")).result).toEqual(["120", 2]);
  const told = String(run.finishTask);
  await client.ended(told);
  expect((await client.result(told)).result).toEqual({ id: run.id, status: "SUCCEEDED", last: ["120", 2] });
});

it("304 what is filled in and does not fit ends the node, and its task tells why", async () => {
  const run = await runToEnd(client, {
    chain: [
      { key: "a", ...echo({ n: -1 }) },
      { key: "b", type: "factorial", payload: { n: { $result: "a/n" } } },
    ],
  });
  expect(nodeStates(run)).toEqual(["a SUCCEEDED", "b FAILED payload-invalid"]);
  const task = await client.ended(String(run.nodes[1]?.task));
  expect(task).toMatchObject({ status: "FAILED", attempts: [], error: { code: "payload-invalid" } });
});

it("312 317 a signal lets go what waits for it, and explain tells so; one that does not come in time fails its node", async () => {
  const id = await startRun(client, {
    tasks: [
      { key: "approval", waitFor: "approved", timeoutSeconds: 3_600 },
      { key: "pay", ...echo({ $result: "approval/by" }), dependsOn: ["approval"] },
      { key: "slow", type: "sleep", payload: { ms: 3_000 } },
      { key: "after", ...echo("after"), dependsOn: ["slow"] },
      { key: "late", waitFor: "never", timeoutSeconds: 0.05 },
      { key: "else", ...echo({ $error: "late/code" }), dependsOn: ["late"], onParentFailure: "continue" },
    ],
  });
  const after = await waitFor(async () => (await readNode(client, id, "after")).task, { what: "after has a task" });
  const told = await client.expect<WaitingExplanation>(200, "GET", `/tasks/submissions/${after}/explain`);
  expect(told).toMatchObject({
    status: "BLOCKED",
    decidedBy: "parents",
    reasons: [{ workflow: id, node: "after", parents: [{ node: "slow" }] }],
  });
  // Nothing takes room behind a signal that has not come.
  expect(await readNode(client, id, "pay")).toMatchObject({ status: "BLOCKED", waitsFor: ["approval"] });
  expect((await readNode(client, id, "pay")).task).toBeUndefined();
  await client.expect(202, "POST", `/workflows/${id}/signals/approved`, { by: "me" });
  const run = await runEnded(client, id);
  expect(nodeStates(run)).toEqual([
    "approval SUCCEEDED",
    "pay SUCCEEDED",
    "slow SUCCEEDED",
    "after SUCCEEDED",
    "late FAILED signal-timeout",
    "else SUCCEEDED",
  ]);
  expect(run.status).toBe("SUCCEEDED");
  expect((await readNode(client, id, "pay")).result).toBe("me");
});

it("313 what a handler spawns is part of the run, and who waits for it waits for that", async () => {
  const run = await runToEnd(client, {
    chain: [
      { key: "make", type: "spawner", payload: { count: 2, levels: 3 } },
      { key: "end", ...echo("end") },
    ],
  });
  expect(run.status).toBe("SUCCEEDED");
  const keys = ["make", "end", "make.c0", "make.c1", "make.c1.c0", "make.c1.c1", "make.c1.c1.c0", "make.c1.c1.c1"];
  expect(run.nodes.map(({ key }) => key)).toEqual(keys);
  const last = run.nodes.toSorted((a, b) => String(a.endedAt).localeCompare(String(b.endedAt))).at(-1);
  expect(last?.key).toBe("end");
  const alone = await client.ended(await client.submit({ type: "spawner", payload: { count: 1 } }));
  expect(alone).toMatchObject({ status: "FAILED", error: { code: "handler-error" } });
});

it("310 a run that fails is undone, what ended last first, by tasks that know what they undo", async () => {
  await using effects = await Effects.start();
  const undo = { type: "effect", payload: { url: effects.url } };
  const run = await runToEnd(client, {
    chain: [
      { key: "book", ...echo(1), compensate: undo },
      { key: "pay", ...echo(2), compensate: { ...echo({ paid: { $result: "pay" } }) } },
      { key: "pack", ...echo(3), compensate: undo },
      { key: "ship", ...fails() },
    ],
  });
  expect([run.status, run.compensation]).toEqual(["FAILED", "done"]);
  const undone = run.nodes.slice(4);
  expect(undone.map(({ key }) => key)).toEqual(["compensate:pack", "compensate:pay", "compensate:book"]);
  expect([...effects.done.keys()]).toEqual([undone[0], undone[2]].map((node) => keyOf(String(node?.task))));
  expect((await readNode(client, run.id, "compensate:pay")).result).toEqual({ paid: 2 });
});

it("314 a cancel reaches what runs, what waits and what is to come", async () => {
  await using effects = await Effects.start();
  effects.hold(1);
  const id = await startRun(client, {
    chain: [
      { key: "runs", type: "effect", payload: { url: effects.url } },
      { key: "waits", ...echo(1) },
    ],
  });
  await waitFor(() => effects.holding === 1, { what: "the first node runs" });
  expect(await readNode(client, id, "runs")).toMatchObject({ status: "RUNNING", attempts: [{ attempt: 1 }] });
  await client.expect(202, "POST", `/workflows/${id}/cancel`);
  const run = await runEnded(client, id);
  expect(run).toMatchObject({ status: "CANCELLED", cancelRequested: true });
  expect(nodeStates(run)).toEqual(["runs CANCELLED cancelled", "waits CANCELLED cancelled"]);
  expect(await client.status(String(run.nodes[1]?.task))).toBe("CANCELLED");
});

it("311 a failed node is retried once its cause is mended, and the run goes on to its end", async () => {
  await using effects = await Effects.start();
  let isMended = false;
  effects.server.on("mended", (response) => response.writeHead(isMended ? 200 : 500).end("done"));
  const call = { type: "effect", payload: { url: `${effects.server.url}/mended` }, retry: { maxAttempts: 1 } };
  const first = await runToEnd(client, { chain: [echo(1), { key: "call", ...call }, { key: "end", ...echo(3) }] });
  expect(nodeStates(first)).toEqual(["1 SUCCEEDED", "call FAILED handler-error", "end FAILED parent-failed"]);
  isMended = true;
  await client.expect(202, "POST", `/workflows/${first.id}/retry`, { nodes: ["call"] });
  const run = await runEnded(client, first.id);
  expect([run.status, run.retries, run.failed]).toEqual(["SUCCEEDED", 1, undefined]);
  expect(run.nodes[0]?.task).toBe(first.nodes[0]?.task);
  expect(run.nodes[1]?.retried).toEqual([first.nodes[1]?.task]);
});

it("311 a dead letter that is redriven is its node's retry", async () => {
  const run = await runToEnd(client, {
    chain: [
      { key: "bad", ...fails() },
      { key: "end", ...echo(1) },
    ],
  });
  expect(run.status).toBe("FAILED");
  const path = `/dead-letters/${run.nodes[0]?.task}/redrive`;
  await client.expect(202, "POST", path, { edit: { payload: { times: 0 } } });
  const end = async () => (await readRun(client, run.id)).status === "SUCCEEDED";
  await waitFor(end, { what: "the run has gone on to its end" });
});

it.each<[string, object]>([
  ["side by side", { chord: { group: Array.from({ length: 998 }, () => echo(1)), finally: echo(2) } }],
  [
    "in 25 rows of 40, each waiting for three of the row before",
    {
      tasks: Array.from({ length: 1_000 }, (_, i) => ({
        key: `n${i}`,
        ...echo(i),
        dependsOn: i < 40 ? [] : [0, 7, 19].map((way) => `n${Math.floor(i / 40 - 1) * 40 + ((i + way) % 40)}`),
      })),
    },
  ],
])("308 319 a run of 1,000 nodes %s ends", async (_, workflow) => {
  const run = await runToEnd(client, workflow);
  expect(run).toMatchObject({ status: "SUCCEEDED", progress: { nodes: 1_000, counts: { SUCCEEDED: 1_000 } } });
});

it("314 318 nothing of any run is left in its queue", async () => {
  expect(await client.settled("default")).toMatchObject({ depth: 0 });
});
