/** Corners in which a run did not end, or ended wrongly: found by a fresh reader, each a way that users go. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { QueueName } from "../../core/ids.ts";
import { declaredType } from "../../core/make-task.ts";
import type { NodeDefinition } from "../../core/schema/workflow-rpc.ts";
import { definition, hasEnded, idOf, node, signal, statesOf, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const MINUTE = 60_000;
const A = "a" as QueueName;
const B = "b" as QueueName;
const inB = (script: object = {}) => taskOf(script, { queue: B });

async function runOf(
  world: WorkflowWorld,
  nodes: readonly NodeDefinition[],
  more: Parameters<typeof definition>[1] = {},
  id = ID,
): Promise<void> {
  await world.create(id, { definition: definition(nodes, more), fingerprint: null });
}
const world = (settings = {}) => new WorkflowWorld(1, NO_FAULTS, settings);
async function ended(of: WorkflowWorld, ms = 10 * MINUTE): Promise<string | undefined> {
  await of.until(hasEnded(of, ID), ms);
  return of.head(ID)?.head.status;
}
const later = (of: WorkflowWorld, ms: number) => of.until(() => false, ms);

describe("308 a run ends", () => {
  it("308 where it is to tell of its end in a queue that is deleted", async () => {
    const of = world();
    const lost = taskOf({}, { queue: "gone" as QueueName });
    await runOf(of, [node("a")], { onFinish: { task: lost, on: null } });
    expect(await ended(of)).toBe("SUCCEEDED");
    expect(of.head(ID)?.head).toMatchObject({
      finishTask: null,
      finishProblem: expect.stringMatching(/^queue-unknown: /) as string,
    });
  });

  it("314 when it is cancelled, though a node of it has no room and never will", async () => {
    const of = world();
    of.change(B, { draining: true });
    await runOf(of, [node("a", [], inB())]);
    await later(of, 10_000);
    expect(statesOf(of, ID)).toEqual(["a ready"]);
    await of.ask(of.run(ID).cancel({ v: 1 }));
    expect(await ended(of)).toBe("CANCELLED");
    of.change(B, { draining: false });
    await later(of, 10 * MINUTE);
    expect(of.worker.runs).toEqual([]);
    expect(of.shards.get("default:b:0")?.instance.memory.blocked).toBe(0);
  });

  it("308 where a node that failed by another has no room, and never will", async () => {
    const of = world();
    of.change(B, { draining: true });
    const fails = taskOf({ ends: "failed", ms: 20_000 });
    await runOf(of, [node("a", [], fails), node("b", [0], inB())]);
    expect(await ended(of)).toBe("FAILED");
    expect(statesOf(of, ID)).toEqual(["a FAILED handler-error", "b FAILED parent-failed"]);
  });

  it("308 what waits for a signal takes no room until it has come", async () => {
    const of = world({ depthLimit: 2, shards: 1, keyShards: 1 });
    const waits = signal("s");
    for (let i = 1; i <= 3; i++) await runOf(of, [waits, node("t", [0])], {}, idOf(i));
    await later(of, MINUTE);
    expect(of.shards.get("default:a:0")?.instance.memory.blocked).toBe(0);
    for (let i = 1; i <= 3; i++) await of.ask(of.run(idOf(i)).signal({ v: 1, name: "go", payload: "1" }));
    for (let i = 1; i <= 3; i++) expect(await of.until(hasEnded(of, idOf(i)), 10 * MINUTE)).toBe(true);
  });

  it("311 as it is, where it is taken up again while its end is told", async () => {
    const of = world();
    await runOf(of, [node("a", [], taskOf({ ends: "failed" }))], { onFinish: { task: taskOf(), on: null } });
    for (let tries = 0; tries < 300; tries++) {
      await later(of, 1);
      await of.ask(of.run(ID).retry({ v: 1, keys: null }));
    }
    expect(await ended(of)).toBe("FAILED");
    expect(statesOf(of, ID)).toEqual(["a FAILED handler-error"]);
  });
});

describe("305 a map", () => {
  const mapOf = (
    list: unknown,
    payload: object,
    onParentFailure: "fail" | "continue" | "skip" = "fail",
  ): NodeDefinition => ({
    key: "m",
    kind: "map",
    parents: [0],
    onParentFailure,
    over: JSON.stringify(list),
    task: { ...taskOf({}, { refers: true }), payload: JSON.stringify({ ends: "succeeded", ms: 1, ...payload }) },
  });
  const resultOf = (of: WorkflowWorld, key: string): unknown => {
    const [row] = of.runs.get(ID)?.gate.all<{ result: string }>("SELECT result FROM node WHERE key = ?", key) ?? [];
    return row ? (JSON.parse(row.result) as unknown) : undefined;
  };

  it("305 takes its items for data, whatever they look like, and leaves what is literal in its task", async () => {
    const of = world();
    const item = { $result: "secret" };
    const told = { result: { item: { $item: "" }, kept: { $literal: { $item: "" } } } };
    await runOf(of, [node("secret", [], taskOf({ result: "hunter2" })), mapOf({ $literal: [item] }, told)]);
    expect(await ended(of)).toBe("SUCCEEDED");
    expect(resultOf(of, "m.0")).toEqual({ item, kept: { $item: "" } });
  });

  it("305 fails with its tasks, whatever it says of its parents", async () => {
    for (const policy of ["continue", "skip"] as const) {
      const of = world();
      await runOf(of, [node("a"), mapOf([1], { ends: "failed" }, policy)]);
      expect(await ended(of)).toBe("FAILED");
      expect(statesOf(of, ID)).toEqual(["a SUCCEEDED", "m FAILED parent-failed", "m.0 FAILED handler-error"]);
    }
  });
});

it("302 a node's time to begin counts from its release", async () => {
  const of = world();
  await runOf(of, [node("a", [], taskOf({ ms: 5_000 })), node("b", [0], taskOf({}, { ttlMs: 1_000, queue: A }))]);
  expect(await ended(of)).toBe("SUCCEEDED");
});

it("312 a signal that nobody waits for any more is told so", async () => {
  const of = world();
  const brief = signal("s", 1_000);
  await runOf(of, [brief, node("slow", [], taskOf({ ms: 30_000 }))]);
  await later(of, 5_000);
  expect(await of.ask(of.run(ID).signal({ v: 1, name: "go", payload: "1" }))).toMatchObject({ code: "signal-unknown" });
});

describe("329 a run that may take so long", () => {
  const timeoutMs = 5_000;
  const waits = signal("s");

  it("329 is stopped then, whatever it waits for, and has FAILED; a retry begins its time anew", async () => {
    const of = world();
    of.change(B, { draining: true });
    const nodes = [node("a"), node("b", [], inB()), waits, node("c", [0], taskOf({}, { delayMs: 3_600_000 }))];
    await runOf(of, nodes, { timeoutMs, onFinish: { task: taskOf(), on: ["FAILED"] } });
    const startedAt = of.now;
    expect(await ended(of)).toBe("FAILED");
    expect(of.head(ID)?.head).toMatchObject({ stop: "timeout", finishTask: expect.any(String) as string });
    expect((of.head(ID)?.head.endedAt ?? 0) - startedAt).toBeLessThan(timeoutMs + 1_000);
    const cancelled = ["b CANCELLED cancelled", "s CANCELLED cancelled", "c CANCELLED cancelled"];
    expect(statesOf(of, ID)).toEqual(["a SUCCEEDED", ...cancelled]);
    expect(of.head(ID)?.nodes[1]?.message).toBe("the run's time was over");
    expect(await of.ask(of.run(ID).cancel({ v: 1 }))).toMatchObject({ code: "workflow-finished" });
    const retriedAt = of.now;
    const retried = await of.ask(of.run(ID).retry({ v: 1, keys: null }));
    expect(retried).toMatchObject({ run: { status: "RUNNING", stop: null } });
    expect((of.head(ID)?.head.timeoutAt ?? 0) - retriedAt).toBeGreaterThanOrEqual(timeoutMs);
    expect(await ended(of)).toBe("FAILED");
  });

  it("329 is not stopped while it is undone, or while it tells of its end", async () => {
    const slow = { ...node("a"), compensate: taskOf({ ms: 20_000 }) };
    const of = world();
    await runOf(of, [slow, node("b", [0], taskOf({ ends: "failed" }))], { timeoutMs });
    expect(await ended(of)).toBe("FAILED");
    expect(of.head(ID)?.head).toMatchObject({ stop: null, compensation: "done" });
    const other = world();
    other.change(B, { draining: true });
    await runOf(other, [node("a")], { timeoutMs, onFinish: { task: inB(), on: null } });
    await later(other, MINUTE);
    expect(other.head(ID)?.head).toMatchObject({ status: "RUNNING", stop: null });
    other.change(B, { draining: false });
    expect(await ended(other)).toBe("SUCCEEDED");
  });
});

describe("316 a run tells why it does not go on", () => {
  const heldBy = async (of: WorkflowWorld, id = ID) => {
    const answer = await of.ask(of.run(id).read({ v: 1, nodes: true }));
    if (!answer.ok) throw new Error(answer.detail);
    return [answer.run.heldBy, ...(answer.nodes ?? []).map((one) => one.heldBy)];
  };

  it("316 where nobody takes the word of its end, over a loss of memory too, and no longer than that is so", async () => {
    const of = world();
    of.change(B, { draining: true });
    await runOf(of, [node("a")], { onFinish: { task: inB(), on: null } });
    await later(of, 30_000);
    expect(of.head(ID)?.head.status).toBe("RUNNING");
    expect(await heldBy(of)).toEqual([expect.stringMatching(/^onFinish: draining: /), null]);
    of.runs.get(ID)?.evict();
    expect(await heldBy(of)).toEqual([expect.stringMatching(/^onFinish: draining: /), null]);
    of.change(B, { draining: false });
    expect(await ended(of)).toBe("SUCCEEDED");
    expect(await heldBy(of)).toEqual([null, null]);
    await later(of, MINUTE);
    expect(of.runs.get(ID)?.gate.all("SELECT * FROM held")).toEqual([]);
  });

  it("316 where a node has no room", async () => {
    const of = world();
    of.change(B, { draining: true });
    await runOf(of, [node("a"), node("b", [0], inB())]);
    await later(of, 30_000);
    const why = /^draining: /;
    expect(await heldBy(of)).toEqual([expect.stringMatching(/^b: draining: /), null, expect.stringMatching(why)]);
    of.change(B, { draining: false });
    expect(await ended(of)).toBe("SUCCEEDED");
  });
});

it("304 a payload that does not fit its type once it is filled in is told in sentences, with its place", async () => {
  const of = world({ paused: true });
  const result = (at: string) => ({ ...taskOf({}, { refers: true }), payload: JSON.stringify({ $result: at }) });
  await runOf(of, [
    node("a", [], taskOf({ result: { n: 7 } })),
    node("b", [0], result("a/n")),
    node("c", [0], result("a")),
  ]);
  const ports = of.runs.get(ID)?.instance.ports;
  if (!ports) throw new Error("the run is not there");
  const type = { ...declaredType("step"), payload: z.strictObject({ n: z.string() }) };
  Object.assign(ports, { taskType: () => type });
  of.change(A, { paused: false });
  expect(await ended(of)).toBe("FAILED");
  expect(of.head(ID)?.nodes.map(({ message }) => message)).toEqual([
    null,
    expect.stringMatching(/shows its schema\. It must be an object\.$/),
    expect.stringMatching(/shows its schema\. \/n: must be a string\.$/),
  ]);
});
