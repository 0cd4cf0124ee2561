/** No id is given twice, whatever happens to clock and memory. */
import { expect, it } from "vitest";
import { hostService } from "../support/node/host-service.ts";
import { setFaults } from "../support/node/steer.ts";

const { service, client } = await hostService();

const HOUR = 3_600_000;

it("115 no id comes twice over clock steps of an hour, lost memory and an empty table, and each is younger than the last", async () => {
  await client.putQueue("ids");
  const seen: string[] = [];
  const submit = async () => {
    const { ids } = await client.submitAll(
      Array.from({ length: 50 }, (_, i) => ({ type: "echo", payload: i, queue: "ids" })),
    );
    seen.push(...ids);
    // History too: then the shard holds no task that tells which ids were given.
    await client.settled("ids");
  };
  for (const clockMs of [0, HOUR, 0, -HOUR, HOUR, -HOUR, 0]) {
    await setFaults(client, "ids", { clockMs });
    await submit();
    await submit();
  }
  await service.killWorkerd();
  await submit();
  await setFaults(client, "ids", { clockMs: -HOUR });
  await submit();
  await service.killWorkerd();
  await submit();
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen).toEqual(seen.toSorted());
  const tasks = await client.tasks(seen);
  expect(new Set(tasks.map(({ status }) => status))).toEqual(new Set(["SUCCEEDED"]));
});
