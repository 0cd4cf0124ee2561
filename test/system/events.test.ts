/** A task's events as a client reads them: as they happen, from where it was, over a restart, until the end. */
import { expect, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { Effects } from "../support/node/effects.ts";
import { EventStream } from "../support/node/event-stream.ts";
import { startFaulty } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

it("288 a stream goes on with Last-Event-ID after a SIGKILL of the service, nothing lost and nothing doubled, and ends with the task", async () => {
  await using service = await startFaulty();
  await using effects = await Effects.start();
  const client = new Client(service.url);
  effects.hold(1);
  const id = await client.submit({ type: "report", payload: { url: effects.url, percent: 40, message: "of all" } });
  const url = `${service.url}/tasks/submissions/${id}/events`;
  const before = await EventStream.open(url);
  expect(await before.until("progress")).toBe(true);
  expect(before.events.at(-1)).toEqual({ event: "progress", data: { percent: 40, message: "of all" } });
  expect(before.retryMs).toBeGreaterThan(0);

  await service.kill();
  effects.forget();
  expect(await before.until("end")).toBe(false);
  await service.restart();
  const after = await EventStream.open(url, before.lastId);
  expect(await after.until("end")).toBe(true);
  expect(await after.until("never")).toBe(false);
  expect(before.statuses).toEqual(["QUEUED", "RUNNING"]);
  expect(after.statuses).toEqual(["RETRYING", "QUEUED", "RUNNING", "SUCCEEDED"]);
  expect(after.events.at(-1)).toMatchObject({ event: "end", data: { id, status: "SUCCEEDED" } });

  // The same from the beginning, once the task has gone to D1; and nothing to come again for.
  await client.settled("default");
  const whole = await EventStream.open(url);
  expect(await whole.until("end")).toBe(true);
  const { moves } = await client.expect<{ moves: unknown[] }>(200, "GET", `/tasks/submissions/${id}/timeline`);
  expect(whole.events.slice(0, -1).map(({ data }) => data)).toEqual(moves);
  expect(whole.statuses).toEqual([...before.statuses, ...after.statuses]);
  expect((await EventStream.open(url, after.lastId)).status).toBe(204);
});

it("288 a move is told as it happens; 197 a stop ends the streams at once, and they go on after it", async () => {
  await using service = await startFaulty({ DRAIN_SECONDS: "60" });
  const client = new Client(service.url);
  const id = await client.submit({ type: "echo", payload: 1, delaySeconds: 3_600 });
  const url = `${service.url}/tasks/submissions/${id}/events`;
  const [stream, gone] = [await EventStream.open(url), await EventStream.open(url)];
  expect([await stream.until("move"), await gone.until("move")]).toEqual([true, true]);
  await gone.leave();
  await client.expect(200, "PATCH", `/tasks/submissions/${id}`, { delaySeconds: 7_200 });
  expect(await stream.until("move")).toBe(true);

  expect(await service.stop()).toBe(0);
  expect(await stream.until("end")).toBe(false);
  // Long before the 62 s after which a runtime is ended whatever it does.
  expect(Number(/^Stopped after (\d+) ms\.$/.exec(service.logs.err.at(-1) ?? "")?.[1])).toBeLessThan(10_000);
  await service.restart();
  const after = await EventStream.open(url, stream.lastId);
  const moved = after.until("end");
  await waitFor(async () => (await client.call("POST", `/tasks/submissions/${id}/run-now`)).status === 200, {
    what: "it runs now",
  });
  expect(await moved).toBe(true);
  expect(stream.statuses).toEqual(["SCHEDULED", "SCHEDULED"]);
  expect(after.statuses).toEqual(["QUEUED", "RUNNING", "SUCCEEDED"]);
});
