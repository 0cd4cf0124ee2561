/** What a handler may spawn, and what it is told where it may not. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineHandler, type TaskContext } from "../../consumers/handlers/define.ts";
import { runId } from "../../core/ids.ts";
import { failureOf, taskBench } from "../support/node/task-bench.ts";

const RUN = runId(new TextEncoder().encode("run".padEnd(24, "x")));
const workflow = { run: RUN, node: "a" };
type Spawn = TaskContext["spawn"];

/** A handler of the type `t`, whose payload is a number, that spawns. */
async function outcomeOf(spawn: (spawn: Spawn) => void) {
  const run = (_: unknown, ctx: TaskContext) => spawn((task) => ctx.spawn(task));
  const bench = taskBench(defineHandler({ type: "t", version: 1, payload: z.number(), run }));
  return await bench.run(1, { workflow: { id: workflow.run, node: workflow.node } });
}
/** What it is told; the types of a handler in JavaScript hold nobody back. */
async function refusalOf(...tasks: unknown[]): Promise<string> {
  const failure = failureOf(
    await outcomeOf((spawn) => {
      for (const task of tasks) spawn(task as Parameters<Spawn>[0]);
    }),
  );
  expect(failure).toMatchObject({ code: "handler-error", retryable: false });
  return failure.message;
}
const child = (more: object = {}) => ({ key: "x", type: "t", payload: 1, ...more });

describe("313 what is spawned is a node's task", () => {
  test("313 with all that a node may say of its task, as it was when it was spawned", async () => {
    const payload = { at: new Date(0), list: [1] };
    const options = { priority: "high", retry: { maxAttempts: 2 }, delaySeconds: 3, limitKey: "k" } as const;
    const outcome = await outcomeOf((spawn) => {
      spawn({ key: "x", type: "elsewhere", payload, ...options });
      payload.list.push(2);
      spawn(child({ key: "y", dependsOn: ["x"], onParentFailure: "continue" }) as Parameters<Spawn>[0]);
    });
    expect(outcome.kind === "succeeded" && JSON.parse(outcome.spawned ?? "")).toEqual([
      { key: "x", type: "elsewhere", payload: { at: "1970-01-01T00:00:00.000Z", list: [1] }, ...options },
      { key: "y", type: "t", payload: 1, dependsOn: ["x"], onParentFailure: "continue" },
    ]);
  });

  test("313 what is wrong with it is said, with its place, and ends the task", async () => {
    const priority = "must be a whole number from 0 to 9 (most urgent), or low (2), normal (5), high (7), critical (9)";
    for (const one of ["urgent", -1.5, null])
      expect(await refusalOf(child({ priority: one }))).toBe(`spawn: x /priority ${priority}`);
    expect(await refusalOf(child({ priority: 42 }))).toBe("spawn: x /priority must be at most 9");
    expect(await refusalOf({ key: "x", type: "t" })).toBe("spawn: x /payload is required");
    expect(await refusalOf(child({ dependsOn: "y" }))).toMatch(/^spawn: x \/dependsOn must be a list/);
    expect(await refusalOf(child({ retries: 3 }))).toBe("spawn: x /retries is not a field that is read here");
    expect(await refusalOf(child({ compensate: child() }))).toMatch(/^spawn: x \/compensate is not a field/);
    expect(await refusalOf(child({ key: "a.b" }))).toMatch(/^spawn: \/key must be 1 to 64 letters/);
    expect(await refusalOf(child({ runAt: "2500-01-01T00:00:00Z" }))).toBe(
      "spawn: x /runAt is more than 365 days ahead",
    );
    expect(await refusalOf("x")).toMatch(/^spawn: what is spawned must be an object/);
    expect(await refusalOf(null)).toMatch(/^spawn: what is spawned must be an object/);
    expect(await refusalOf(child(), child())).toBe("spawn: the key x was spawned before");
    expect(await refusalOf(child({ dependsOn: ["y"] }))).toMatch(/^spawn: x depends on y/);
  });

  test("313 its payload is held to its type, and to what JSON keeps", async () => {
    expect(await refusalOf(child({ payload: "1" }))).toMatch(/^spawn: x \/payload must be a number/);
    expect(await refusalOf(child({ payload: 1n }))).toBe(
      "spawn: the payload of x is not JSON: a BigInt (return it as a string)",
    );
    expect(await refusalOf(child({ type: "elsewhere", payload: { a: new Map() } }))).toBe(
      "spawn: the payload of x at /a is not JSON: a Map",
    );
    expect(await refusalOf(child({ type: "elsewhere", payload: "x".repeat(300_000) }))).toBe(
      "spawn: x /payload is too large",
    );
  });

  test("313 a hundred an attempt, of 1 MiB together", async () => {
    const many = (count: number, payload: unknown) =>
      Array.from({ length: count }, (_, i) => child({ key: `n${i}`, type: "elsewhere", payload }));
    expect(await refusalOf(...many(101, 1))).toBe("spawn: an attempt spawns 100 tasks at most");
    expect(await refusalOf(...many(5, "x".repeat(250_000)))).toBe("spawn: all together is over 1048576 bytes of JSON");
  });
});
