/** Deploys with tasks under way: forward, where old payloads are upgraded, and back, where new ones must wait. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { type Service, startService } from "../support/node/service.ts";

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

it("291 a deploy forward upgrades what waits, one back leaves what is too new waiting; none is lost", async () => {
  const state = mkdtempSync(join(tmpdir(), "sluice-versions-"));
  const deploy = (version: 1 | 2): Promise<Service> =>
    startService({ entry: `test/support/versions/entry-${version}.ts`, state, env: { LOG_LEVEL: "warn" } });
  const resultOf = async (client: Client, id: string) => {
    await client.ended(id);
    return (await client.result(id)).result;
  };
  try {
    const first = await deploy(1);
    const before = new Client(first.url);
    await before.putQueue("deployed", { slots: 2 });
    await before.pause("deployed");
    const old = await before.submitAll(
      times(40, (i) => ({ type: "greet", payload: { name: `n${i}` }, queue: "deployed" })),
    );
    await before.resume("deployed");
    await before.ended(String(old.ids[0]));
    await before.pause("deployed");
    const waiting = await before.submitAll(
      times(10, (i) => ({ type: "greet", payload: { name: `w${i}` }, queue: "deployed" })),
    );
    // In the middle, and with no chance to hand anything back.
    await first.kill();

    const second = await deploy(2);
    const after = new Client(second.url);
    await after.resume("deployed");
    const results = await Promise.all(old.ids.map((id) => resultOf(after, id)));
    for (const [i, result] of results.entries()) expect([`1: n${i}`, `2: n${i}`]).toContain(result);
    for (const [i, id] of waiting.ids.entries()) expect(await resultOf(after, id)).toBe(`2: w${i}`);
    await after.pause("deployed");
    const fresh = await after.submit({ type: "greet", payload: { names: ["a", "b"] }, queue: "deployed" });
    await second.kill();

    const back = await deploy(1);
    const rolled = new Client(back.url);
    await rolled.resume("deployed");
    const beside = await rolled.submit({ type: "greet", payload: { name: "c" }, queue: "deployed" });
    expect(await resultOf(rolled, beside)).toBe("1: c");
    expect(await rolled.status(fresh)).toBe("QUEUED");
    await back.stop();

    const again = await deploy(2);
    const client = new Client(again.url);
    expect(await resultOf(client, fresh)).toBe("2: a and b");
    await again[Symbol.asyncDispose]();
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
});
