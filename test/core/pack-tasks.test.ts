import { expect, it } from "vitest";
import { packTasks, unpackTasks } from "../../core/pack-tasks.ts";
import type { NewTask } from "../../core/schema/rpc.ts";

const task = (payload: number, more: Partial<NewTask> = {}): NewTask => ({
  type: "echo",
  version: 1,
  priority: 5,
  payload: String(payload),
  runAt: null,
  options: null,
  ...more,
});

it("neighbours that differ in their payload alone are one run, in order", () => {
  const tasks = Array.from({ length: 100 }, (_, i) => task(i));
  const packed = packTasks(tasks);
  expect(packed).toEqual([
    { type: "echo", version: 1, priority: 5, runAt: null, options: null, payloads: tasks.map((one) => one.payload) },
  ]);
  expect(unpackTasks(packed)).toEqual(tasks);
});

it("what differs in anything else, or has a key, is kept apart and comes back in order", () => {
  const dedup = { key: "k", ttlMs: 1 };
  const tasks = [
    task(0),
    task(1),
    task(2, { priority: 9 }),
    task(3, { priority: 9 }),
    task(4, { runAt: 1 }),
    task(5, { options: "{}" }),
    task(6, { options: "{}", version: 2 }),
    task(7, { type: "sleep" }),
    task(8, { dedup }),
    task(9, { dedup }),
    task(10),
    task(11, { limitKey: "a" }),
    task(12, { limitKey: "a" }),
    task(13, { limitKey: "b" }),
    task(14, { limitKey: "b", fairnessKey: "a" }),
    task(15, { expiresAt: 1 }),
    task(16, { expiresAt: 1 }),
    task(17, { expiresAt: 2 }),
  ];
  const packed = packTasks(tasks);
  expect(packed).toHaveLength(14);
  expect(unpackTasks(packed)).toEqual(tasks);
});

it("nothing is nothing", () => {
  expect(packTasks([])).toEqual([]);
  expect(unpackTasks([])).toEqual([]);
});
