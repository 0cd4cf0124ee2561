/** `npm run dev`: wrangler dev runs tasks, has its tables, fires cron, serves what a file became, and stops when told. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { startService } from "../support/node/service.ts";
import { waitFor } from "../support/node/wait-for.ts";

const SHIPPED = resolve(import.meta.dirname, "../../src/index.ts");

/** The shipped Worker, with one path that tells which version of the file it is. */
const entryOf = (version: number) => `
export * from ${JSON.stringify(SHIPPED)};
import worker from ${JSON.stringify(SHIPPED)};
export default {
  ...worker,
  fetch: (request, env, ctx) =>
    new URL(request.url).pathname === "/version" ? new Response("${version}") : worker.fetch(request, env, ctx),
};
`;

it("wrangler dev submits, runs, keeps history, fires cron and reloads", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "sluice-dev-"));
  const entry = join(scratch, "entry.ts");
  writeFileSync(entry, entryOf(1));
  try {
    await using service = await startService({ script: "dev", entry });
    const client = new Client(service.url);

    const id = await client.submit({ type: "factorial", payload: { n: 20 } });
    expect(await client.ended(id)).toMatchObject({ status: "SUCCEEDED" });
    expect(await client.result(id)).toMatchObject({ result: expect.stringContaining("2432902008176640000") });
    await waitFor(async () => (await client.counts("default")).outboxRows === 0, { what: "D1 has taken the history" });

    const cron = () =>
      service.logs.out.filter((line) => /"event":"scheduled","cron":"\* \* \* \* \*"/.test(line)).length;
    await waitFor(() => cron() > 0, { what: "the cron handler has fired" });
    await client.expect(201, "POST", "/schedules", { id: "tock", type: "echo", payload: "tock", everySeconds: 1 });
    const fired = async () => (await client.expect<{ fires: number }>(200, "GET", "/schedules/tock")).fires > 0;
    await waitFor(fired, { what: "a schedule has fired" });

    const version = async () => {
      try {
        return await (await fetch(`${service.url}/version`)).text();
      } catch {
        return "none: it is reloading";
      }
    };
    expect(await version()).toBe("1");
    writeFileSync(entry, entryOf(2));
    await waitFor(async () => (await version()) === "2", { what: "the changed file is served", timeoutMs: 30_000 });
    expect(await client.ended(await client.submit({ type: "echo", payload: 1 }))).toMatchObject({
      status: "SUCCEEDED",
    });
    expect(await client.task(id)).toMatchObject({ status: "SUCCEEDED" });

    expect(await service.stop()).toBe(0);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
