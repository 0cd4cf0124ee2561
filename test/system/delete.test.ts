/** The data of a task is deleted, over HTTP on the whole service: in spite of D1's absence and a SIGKILL. */
import { expect, it } from "vitest";
import type { ProblemBody } from "../support/node/client.ts";
import { hostService } from "../support/node/host-service.ts";
import { DOOR, setFaults } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { service, client } = await hostService();

const erase = (id: string) => client.call<ProblemBody>("DELETE", `/tasks/submissions/${id}`);
const code = async (id: string) => (await client.call<ProblemBody>("GET", `/tasks/${id}`)).body.code;

it("226 227 228 DELETE: 409 before the end; while D1 is down 503, but the data is given no more and goes by itself, over a SIGKILL", async () => {
  const queue = "erased";
  await client.putQueue(queue);
  const later = await client.submit({ type: "echo", payload: "later", queue, delaySeconds: 600 });
  expect(await erase(later)).toMatchObject({ status: 409, body: { code: "task-unfinished" } });

  const [first, second, third] = (
    await client.submitAll([1, 2, 3].map((n) => ({ type: "echo", payload: { n }, queue })))
  ).ids;
  if (!first || !second || !third) throw new Error("three tasks were not accepted");
  for (const id of [first, second, third]) expect((await client.ended(id)).status).toBe("SUCCEEDED");
  expect((await erase(first)).status).toBe(204);
  expect(await code(first)).toBe("task-deleted");

  await setFaults(client, queue, { history: "down" });
  const fourth = await client.submit({ type: "echo", payload: "fourth", queue });
  expect((await client.ended(fourth)).status).toBe("SUCCEEDED");
  await setFaults(client, DOOR, { history: "down" });
  for (const id of [second, fourth])
    expect(await erase(id)).toMatchObject({ status: 503, body: { code: "history-unavailable", retryable: true } });
  expect(await code(fourth)).toBe("task-deleted");

  await service.kill();
  await service.restart();
  // The shard had the fourth, and sees to it; of the second it had nothing: to be asked again is the caller's part.
  await waitFor(async () => (await client.counts(queue)).outboxRows === 0, { what: "D1 has the tombstone" });
  expect(await code(fourth)).toBe("task-deleted");
  expect((await erase(second)).status).toBe(204);
  for (const id of [second, fourth]) expect(await code(id)).toBe("task-deleted");
  expect(await client.result(third)).toMatchObject({ result: { n: 3 } });
});
