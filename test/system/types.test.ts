/** Many task types, routed to queues; and what a deployment that is told nonsense says of it. */
import { describe, expect, it } from "vitest";
import type { Task } from "../../core/task.ts";
import { hostService } from "../support/node/host-service.ts";

const { client } = await hostService({ BODY_LIMIT: "lots" });

interface TypeView {
  readonly type: string;
  readonly known: string;
  readonly queue: string | null;
  readonly payload: { readonly properties?: object } | null;
}

const PLAIN = Array.from({ length: 90 }, (_, i) => String(i + 1).padStart(2, "0"));
const queueOf = (number: string) => `routed-${Number(number) % 8}`;

describe("task types", () => {
  it("C2 184 87 and more are listed, each with the schema of its payload", async () => {
    const { types } = await client.expect<{ types: TypeView[] }>(200, "GET", "/types");
    expect(types.length).toBeGreaterThan(90);
    for (const { type, known, payload } of types)
      expect({ type, known, payload }).toMatchObject({ known: "handled", payload: { $schema: expect.any(String) } });
    for (const number of PLAIN) {
      const view = types.find(({ type }) => type === `plain-${number}`);
      expect(Object.keys(view?.payload?.properties ?? {})).toEqual([`field${number}`]);
    }
  });

  it("C2 105 184 go to eight queues by their routes, which can be changed while everything runs", async () => {
    for (const number of PLAIN) await client.expect(200, "PUT", `/types/plain-${number}`, { queue: queueOf(number) });
    const send = (number: string) =>
      client.expect<Task>(202, "POST", "/tasks/submissions", {
        type: `plain-${number}`,
        payload: { [`field${number}`]: 1 },
      });
    const sent = await Promise.all(PLAIN.map(send));
    expect(sent.map(({ queue }) => queue)).toEqual(PLAIN.map(queueOf));
    expect(new Set(sent.map(({ queue }) => queue)).size).toBe(8);
    for (const [i, { id }] of sent.entries()) {
      expect((await client.ended(id)).status).toBe("SUCCEEDED");
      expect((await client.result(id)).result).toEqual({ [`field${PLAIN[i]}`]: 1 });
    }
    await client.expect(200, "PUT", "/types/plain-07", { queue: "elsewhere" });
    const moved = await send("07");
    expect(moved.queue).toBe("elsewhere");
    expect((await client.ended(moved.id)).status).toBe("SUCCEEDED");
    // A task that names its queue goes there, wherever its type is routed.
    const named = await client.submit({ type: "plain-07", payload: { field07: 1 }, queue: "routed-1" });
    expect(named).toMatch(/^routed-1\./);
  });

  it("C2 one that nobody knows is refused, one with another payload too, with a pointer to the field", async () => {
    const unknown = await client.call("POST", "/tasks/submissions", { type: "plain-91", payload: {} });
    expect(unknown).toMatchObject({ status: 422, body: { code: "type-unknown", errors: [{ pointer: "/type" }] } });
    const wrong = await client.call("POST", "/tasks/submissions", { type: "plain-01", payload: { field01: "one" } });
    expect(wrong).toMatchObject({
      status: 422,
      body: { code: "payload-invalid", errors: [{ pointer: "/payload/field01" }] },
    });
  });
});

describe("a deployment", () => {
  it("C4 193 has probes for liveness, readiness and start-up", async () => {
    expect(await client.call("GET", "/health/live")).toMatchObject({ status: 200, body: { status: "alive" } });
    expect(await client.call("GET", "/health/startup")).toMatchObject({ status: 200, body: { status: "started" } });
    expect(await client.call("GET", "/health/ready")).toMatchObject({ status: 200, body: { status: "ready" } });
  });

  it("C6 194 that is told nonsense serves all the same, and readiness names the variable and the remedy", async () => {
    const { warnings } = await client.expect<{ warnings: string[] }>(200, "GET", "/health/ready");
    expect(warnings).toEqual([expect.stringMatching(/^BODY_LIMIT: .*\. Set BODY_LIMIT to bytes from \d+ to \d+/)]);
  });
});
