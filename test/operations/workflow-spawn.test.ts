/** What handlers spawn becomes part of the run, as its shards and the run's object have it. */
import { describe, expect, it } from "vitest";
import type { NodeDefinition } from "../../core/schema/workflow-rpc.ts";
import { definition, hasEnded, idOf, node, statesOf, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const MINUTE = 60_000;

async function finished(...nodes: NodeDefinition[]): Promise<WorkflowWorld> {
  const world = new WorkflowWorld(1, NO_FAULTS);
  await world.create(ID, { definition: definition(nodes), fingerprint: null });
  await world.until(hasEnded(world, ID), 10 * MINUTE);
  return world;
}
async function resultOf(world: WorkflowWorld, key: string): Promise<unknown> {
  const answer = await world.ask(world.run(ID).readNode({ v: 1, key }));
  return answer.ok && answer.result !== null ? JSON.parse(answer.result) : answer;
}
const child = (key: string, more: object = {}) => ({
  key,
  type: "step",
  payload: { ends: "succeeded", ms: 500, result: "SPAWNED" },
  ...more,
});
const spawns = (...tasks: object[]) => ({ spawned: JSON.stringify(tasks) });
const join = (key: string, of: "list" | "object" | "only", parents: number[]): NodeDefinition => ({
  key,
  kind: "join",
  parents,
  onParentFailure: "fail",
  of,
});

describe("what is spawned within is waited for, and no part of the result", () => {
  it("305 of a map", async () => {
    const payload = { ends: "succeeded", ms: 5, result: { $item: "" }, ...spawns(child("x")) };
    const world = await finished({
      key: "m",
      kind: "map",
      parents: [],
      onParentFailure: "fail",
      over: "[1,2]",
      task: { ...taskOf({}, { refers: true }), payload: JSON.stringify(payload) },
    });
    expect(await resultOf(world, "m")).toEqual([1, 2]);
    const ends = world.head(ID)?.nodes.toSorted((a, b) => (a.endedNo ?? 0) - (b.endedNo ?? 0));
    expect(ends?.at(-1)?.key).toBe("m");
  });

  it("303 of a workflow within, where a node of it has the key that is spawned, and of a group", async () => {
    const within = [
      node("S.a", [], taskOf({ result: "A", ...spawns(child("x")) })),
      node("S.x", [], taskOf({ result: "X" })),
    ];
    const world = await finished(
      ...within,
      join("S", "object", [0, 1]),
      join("G", "list", [0, 1]),
      join("O", "only", [0]),
    );
    expect(await resultOf(world, "S")).toEqual({ a: "A", x: "X" });
    expect(await resultOf(world, "G")).toEqual(["A", "X"]);
    expect(await resultOf(world, "O")).toBe("A");
  });

  it("303 over several who spawn, and those who are spawned and spawn", async () => {
    const again = child("y", { payload: { ends: "succeeded", ms: 5, ...spawns(child("z")) } });
    const two = [
      node("a", [], taskOf({ result: 1, ...spawns(again) })),
      node("b", [], taskOf({ result: 2, ...spawns(child("x")) })),
    ];
    const world = await finished(...two, join("G", "list", [0, 1]));
    expect(await resultOf(world, "G")).toEqual([1, 2]);
    expect(world.head(ID)?.nodes[2]?.parents).toHaveLength(5);
  });
});

describe("319 what is spawned counts against what a run may have", () => {
  const spawner = (count: number) =>
    node("a", [], taskOf(spawns(...Array.from({ length: count }, (_, n) => child(`n${n}`)))));

  it("319 of dependencies, those of whoever waits for the spawner too", async () => {
    const waiters = Array.from({ length: 99 }, (_, n) => node(`w${n}`, [0]));
    const world = await finished(spawner(100), ...waiters, node("last", [0], taskOf({ ms: 1 }), "continue"));
    expect(world.head(ID)?.nodes).toHaveLength(101);
    expect(world.head(ID)?.nodes[0]).toMatchObject({
      state: "FAILED",
      code: "workflow-too-large",
      message: "it spawned 100 tasks, and with them the run has more than 10000 dependencies",
    });
    expect(statesOf(world, ID).slice(-2)).toEqual(["w98 FAILED parent-failed", "last SUCCEEDED"]);
  });

  it("319 of bytes, and a map's dependencies do too", async () => {
    const world = new WorkflowWorld(1, NO_FAULTS);
    await world.create(ID, { definition: definition([spawner(1)]), fingerprint: null });
    const memory = world.head(ID);
    if (memory) memory.bytes = 50 * 1024 * 1024 - 10;
    await world.until(hasEnded(world, ID), 10 * MINUTE);
    expect(statesOf(world, ID)).toEqual(["a FAILED workflow-too-large"]);
    const dense = Array.from({ length: 140 }, (_, n) =>
      node(
        `d${n}`,
        Array.from({ length: n }, (_, parent) => parent),
      ),
    );
    const map: NodeDefinition = {
      key: "m",
      kind: "map",
      parents: [0],
      onParentFailure: "fail",
      over: "",
      task: taskOf(),
    };
    const of = async (items: number) => {
      const run = await finished(...dense, { ...map, over: JSON.stringify(Array(items).fill(1)) });
      return statesOf(run, ID).find((state) => state.startsWith("m "));
    };
    expect(await of(270)).toBe("m SUCCEEDED");
    expect(await of(272)).toBe("m FAILED workflow-too-large");
  });
});

describe("313 what nobody knows, or what is no task", () => {
  it("313 a type or a queue that is not there ends that node alone, and with it who waits for it", async () => {
    const world = new WorkflowWorld(1, NO_FAULTS);
    const nobody = [child("t", { type: "nobody" }), child("q", { queue: "nowhere" }), child("x")];
    const nodes = [node("a", [], taskOf(spawns(...nobody, child("y", { dependsOn: ["t"] })))), node("b", [0])];
    await world.create(ID, { definition: definition(nodes), fingerprint: null });
    const known = world.runs.get(ID)?.instance.known;
    if (!known) throw new Error("there is no run");
    const route = known.route.bind(known);
    known.route = async (type, handled, deadline) => ({
      ...(await route(type, handled, deadline)),
      declared: type === "step",
    });
    await world.until(hasEnded(world, ID), 10 * MINUTE);
    expect(statesOf(world, ID)).toEqual([
      "a SUCCEEDED",
      "b FAILED parent-failed",
      "a.t FAILED payload-invalid",
      "a.q FAILED task-lost",
      "a.x SUCCEEDED",
      "a.y FAILED parent-failed",
    ]);
    expect(world.head(ID)?.nodes[2]?.message).toBe("nobody knows the type nobody");
  });

  it("308 what another deployment's worker let through ends its spawner, and holds nothing", async () => {
    const world = await finished(
      node("a", [], taskOf(spawns(child("x"), child("y", { priority: "urgent" })))),
      node("b", [], taskOf(spawns(child("x", { dependsOn: "y" })))),
      node("c"),
    );
    expect(statesOf(world, ID)).toEqual(["a FAILED payload-invalid", "b FAILED payload-invalid", "c SUCCEEDED"]);
    expect(world.head(ID)?.nodes[0]?.message).toMatch(/^what it spawned is no list of tasks: \/1\/priority must be/);
  });

  it("313 what a spawned node says of its task is kept, and its payload is data", async () => {
    const more = { priority: "critical", delaySeconds: 60, onParentFailure: "continue", dependsOn: ["f"] };
    const payload = { ends: "succeeded", ms: 1, result: { $result: "a" } };
    const failing = child("f", { payload: { ends: "failed", ms: 1 }, retry: { maxAttempts: 1 } });
    const world = await finished(node("a", [], taskOf(spawns(failing, child("x", { ...more, payload })))));
    expect(statesOf(world, ID)).toEqual(["a SUCCEEDED", "a.f FAILED handler-error", "a.x SUCCEEDED"]);
    expect(await resultOf(world, "a.x")).toEqual({ $result: "a" });
    const [, failed, last] = world.head(ID)?.nodes ?? [];
    expect((last?.endedAt ?? 0) - (failed?.endedAt ?? 0)).toBeGreaterThanOrEqual(60_000);
  });
});
