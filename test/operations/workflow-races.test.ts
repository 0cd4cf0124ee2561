/** What comes while a run waits for an answer: it has its effect, and the answer has none that is out of date. */
import { expect, it } from "vitest";
import type { QueueName, TaskId } from "../../core/ids.ts";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import type { NodeEnd } from "../../core/schema/workflow-rpc.ts";
import { ended } from "../../durable-objects/workflow-run/asked/ended.ts";
import { retry } from "../../durable-objects/workflow-run/asked/retry.ts";
import { taskIdOf } from "../../durable-objects/workflow-run/task-place.ts";
import { definition, hasEnded, idOf, node, statesOf, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const MINUTE = 60_000;
const A = "a" as QueueName;
const B = "b" as QueueName;
type Nodes = Parameters<typeof definition>[0];

async function runOf(nodes: Nodes): Promise<WorkflowWorld> {
  const world = new WorkflowWorld(1, NO_FAULTS);
  await world.create(ID, { definition: definition(nodes), fingerprint: null });
  return world;
}

/** The first time that the run asks a shard so, this happens: after the shard has answered and before the run has heard. */
function meanwhile(
  world: WorkflowWorld,
  method: keyof ShardRpc,
  happens: () => Promise<void>,
  fate: "answered" | "answer lost" | "question lost" = "answered",
): () => boolean {
  const run = world.runs.get(ID)?.instance;
  if (!run) throw new Error("the run is not there");
  const { shard } = run.ports;
  let isDone = false;
  Object.assign(run.ports, {
    shard: (address: Parameters<typeof shard>[0]) =>
      new Proxy(shard(address), {
        get: (stub, name, receiver) => {
          const call: unknown = Reflect.get(stub, name, receiver);
          if (name !== method || typeof call !== "function" || isDone) return call;
          return async (request: unknown) => {
            isDone = true;
            const answer: unknown = fate === "question lost" ? null : await call(request);
            await happens();
            if (fate !== "answered") throw new Error(`simulated: ${fate}`);
            return answer;
          };
        },
      }),
  });
  return () => isDone;
}

const cancel = (world: WorkflowWorld) => async () => void (await world.run(ID).cancel({ v: 1 }));
const tell = (world: WorkflowWorld, end: Omit<NodeEnd, "endedAt" | "result">) => async () =>
  void (await world.run(ID).ended({ v: 1, ends: [{ ...end, endedAt: world.now, result: null }] }));
const ofShard = (seq: string) => `a.0.${seq}` as TaskId;
const end = async (world: WorkflowWorld) => {
  expect(await world.until(hasEnded(world, ID), 10 * MINUTE)).toBe(true);
  return statesOf(world, ID);
};
const isHandedOut = (world: WorkflowWorld, i: number) =>
  world.worker.runs.some((run) => {
    const one = world.head(ID)?.nodes[i];
    return one?.at && "seq" in one.task && run === `${one.at.queue}.${one.at.shard}.${one.task.seq}`;
  });

it("314 a cancellation while a node is released ends its task, which would wait for ever", async () => {
  const world = await runOf([node("a"), node("b", [0], taskOf({}, { queue: B }))]);
  world.change(B, { paused: true });
  const wasReached = meanwhile(world, "release", cancel(world));
  expect(await end(world)).toEqual(["a SUCCEEDED", "b CANCELLED cancelled"]);
  expect(wasReached()).toBe(true);
});

it("314 a cancellation while a node's payload is read leaves it unrun", async () => {
  const long = taskOf({ result: { long: "x".repeat(70_000) } });
  const uses = (pointer: string) => ({
    ...taskOf({}, { refers: true, queue: B }),
    payload: JSON.stringify({ ends: "succeeded", ms: 1, result: { $result: `a/${pointer}` } }),
  });
  for (const pointer of ["long", "nothing"]) {
    const world = await runOf([node("a", [], long), node("b", [0], uses(pointer))]);
    const wasReached = meanwhile(world, "read", cancel(world));
    expect(await end(world)).toEqual(["a SUCCEEDED", "b CANCELLED cancelled"]);
    expect([wasReached(), isHandedOut(world, 1)]).toEqual([true, false]);
  }
});

it("308 the end of an earlier task, told again while the next one is submitted, is no end of that", async () => {
  const world = await runOf([node("a", [], taskOf({ ends: "failed" })), node("b", [], taskOf({ ms: 20_000 }))]);
  await world.until(() => world.head(ID)?.nodes[0]?.state === "FAILED", MINUTE);
  const [first] = world.head(ID)?.nodes ?? [];
  const task = first && taskIdOf(first);
  if (!task) throw new Error("it had a task");
  const error = { code: "cancelled", message: "an old one" } as const;
  const wasReached = meanwhile(world, "submit", tell(world, { node: "a", task, status: "CANCELLED", error }));
  await world.ask(world.run(ID).retry({ v: 1, keys: null }));
  expect(await end(world)).toEqual(["a FAILED handler-error", "b SUCCEEDED"]);
  expect([wasReached(), world.worker.runs.length]).toEqual([true, 3]);
});

it("308 the end of a task that a node has not is no end of it, while it has none yet", async () => {
  const world = await runOf([node("a", [], taskOf({ ends: "failed" })), node("b", [0])]);
  expect(await end(world)).toEqual(["a FAILED handler-error", "b FAILED parent-failed"]);
  world.change(A, { draining: true });
  await world.ask(world.run(ID).retry({ v: 1, keys: null }));
  await world.until(() => world.head(ID)?.nodes[0]?.task.is === "sent", MINUTE);
  expect(world.head(ID)?.nodes[1]?.task.is).toBe("nowhere");
  const nobody = { node: "b", task: ofShard("06uv7cp0800"), status: "SUCCEEDED", error: null } as const;
  await world.ask(world.run(ID).ended({ v: 1, ends: [{ ...nobody, endedAt: world.now, result: null }] }));
  expect(statesOf(world, ID)).toEqual(["a ready", "b waiting"]);
});

it("311 a redriven task's success is no retry of a node whose own task is still to end, which would wait for ever", async () => {
  const uses = { ...taskOf({}, { refers: true }), payload: JSON.stringify({ $result: "a/nothing" }) };
  const world = await runOf([node("a"), node("b", [0], uses)]);
  const other = tell(world, { node: "b", task: ofShard("06uv7cp0800"), status: "SUCCEEDED", error: null });
  const wasReached = meanwhile(world, "endNodes", other, "question lost");
  expect(await end(world)).toEqual(["a SUCCEEDED", "b FAILED payload-invalid"]);
  expect([wasReached(), world.shards.get("default:a:0")?.instance.memory.blocked]).toEqual([true, 0]);
});

it("315 a task that was looked for and is lost is no end of the one that the node has since", async () => {
  const world = await runOf([node("a", [], taskOf({}, { delayMs: 3_600_000 }))]);
  await world.until(() => world.head(ID)?.nodes[0]?.task.is === "released", MINUTE);
  const [first] = world.head(ID)?.nodes ?? [];
  const task = first && taskIdOf(first);
  if (!task) throw new Error("it has a task");
  const error = { code: "cancelled", message: "its queue was deleted" } as const;
  const run = world.runs.get(ID)?.instance;
  if (!run) throw new Error("the run is not there");
  const { shard } = run.ports;
  let isAsked = false;
  Object.assign(run.ports, {
    shard: (address: Parameters<typeof shard>[0]) => {
      if (!isAsked && run.lookedAt > 0) {
        isAsked = true;
        const end = { node: "a", task, status: "CANCELLED", error, endedAt: world.now, result: null } as const;
        expect(ended(run, { v: 1, ends: [end] })).toMatchObject({ ok: true });
        expect(retry(run, { v: 1, keys: null })).toMatchObject({ ok: true });
      }
      return shard(address);
    },
  });
  world.remake(A);
  expect(await world.until(() => isAsked, 10 * MINUTE)).toBe(true);
  expect(await world.until(hasEnded(world, ID), 180 * MINUTE)).toBe(true);
  expect(statesOf(world, ID)).toEqual(["a SUCCEEDED"]);
});

it.each(["answered", "answer lost"] as const)(
  "308 a task that was made of a node which has another by now ends, and does not wait for ever (%s)",
  async (fate) => {
    const world = await runOf([node("a", [], taskOf({}, { queue: B }))]);
    world.change(B, { paused: true });
    const other = { node: "a", task: "b.0.06uv7cp0800" as TaskId, status: "SUCCEEDED", error: null } as const;
    const wasReached = meanwhile(world, "submit", tell(world, other), fate);
    expect(await end(world)).toEqual(["a SUCCEEDED"]);
    const shard = world.shards.get("default:b:0")?.instance;
    expect(shard?.sql.all("SELECT seq FROM task WHERE status IN ('QUEUED', 'BLOCKED', 'RUNNING')")).toEqual([]);
    expect(wasReached()).toBe(true);
  },
);

it("311 a task that was to end when its node was taken up again ends, and does not wait for ever", async () => {
  const world = await runOf([node("a", [], taskOf({ ends: "failed" })), node("b", [0])]);
  const other = { node: "a", task: ofShard("06uv7cp0800"), status: "SUCCEEDED", error: null } as const;
  const wasReached = meanwhile(world, "endNodes", tell(world, other), "question lost");
  expect(await end(world)).toEqual(["a SUCCEEDED", "b SUCCEEDED"]);
  const shard = world.shards.get("default:a:0")?.instance;
  expect([wasReached(), shard?.memory.blocked, world.worker.runs.length]).toEqual([true, 0, 2]);
  expect(world.runs.get(ID)?.gate.all("SELECT * FROM stray")).toEqual([]);
});

it("311 a run that is being stopped is taken up again when it has ended, not before", async () => {
  const world = await runOf([
    node("a", [], taskOf({ ends: "failed" })),
    node("b", [], taskOf({ ms: 20_000 }, { queue: B })),
  ]);
  await world.until(() => world.head(ID)?.nodes[0]?.state === "FAILED", MINUTE);
  meanwhile(world, "endNodes", async () => {}, "question lost");
  await world.ask(world.run(ID).cancel({ v: 1 }));
  expect(await world.ask(world.run(ID).retry({ v: 1, keys: null }))).toMatchObject({ code: "workflow-running" });
  await end(world);
  expect(await world.ask(world.run(ID).retry({ v: 1, keys: null }))).toMatchObject({ ok: true });
});

it("311 314 a redriven dead letter takes no run up that is being stopped", async () => {
  const world = await runOf([
    node("a", [], taskOf({ ends: "failed" })),
    node("b", [], taskOf({ ms: 20_000 }, { queue: B })),
    node("c", [0]),
  ]);
  await world.until(() => world.head(ID)?.nodes[0]?.state === "FAILED", MINUTE);
  meanwhile(world, "endNodes", async () => {}, "question lost");
  await world.ask(world.run(ID).cancel({ v: 1 }));
  const redriven = { node: "a", task: ofShard("06uv7cp0800"), status: "SUCCEEDED", error: null } as const;
  await world.ask(tell(world, redriven)());
  expect((await end(world)).slice(0, 1)).toEqual(["a FAILED handler-error"]);
  expect(world.head(ID)?.head).toMatchObject({ status: "CANCELLED", stop: "cancelled", retries: 0 });
  expect(isHandedOut(world, 2)).toBe(false);
});

it("311 320 nor one of which a node lost its data, that would run again with it", async () => {
  const world = await runOf([node("a", [], taskOf({ ends: "failed" })), node("b", [0])]);
  await end(world);
  const second = world.head(ID)?.nodes[1];
  const task = second && taskIdOf(second);
  if (!task) throw new Error("b had a task");
  await world.ask(world.run(ID).eraseNode({ v: 1, key: "b", task }));
  await world.ask(tell(world, { node: "a", task: ofShard("06uv7cp0800"), status: "SUCCEEDED", error: null })());
  expect(statesOf(world, ID)).toEqual(["a FAILED handler-error", "b FAILED parent-failed"]);
  expect(world.head(ID)?.head.status).toBe("FAILED");
});

it("310 an end that is told is the run's, though somebody cancels it meanwhile", async () => {
  const world = new WorkflowWorld(1, NO_FAULTS);
  const undone = { ...node("a"), compensate: taskOf() };
  const finish = { task: taskOf({}, { queue: B }), on: null };
  const request = { definition: definition([undone], { onFinish: finish }), fingerprint: null };
  await world.create(ID, request);
  await world.until(() => world.head(ID)?.nodes[0]?.task.is === "released", MINUTE);
  const wasReached = meanwhile(world, "submit", cancel(world));
  expect(await end(world)).toEqual(["a SUCCEEDED"]);
  const { status, compensation, finishTask, finishProblem } = world.head(ID)?.head ?? {};
  expect([wasReached(), status, compensation, finishProblem]).toEqual([true, "SUCCEEDED", "none", null]);
  expect(finishTask).toMatch(/^b\./);
});

it("310 314 a run that can't tell of its end ends without, once it is cancelled", async () => {
  const world = new WorkflowWorld(1, NO_FAULTS);
  world.change(B, { draining: true });
  const finish = { task: taskOf({}, { queue: B }), on: null };
  await world.create(ID, { definition: definition([node("a")], { onFinish: finish }), fingerprint: null });
  await world.until(() => world.head(ID)?.head.decided === "SUCCEEDED", MINUTE);
  await world.ask(world.run(ID).cancel({ v: 1 }));
  expect(await end(world)).toEqual(["a SUCCEEDED"]);
  expect(world.head(ID)?.head).toMatchObject({
    status: "SUCCEEDED",
    finishTask: null,
    finishProblem: "the run was cancelled before it could be submitted",
  });
});

it("310 a compensation whose dead letter is redriven and succeeds has undone it", async () => {
  const world = await runOf([
    { ...node("a"), compensate: taskOf({ ends: "failed" }) },
    node("b", [0], taskOf({ ends: "failed" })),
  ]);
  await end(world);
  expect(world.head(ID)?.head).toMatchObject({ status: "FAILED", compensation: "failed" });
  await world.ask(
    tell(world, { node: "compensate:a", task: ofShard("06uv7cp0800"), status: "SUCCEEDED", error: null })(),
  );
  expect(world.head(ID)?.head).toMatchObject({ status: "FAILED", compensation: "done", retries: 0 });
  expect(statesOf(world, ID)[2]).toBe("compensate:a SUCCEEDED");
});

it("315 a run that is taken up again after days asks for its tasks as a new one does", async () => {
  const world = await runOf([node("a", [], taskOf({ ends: "failed" }))]);
  await end(world);
  await world.until(() => false, 3 * 24 * 60 * MINUTE);
  world.change(A, { paused: true });
  await world.ask(world.run(ID).retry({ v: 1, keys: null }));
  await world.until(() => world.head(ID)?.nodes[0]?.task.is === "released", MINUTE);
  world.remake(A);
  expect(await world.until(hasEnded(world, ID), 5 * MINUTE)).toBe(true);
  expect(statesOf(world, ID)).toEqual(["a FAILED task-lost"]);
});
