/** `npm run dev`: wrangler dev runs tasks, has its tables, fires cron, and stops when told. */
import { expect, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { startService } from "../support/node/service.ts";
import { waitFor } from "../support/node/wait-for.ts";

it("wrangler dev submits, runs, keeps history and fires cron", async () => {
  await using service = await startService({ script: "dev" });
  const client = new Client(service.url);

  const id = await client.submit({ type: "factorial", payload: { n: 20 } });
  expect(await client.ended(id)).toMatchObject({ status: "SUCCEEDED" });
  expect(await client.result(id)).toMatchObject({ result: expect.stringContaining("2432902008176640000") });
  await waitFor(async () => (await client.counts("default")).outboxRows === 0, { what: "D1 has taken the history" });

  const cron = /"event":"scheduled","cron":"\* \* \* \* \*"/;
  await waitFor(() => service.logs.out.some((line) => cron.test(line)), { what: "the cron handler has fired" });
  await client.expect(201, "POST", "/schedules", { id: "tock", type: "echo", payload: "tock", everySeconds: 1 });
  const fired = async () => (await client.expect<{ fires: number }>(200, "GET", "/schedules/tock")).fires > 0;
  await waitFor(fired, { what: "a schedule has fired" });

  expect(await service.stop()).toBe(0);
});
