/** What workflows are refused for, over HTTP: each fault with its place, and no run. */
import { describe, expect, it } from "vitest";
import { call, type Json, type Reply } from "../support/workerd/call.ts";

const echo = { type: "echo", payload: 1 };
const create = (body: object): Promise<Reply> => call("POST", "/workflows", body);
const listOf = (value: Json | undefined): readonly Json[] => value ?? [];
const faultsOf = ({ body }: Reply): unknown =>
  listOf(body.errors).map(({ pointer, detail }) => `${String(pointer)} ${String(detail)}`);

describe("302 what is wrong is told with its place, and makes no run", () => {
  it.each<[string, object, string[]]>([
    [
      "an unknown type, and a payload that does not fit",
      {
        tasks: [
          { key: "a", ...echo },
          { key: "b", ...echo, type: "nobody" },
          { key: "c", type: "factorial", payload: { n: -1 } },
        ],
      },
      ["/tasks/1/type is not a known task type", "/tasks/2/payload/n must be at least 0"],
    ],
    ["a queue that is not there", { chain: [{ ...echo, queue: "nowhere" }] }, ["/chain/0/queue is not a known queue"]],
    [
      "a cycle",
      {
        tasks: [
          { key: "a", ...echo, dependsOn: ["c"] },
          { key: "b", ...echo, dependsOn: ["a"] },
          { key: "c", ...echo, dependsOn: ["b"] },
        ],
      },
      ["/tasks/0/dependsOn/0 is a cycle: b → c → a → b"],
    ],
    [
      "a doubled key",
      {
        tasks: [
          { key: "a", ...echo },
          { key: "a", ...echo },
        ],
      },
      ["/tasks/1/key there is another node a"],
    ],
    [
      "no such parent",
      { tasks: [{ key: "a", ...echo, dependsOn: ["zz"] }] },
      ["/tasks/0/dependsOn/0 there is no node zz"],
    ],
    [
      "a reference to what is no parent",
      {
        tasks: [
          { key: "a", ...echo },
          { key: "b", type: "echo", payload: [{ $result: "a" }] },
        ],
      },
      ["/tasks/1/payload/0/$result a is no node that this one waits for: name it in dependsOn"],
    ],
    [
      "an item where there is none",
      { chain: [{ type: "echo", payload: { $item: "" } }] },
      ["/chain/0/payload/$item has no meaning here"],
    ],
    ["a task without its payload", { tasks: [{ key: "a", type: "echo" }] }, ["/tasks/0/payload is required"]],
    [
      "a node of two kinds",
      { tasks: [{ key: "a", ...echo, waitFor: "x" }] },
      ["/tasks/0 must have one of type, waitFor, map, workflow"],
    ],
    ["a node of none", { tasks: [{ key: "a" }] }, ["/tasks/0 must have one of type, waitFor, map, workflow"]],
    ["a node that is none", { chain: [7] }, ["/chain/0 must be an object"]],
    [
      "what is not for nodes",
      { chain: [{ ...echo, unique: { by: "payload" } }] },
      ["/chain/0/unique is not a field that is read here"],
    ],
    [
      "dependsOn in a chain",
      { chain: [{ ...echo, dependsOn: [] }] },
      ["/chain/0/dependsOn is told by the place that the node has here"],
    ],
    ["two shapes", { chain: [echo], group: [echo] }, [" must have one of tasks, chain, group, chord"]],
    ["none", { name: "x" }, [" must have one of tasks, chain, group, chord"]],
    [
      "onFinish of an unknown type",
      { chain: [echo], onFinish: { type: "nobody", payload: 1 } },
      ["/onFinish/type is not a known task type"],
    ],
    [
      "a compensation that does not fit",
      { chain: [{ ...echo, compensate: { type: "factorial", payload: {} } }] },
      ["/chain/0/compensate/payload/n is required"],
    ],
    [
      "one of a map's task",
      { tasks: [{ key: "m", map: { over: [1], task: { ...echo, compensate: { type: "factorial", payload: {} } } } }] },
      ["/tasks/0/map/task/compensate/payload/n is required"],
    ],
    [
      "a reference that is misspelt, and one that does not stand alone",
      { chain: [echo, { type: "echo", payload: [{ $reslt: "1" }, { $result: "1", default: 0 }] }] },
      [
        '/chain/1/payload/0/$reslt is no reference ($result is meant, perhaps); {"$literal": …} around the object makes data of it',
        '/chain/1/payload/1/$result is a reference only where it stands alone; {"$literal": …} around the object makes data of it',
      ],
    ],
    [
      "a list of more than a result has",
      { chain: [{ map: { over: Array(5).fill("x".repeat(220_000)), task: echo } }] },
      ["/chain/0/map/over is over 1 MiB of JSON text: have a task give the list, or a part of it"],
    ],
    [
      "pointers that are none",
      {
        chain: [
          { map: { over: [1], task: { type: "echo", payload: { $item: "/a~" } } } },
          { type: "echo", payload: [{ $result: "1/~2" }] },
        ],
      },
      [
        '/chain/0/map/task/payload/$item must be a JSON Pointer, or ""',
        "/chain/1/payload/0/$result must be a node's key, or key/pointer",
      ],
    ],
    [
      "a moment that is more than a year ahead",
      { chain: [{ ...echo, runAt: "2099-01-01T00:00:00Z" }] },
      ["/chain/0/runAt is more than 365 days ahead"],
    ],
    ["kept for no time", { chain: [echo], keepSeconds: 1 }, ["/keepSeconds must be at least 60"]],
    ["no time to end in", { chain: [echo], timeoutSeconds: 0 }, ["/timeoutSeconds must be more than 0"]],
  ])("%s", async (_, body, faults) => {
    const reply = await create(body);
    expect([reply.status, reply.body.code]).toEqual([422, "invalid-request"]);
    expect(faultsOf(reply)).toEqual(faults);
  });

  it("319 a map that would make too many nodes ends, and with it the run; one that just fits runs", async () => {
    const over = (items: number) => ({
      group: [
        { map: { over: Array.from({ length: items }, (_, i) => i), task: { type: "echo", payload: { $item: "" } } } },
      ],
    });
    const end = async (items: number) =>
      (await call("GET", `/workflows/${String((await create(over(items))).body.id)}?wait=30&nodes=true`)).body;
    const tooMany = await end(1_000);
    expect(tooMany).toMatchObject({ status: "FAILED", failed: ["1"], progress: { nodes: 1 } });
    expect(listOf(tooMany.nodes)[0]?.error?.code).toBe("workflow-too-large");
    expect(await end(999)).toMatchObject({ status: "SUCCEEDED", progress: { nodes: 1_000 } });
  });

  it("102 names of fields that are long do not make a hundred faults a hundred times as long", async () => {
    const payload = { ["k".repeat(20_000)]: Array(200).fill({ $result: "zz" }) };
    const errors = listOf((await create({ tasks: [{ key: "a", type: "echo", payload }] })).body.errors);
    expect(errors).toHaveLength(3);
    const longer = { ["k".repeat(200_000)]: Array(200).fill({ $result: "zz" }) };
    expect((await create({ chain: [{ type: "echo", payload: longer }] })).body.errors).toHaveLength(1);
  });

  it("304 a map's task whose item does not fit its type ends without a run", async () => {
    const task = { type: "factorial", payload: { n: { $item: "" } } };
    const id = String((await create({ tasks: [{ key: "m", map: { over: [3, "x"], task } }] })).body.id);
    await call("GET", `/workflows/${id}?wait=30`);
    const { body } = await call("GET", `/workflows/${id}/nodes/m.1`);
    expect(body).toMatchObject({ status: "FAILED", error: { code: "payload-invalid" }, attempts: [] });
    expect((await call("GET", `/workflows/${id}/nodes/m.0`)).body.status).toBe("SUCCEEDED");
  });

  it("319 more nodes than a run may have, those within included", async () => {
    const group = Array.from({ length: 501 }, () => echo);
    const within = { workflow: { group } };
    expect(faultsOf(await create({ group: [within, within] }))).toEqual([" 1004 nodes, where a run has 1000 at most"]);
    const many = Array.from({ length: 1_001 }, () => echo);
    expect((await create({ group: many })).status).toBe(422);
  });
});

