/** Runs of workflows with everything that they ask: shards and runs on node:sqlite, nothing lost and nobody killed. */
import { describe, expect, it } from "vitest";
import type { NodeDefinition } from "../../core/schema/workflow-rpc.ts";
import { definition, hasEnded, idOf, node, statesOf, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const MINUTE = 60_000;

async function runOf(
  nodes: readonly NodeDefinition[],
  more: Parameters<typeof definition>[1] = {},
): Promise<WorkflowWorld> {
  const world = new WorkflowWorld(1, NO_FAULTS);
  await world.create(ID, { definition: definition(nodes, more), fingerprint: null });
  return world;
}
async function ended(world: WorkflowWorld): Promise<string | undefined> {
  await world.until(hasEnded(world, ID), 10 * MINUTE);
  return world.head(ID)?.head.status;
}

describe("308 a run", () => {
  it("308 runs each node once, after those that it waits for, over the shards of several queues", async () => {
    const at = (queue: string, shard: number) => taskOf({}, { queue: queue as never, shard });
    const world = await runOf([
      node("a", [], at("a", 0)),
      node("b", [0], at("b", 1)),
      node("c", [0], at("a", 1)),
      node("d", [1, 2], at("a", 0)),
    ]);
    expect(await ended(world)).toBe("SUCCEEDED");
    expect(statesOf(world, ID)).toEqual(["a SUCCEEDED", "b SUCCEEDED", "c SUCCEEDED", "d SUCCEEDED"]);
    expect(world.worker.runs).toHaveLength(4);
    expect(
      world
        .head(ID)
        ?.nodes.map(({ endedNo }) => endedNo)
        .toSorted(),
    ).toEqual([1, 2, 3, 4]);
    expect(world.history.rows("SELECT status, nodes FROM workflow")).toEqual([{ status: "SUCCEEDED", nodes: 4 }]);
  });

  it("304 fills a parent's result into a payload, and leaves what is literal", async () => {
    const payload = {
      ends: "succeeded",
      ms: 1,
      result: { got: { $result: "a/x/1" }, kept: { $literal: { $result: "a" } } },
    };
    const uses = { ...taskOf({}, { refers: true }), payload: JSON.stringify(payload) };
    const world = await runOf([node("a", [], taskOf({ result: { x: [1, { y: 2 }] } })), node("b", [0], uses)]);
    expect(await ended(world)).toBe("SUCCEEDED");
    const rows = world.runs.get(ID)?.gate.all<{ result: string }>("SELECT result FROM node WHERE key = 'b'");
    expect(JSON.parse(rows?.[0]?.result ?? "")).toEqual({ got: { y: 2 }, kept: { $result: "a" } });
  });

  it("304 what is not there fails the node, and what waits for it", async () => {
    const uses = { ...taskOf({}, { refers: true }), payload: JSON.stringify({ $result: "a/nothing" }) };
    const world = await runOf([node("a"), node("b", [0], uses), node("c", [1])]);
    expect(await ended(world)).toBe("FAILED");
    expect(statesOf(world, ID)).toEqual(["a SUCCEEDED", "b FAILED payload-invalid", "c FAILED parent-failed"]);
    expect(world.head(ID)?.nodes[1]?.message).toBe("there is nothing at a/nothing");
  });

  it("309 a result over 64 KiB does not ride with the word of its end, and is read when it is needed", async () => {
    const uses = {
      ...taskOf({}, { refers: true }),
      payload: JSON.stringify({ ends: "succeeded", ms: 1, result: { $result: "a/long" } }),
    };
    const world = await runOf([node("a", [], taskOf({ result: { long: "x".repeat(70_000) } })), node("b", [0], uses)]);
    expect(await ended(world)).toBe("SUCCEEDED");
    const rows = world.runs.get(ID)?.gate.all<{ result: string | null }>("SELECT result FROM node ORDER BY i");
    expect(rows?.[0]?.result).toBeNull();
  });

  it("309 while it cannot be read the node waits, and goes on by itself", async () => {
    const uses = {
      ...taskOf({}, { refers: true }),
      payload: JSON.stringify({ ends: "succeeded", ms: 1, result: { $result: "a/long" } }),
    };
    const slow = node("slow", [], taskOf({ ms: 20_000 }, { queue: "b" as never }));
    const world = await runOf([
      node("a", [], taskOf({ result: { long: "x".repeat(70_000) } })),
      slow,
      node("b", [0, 1], uses),
    ]);
    await world.until(() => world.head(ID)?.nodes[0]?.state === "SUCCEEDED", MINUTE);
    await world.until(() => (world.shards.get("default:a:0")?.instance.memory.outbox.rows ?? 0) === 0, MINUTE);
    world.historyAwayUntil = world.now + 5 * MINUTE;
    await world.until(() => world.now > world.historyAwayUntil - MINUTE, 10 * MINUTE);
    expect(statesOf(world, ID)).toEqual(["a SUCCEEDED", "slow SUCCEEDED", "b ready"]);
    expect(await world.ask(world.run(ID).read({ v: 1, nodes: false }))).toMatchObject({
      run: { heldBy: expect.stringMatching(/^b: .*history/i) as string },
    });
    expect(await ended(world)).toBe("SUCCEEDED");
  });

  it("316 a node whose result is too large to be told whole says so, and tells its parts", async () => {
    const large = taskOf({ result: { long: "x".repeat(60_000) } });
    const many = Array.from({ length: 18 }, (_, i) => node(String(i), [], large));
    const all = many.map((_, i) => i);
    const join: NodeDefinition = { key: "all", kind: "join", parents: all, onParentFailure: "fail", of: "list" };
    const world = await runOf([...many, join]);
    expect(await ended(world)).toBe("SUCCEEDED");
    const read = (key: string) => world.ask(world.run(ID).readNode({ v: 1, key }));
    expect(await read("all")).toMatchObject({
      result: null,
      noResult: "the results of all are too large together: name one of them",
    });
    expect(await read("17")).toMatchObject({ result: expect.stringContaining("xxx") as string, noResult: null });
  });

  it("306 a failed node ends what waits for it, in its shard too", async () => {
    const world = await runOf([
      node("a", [], taskOf({ ends: "failed" })),
      node("b", [0]),
      node("c", [1], taskOf(), "continue"),
    ]);
    expect(await ended(world)).toBe("FAILED");
    expect(statesOf(world, ID)).toEqual(["a FAILED handler-error", "b FAILED parent-failed", "c SUCCEEDED"]);
    expect(world.shards.get("default:a:0")?.instance.memory.blocked).toBe(0);
  });

  it("312 a signal releases what waits for it, whenever it comes; without it its time ends the node", async () => {
    const waits = (key: string, signal: string, timeoutMs: number | null): NodeDefinition => ({
      key,
      kind: "signal",
      parents: [],
      onParentFailure: "fail",
      signal,
      timeoutMs,
    });
    const world = await runOf([
      waits("yes", "approval", null),
      waits("late", "never", MINUTE),
      node("b", [0]),
      node("c", [1]),
    ]);
    await world.until(() => world.now > Date.UTC(2026, 0, 1) + 5_000, MINUTE);
    expect(await world.ask(world.run(ID).signal({ v: 1, name: "approval", payload: '{"by":"me"}' }))).toMatchObject({
      ok: true,
    });
    expect(await world.ask(world.run(ID).signal({ v: 1, name: "approval", payload: "2" }))).toMatchObject({
      code: "signal-taken",
    });
    expect(await world.ask(world.run(ID).signal({ v: 1, name: "nobody", payload: "2" }))).toMatchObject({
      code: "signal-unknown",
    });
    expect(await ended(world)).toBe("FAILED");
    expect(statesOf(world, ID)).toEqual([
      "yes SUCCEEDED",
      "late FAILED signal-timeout",
      "b SUCCEEDED",
      "c FAILED parent-failed",
    ]);
  });

  it("305 a map runs its task for each item, and gives their results in order", async () => {
    const map: NodeDefinition = {
      key: "m",
      kind: "map",
      parents: [0],
      onParentFailure: "fail",
      over: JSON.stringify({ $result: "list" }),
      task: {
        ...taskOf({}, { refers: true }),
        payload: JSON.stringify({ ends: "succeeded", ms: 5, result: [{ $item: "/n" }, { $index: true }] }),
      },
    };
    const uses = {
      ...taskOf({}, { refers: true }),
      payload: JSON.stringify({ ends: "succeeded", ms: 1, result: { $result: "m" } }),
    };
    const world = await runOf([
      node("list", [], taskOf({ result: [{ n: 7 }, { n: 8 }] })),
      map,
      node("sum", [1], uses),
    ]);
    expect(await ended(world)).toBe("SUCCEEDED");
    expect(statesOf(world, ID)).toEqual([
      "list SUCCEEDED",
      "m SUCCEEDED",
      "sum SUCCEEDED",
      "m.0 SUCCEEDED",
      "m.1 SUCCEEDED",
    ]);
    const rows = world.runs.get(ID)?.gate.all<{ result: string }>("SELECT result FROM node WHERE key = 'sum'");
    expect(JSON.parse(rows?.[0]?.result ?? "")).toEqual([
      [7, 0],
      [8, 1],
    ]);
  });

  it("313 what a handler spawned runs before what waits for it", async () => {
    const spawned = JSON.stringify([
      { key: "x", type: "step", payload: { ends: "succeeded", ms: 500 } },
      { key: "y", type: "step", payload: { ends: "succeeded", ms: 5 }, dependsOn: ["x"] },
    ]);
    const world = await runOf([node("a", [], taskOf({ spawned })), node("b", [0])]);
    expect(await ended(world)).toBe("SUCCEEDED");
    const order = world.head(ID)?.nodes.toSorted((p, q) => (p.endedNo ?? 0) - (q.endedNo ?? 0));
    expect(order?.map(({ key }) => key)).toEqual(["a", "a.x", "a.y", "b"]);
  });

  it("310 what succeeded is undone where the run does not, the latest first, and then onFinish tells of it", async () => {
    const undo = (n: number) => taskOf({ result: n });
    const told = {
      ...taskOf({}, { refers: true }),
      payload: JSON.stringify({ ends: "succeeded", ms: 1, result: { $run: "status" } }),
    };
    const world = await runOf(
      [
        { ...node("a"), compensate: undo(1) },
        { ...node("b", [0]), compensate: undo(2) },
        node("c", [1], taskOf({ ends: "failed" })),
      ],
      { onFinish: { task: told, on: null } },
    );
    expect(await ended(world)).toBe("FAILED");
    expect(statesOf(world, ID).slice(3)).toEqual(["compensate:b SUCCEEDED", "compensate:a SUCCEEDED"]);
    const { nodes = [], head } = world.head(ID) ?? {};
    expect((nodes[3]?.endedNo ?? 0) < (nodes[4]?.endedNo ?? 0)).toBe(true);
    expect(head?.compensation).toBe("done");
    expect(head?.finishTask).toMatch(/^a\.0\./);
    await world.until(() => world.worker.runs.length === 6, MINUTE);
    expect(world.worker.runs).toHaveLength(6);
  });

  it("311 a retry of what failed takes along what ended because of it, and the run goes on", async () => {
    const world = await runOf([node("a"), node("b", [0], taskOf({ ends: "failed" })), node("c", [1])]);
    expect(await ended(world)).toBe("FAILED");
    expect(await world.ask(world.run(ID).retry({ v: 1, keys: ["a"] }))).toMatchObject({
      code: "node-not-failed",
      pointer: "/nodes/0",
    });
    expect(await world.ask(world.run(ID).retry({ v: 1, keys: null }))).toMatchObject({
      ok: true,
      run: { status: "RUNNING", retries: 1 },
    });
    expect(await ended(world)).toBe("FAILED");
    expect(world.worker.runs).toHaveLength(3);
    expect(world.head(ID)?.nodes[1]?.retried).toHaveLength(1);
    expect(world.head(ID)?.nodes[0]?.retried).toHaveLength(0);
  });

  it("314 a cancelled run asks what runs to stop and ends what waits", async () => {
    const world = await runOf([
      node("a", [], taskOf({ ms: 60_000 })),
      node("b", [0]),
      node("c", [], taskOf({}, { delayMs: 3_600_000 })),
    ]);
    await world.until(() => world.worker.runs.length === 1, MINUTE);
    expect(await world.ask(world.run(ID).cancel({ v: 1 }))).toMatchObject({ ok: true, run: { stop: "cancelled" } });
    expect(await ended(world)).toBe("CANCELLED");
    expect(statesOf(world, ID)).toEqual(["a CANCELLED cancelled", "b CANCELLED cancelled", "c CANCELLED cancelled"]);
  });
});
