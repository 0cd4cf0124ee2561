/** Many tasks and a queue over one WebSocket, as a dashboard watches them, and what a stop and a SIGKILL do to it. */
import { expect, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { Effects } from "../support/node/effects.ts";
import { FeedSocket } from "../support/node/feed-socket.ts";
import { startFaulty } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

it("E19 289 290 a thousand tasks of two queues are told from where they stand to their ends, and a queue's depth on its way", async () => {
  await using service = await startFaulty();
  await using effects = await Effects.start();
  const client = new Client(service.url);
  for (const queue of ["fed", "other"]) await client.putQueue(queue, { concurrency: 10 });
  effects.hold(20);
  const tasks = (queue: string) =>
    client.submitAll(Array.from({ length: 500 }, () => ({ type: "effect", payload: { url: effects.url }, queue })));
  const batches = [await tasks("fed"), await tasks("other")];
  const ids = batches.flatMap((batch) => batch.ids);
  await waitFor(() => effects.holding === 20, { what: "ten of each run" });

  const socket = await FeedSocket.open(service.url);
  socket.say({ subscribe: { ids, queue: "fed" } });
  await waitFor(() => socket.statuses.size === 1_000 && socket.depths.has("fed"), {
    what: "it is told how all stands",
  });
  const first = Array.from(socket.statuses.values(), ([status]) => status);
  expect(first.filter((status) => status === "RUNNING")).toHaveLength(20);
  expect(socket.depths.get("fed")).toEqual([500]);

  effects.release();
  const isOver = () => [...socket.statuses.values()].every((told) => told.at(-1) === "SUCCEEDED");
  await waitFor(isOver, { what: "each is told to have ended", timeoutMs: 60_000 });
  await waitFor(() => socket.depths.get("fed")?.at(-1) === 0, { what: "nothing of the queue is left" });
  for (const told of socket.statuses.values()) expect(told.filter((status) => status === "SUCCEEDED")).toHaveLength(1);
  expect(socket.errors).toEqual([]);
  await socket.close();
});

it("290 a client whose socket a SIGKILL took comes again and hears how all stands; a stop waits for no socket", async () => {
  await using service = await startFaulty();
  const client = new Client(service.url);
  const id = await client.submit({ type: "echo", payload: 1, delaySeconds: 3_600 });
  const before = await FeedSocket.open(service.url);
  before.say({ subscribe: { ids: [id] } });
  await waitFor(() => before.statuses.get(id)?.[0] === "SCHEDULED", { what: "it is told" });
  await service.kill();
  await waitFor(() => before.isClosed, { what: "its socket is gone" });
  await service.restart();

  const after = await FeedSocket.open(service.url);
  after.say({ subscribe: { ids: [id], queue: "default" } });
  await waitFor(() => after.statuses.has(id) && after.depths.has("default"), { what: "it is told again" });
  await client.expect(200, "POST", `/tasks/submissions/${id}/run-now`);
  await waitFor(() => after.statuses.get(id)?.at(-1) === "SUCCEEDED", { what: "it is told the end" });
  expect(await service.stop()).toBe(0);
  // Not the 2 s after which a runtime is ended whatever it does.
  expect(Number(/^Stopped after (\d+) ms\.$/.exec(service.logs.err.at(-1) ?? "")?.[1])).toBeLessThan(2_000);
  await waitFor(() => after.isClosed, { what: "its socket is gone" });
});