describe("199 the routes of workflows", () => {
  it.each([
    ["GET", "/workflows?state=RUNNING", "?state"],
    ["GET", "/workflows?status=BLOCKED", "?status"],
    ["GET", "/workflows?limit=0", "?limit"],
    ["GET", "/workflows?cursor=zz", "?cursor"],
    ["GET", "/workflows/ID?node=true", "?node"],
    ["GET", "/workflows/ID?nodes=1", "?nodes"],
    ["GET", "/workflows/ID?wait=61", "?wait"],
    ["GET", "/workflows/ID/graph?format=svg", "?format"],
    ["POST", "/workflows/ID/retry", "/node"],
    ["POST", "/workflows/ID/cancel", "/node"],
  ])("%s %s names %s", async (method, path, pointer) => {
    const id = String((await create({ chain: [echo] })).body.id);
    const { status, body } = await call(method, path.replace("ID", id), method === "POST" ? { node: "a" } : undefined);
    expect([status, listOf(body.errors)[0]?.pointer]).toEqual([422, pointer]);
  });

  it.each(["zzz", "wf_", `wf_${"0".repeat(24)}`, "default.0.0706qkb0s00"])("316 %s is no run", async (id) => {
    for (const rest of ["", "/graph", "/nodes/a"])
      expect((await call("GET", `/workflows/${id}${rest}`)).body).toMatchObject({
        code: "workflow-unknown",
        status: 404,
      });
    for (const rest of ["/cancel", "/retry", "/signals/x"])
      expect((await call("POST", `/workflows/${id}${rest}`)).body).toMatchObject({
        code: "workflow-unknown",
        status: 404,
      });
    expect((await call("DELETE", `/workflows/${id}`)).body.code).toBe("workflow-unknown");
  });
});
