/** A session's end where its shard cannot be reached: given up in time, and said. */
import { expect, test } from "vitest";
import { z } from "zod";
import { composeRegistry } from "../../consumers/handlers/compose.ts";
import { defineHandler, type LogFields } from "../../consumers/handlers/define.ts";
import { runSession } from "../../consumers/session.ts";
import { SessionPlan } from "../../consumers/session-plan.ts";
import { DEFAULT_QUEUE, DEFAULT_TENANT, seqAt } from "../../core/ids.ts";
import type { ClaimedTask, CloseRequest } from "../../core/schema/session-rpc.ts";
import { HandClock } from "../support/node/hand-clock.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** One task, then the close, of which the first `lost` calls do not arrive. */
async function closing(lost: number) {
  const clock = new HandClock();
  const logs: { level: string; message: string; fields: LogFields }[] = [];
  const closes: CloseRequest[] = [];
  const handler = defineHandler({ type: "t", version: 1, payload: z.unknown(), run: () => "done" });
  const task: ClaimedTask = {
    seq: seqAt(clock.now()),
    type: "t",
    version: 1,
    payload: "{}",
    attempt: 1,
    timeoutMs: 60_000,
    started: true,
  };
  const terms = { session: 7, slots: 1, leaseMs: 45_000, lingerMs: 100 };
  const plan = new SessionPlan(terms, { tasks: [task], lost: [], cancel: [], stop: "finish" }, false, clock.now());
  let isOver = false;
  const ended = runSession(plan, {
    registry: composeRegistry([handler]),
    address: { tenant: DEFAULT_TENANT, queue: DEFAULT_QUEUE, shard: 0 },
    ports: clock,
    env: {},
    log: (level, message, fields) => logs.push({ level, message, fields: fields ?? {} }),
    onProgress: () => {},
    worker: "w",
    drainMs: 0,
    isWanted: async () => false,
    connect: () => ({
      advance: () => Promise.reject(new Error("no turn is needed")),
      close: async (request) => {
        closes.push(request);
        if (closes.length <= lost) throw new Error("the shard is away");
        return { v: 1, ok: true, lost: [] };
      },
    }),
  }).then(() => {
    isOver = true;
  });
  for (let round = 0; !isOver && round < 100; round++) {
    await turn();
    clock.advance(100);
  }
  expect(isOver).toBe(true);
  await ended;
  clock.advance(60_000);
  await turn();
  // A timer that rings meanwhile or afterwards ends it neither early nor twice.
  expect(logs.filter(({ message }) => message === "session")).toHaveLength(1);
  return { closes, given: logs.filter(({ message }) => message === "close-given-up") };
}

test("a close that is lost six times is given up, and the log says how many outcomes went with it", async () => {
  const { closes, given } = await closing(6);
  expect(closes).toHaveLength(6);
  expect(given).toEqual([
    {
      level: "warn",
      message: "close-given-up",
      fields: {
        object: "default:default:0",
        session: 7,
        outcomes: 1,
        error: "Error: the shard is away",
      },
    },
  ]);
});

test("a close that arrives at the sixth try is no loss", async () => {
  const { closes, given } = await closing(5);
  expect(closes).toHaveLength(6);
  expect(given).toEqual([]);
});
