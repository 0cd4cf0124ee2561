/** From a body to nodes: shapes flattened, order found, and whatever could never end refused by its place. */
import { expect, it } from "vitest";
import { WorkflowSchema } from "../../../core/schema/workflow.ts";
import { type PlannedNode, planRun } from "../../../core/workflow/plan-run.ts";

function plan(body: object) {
  return planRun(WorkflowSchema.parse(body));
}
function nodesOf(body: object): readonly PlannedNode[] {
  const planned = plan(body);
  if ("faults" in planned) throw new Error(JSON.stringify(planned.faults));
  return planned.plan.nodes;
}
function faultsOf(body: object): readonly object[] {
  const planned = plan(body);
  return "faults" in planned ? planned.faults : [];
}
/** `key < parents`, in the order planned. */
function edges(body: object): string[] {
  const nodes = nodesOf(body);
  return nodes.map(({ key, parents }) => [key, ...parents.map((parent) => nodes[parent]?.key)].join(" < "));
}
const step = (key: string, ...dependsOn: string[]) => ({ key, type: "echo", payload: key, dependsOn });

it("302 orders nodes after their parents, wherever they stand in the body", () => {
  expect(edges({ tasks: [step("c", "b", "a"), step("b", "a"), step("a"), step("x")] })).toEqual([
    "a",
    "b < a",
    "c < b < a",
    "x",
  ]);
});

it("302 names a cycle by its keys, and the place that closes it", () => {
  const [fault] = faultsOf({ tasks: [step("a"), step("b", "a", "d"), step("c", "b"), step("d", "c")] });
  expect(fault).toEqual({
    pointer: expect.stringMatching(/^\/tasks\/[123]\/dependsOn\/[01]$/),
    detail: expect.any(String),
  });
  expect((fault as { detail: string }).detail).toMatch(/^is a cycle: (b → c → d → b|c → d → b → c|d → b → c → d)$/);
  expect(faultsOf({ tasks: [step("a", "a")] })).toEqual([
    { pointer: "/tasks/0/dependsOn/0", detail: "is a cycle: a → a" },
  ]);
});

it("302 names an unknown key and a doubled one, all of them at once", () => {
  expect(faultsOf({ tasks: [step("a", "b", "z"), step("b", "y")] })).toEqual([
    { pointer: "/tasks/0/dependsOn/1", detail: "there is no node z" },
    { pointer: "/tasks/1/dependsOn/0", detail: "there is no node y" },
  ]);
  expect(faultsOf({ tasks: [step("a"), step("a"), { type: "echo", payload: 1 }] })).toEqual([
    { pointer: "/tasks/1/key", detail: "there is another node a" },
    { pointer: "/tasks/2/key", detail: "is required" },
  ]);
});

it("302 a doubled key is told where it stands; of a node that is called by its place, where that is", () => {
  const bare = { type: "echo", payload: 1 };
  const named = (key: string) => ({ ...bare, key });
  expect(faultsOf({ chain: [named("2"), bare] })).toEqual([{ pointer: "/chain/1", detail: "there is another node 2" }]);
  expect(faultsOf({ chord: { group: [bare, named("group")], finally: bare } })).toEqual([
    { pointer: "/chord/group/1/key", detail: "there is another node group" },
  ]);
  expect(faultsOf({ chord: { group: [named("finally")], finally: bare } })).toEqual([
    { pointer: "/chord/finally", detail: "there is another node finally" },
  ]);
  expect(faultsOf({ chord: { group: [bare], finally: named("group") } })).toEqual([
    { pointer: "/chord/finally/key", detail: "there is another node group" },
  ]);
});

it("302 reads a node by the schema of its kind alone", () => {
  expect(faultsOf({ tasks: [{ key: "a" }, { key: "b", type: "echo", waitFor: "x" }, 7] })).toEqual([
    { pointer: "/tasks/0", detail: "must have one of type, waitFor, map, workflow" },
    { pointer: "/tasks/1", detail: "must have one of type, waitFor, map, workflow" },
    { pointer: "/tasks/2", detail: "must be an object" },
  ]);
  const [fault] = faultsOf({ tasks: [{ key: "a", waitFor: "x", timeoutSeconds: "soon" }] });
  expect(fault).toMatchObject({ pointer: "/tasks/0/timeoutSeconds" });
});

it("303 a chain is one after the other, a group side by side, a chord a group and what comes after all of it", () => {
  const echo = { type: "echo", payload: null };
  expect(edges({ chain: [echo, { ...echo, key: "middle" }, echo] })).toEqual(["1", "middle < 1", "3 < middle"]);
  expect(edges({ group: [echo, echo] })).toEqual(["1", "2"]);
  const chord = { chord: { group: [echo, echo], finally: { ...echo, payload: { $result: "group" } } } };
  expect(edges(chord)).toEqual(["1", "2", "group < 1 < 2", "finally < group"]);
  expect(nodesOf(chord)[2]?.step).toEqual({ kind: "join", of: "list" });
  expect(faultsOf({ chain: [{ ...echo, dependsOn: ["x"] }] })).toEqual([
    { pointer: "/chain/0/dependsOn", detail: "is told by the place that the node has here" },
  ]);
});

it("303 a workflow within is its nodes, which wait for what it waits for, and a join that stands for it", () => {
  const inner = {
    chain: [
      { type: "echo", payload: { $result: "a" } },
      { type: "echo", payload: { $result: "1/x" } },
    ],
  };
  const body = {
    tasks: [step("a"), { key: "S", workflow: inner, dependsOn: ["a"] }, step("b", "S"), step("c", "S.1")],
  };
  expect(edges(body)).toEqual(["a", "S.1 < a", "S.2 < S.1", "S < S.2", "b < S", "c < S.1"]);
  const byKey = new Map(nodesOf(body).map((node) => [node.key, node.step]));
  expect(byKey.get("S.1")).toMatchObject({ told: { payload: { $result: "a" } } });
  expect(byKey.get("S.2")).toMatchObject({ told: { payload: { $result: "S.1/x" } } });
  expect(byKey.get("S")).toEqual({ kind: "join", of: "only" });
});

it("303 a workflow within hides a key of the same name around it", () => {
  const inner = { tasks: [step("a"), { ...step("b", "a"), payload: { $result: "a" } }] };
  const byKey = new Map(
    nodesOf({ tasks: [step("a"), { key: "S", workflow: inner, dependsOn: ["a"] }] }).map((n) => [n.key, n]),
  );
  expect(byKey.get("S.b")?.step).toMatchObject({ told: { payload: { $result: "S.a" } } });
});

it("304 a reference must name a node that this one waits for, at whatever distance", () => {
  const using = (payload: unknown, ...dependsOn: string[]) => ({ ...step("z", ...dependsOn), payload });
  const around = [step("a"), step("b", "a"), step("other")];
  expect(faultsOf({ tasks: [...around, using({ in: [{ $result: "a/x/0" }] }, "b")] })).toEqual([]);
  expect(faultsOf({ tasks: [...around, using({ in: [{ $result: "other" }] }, "b")] })).toEqual([
    {
      pointer: "/tasks/3/payload/in/0/$result",
      detail: "other is no node that this one waits for: name it in dependsOn",
    },
  ]);
  expect(faultsOf({ tasks: [...around, using({ $result: "nobody/x" }, "b")] })).toEqual([
    { pointer: "/tasks/3/payload/$result", detail: "there is no node nobody" },
  ]);
  expect(faultsOf({ tasks: [...around, using({ $item: "" }, "b")] })).toEqual([
    { pointer: "/tasks/3/payload/$item", detail: "has no meaning here" },
  ]);
});

it("304 what is literal is not looked into", () => {
  const literal = { $literal: { a: { $result: "nobody" }, b: { $reslt: 1 }, c: { $item: "", and: 1 } } };
  expect(faultsOf({ tasks: [{ ...step("a"), payload: literal }] })).toEqual([]);
});

it("322 a reference that is misspelt, or does not stand alone, is refused wherever it stands, with what was meant", () => {
  const slip = (payload: unknown) => ({ ...step("a"), payload });
  const asData = '; {"$literal": …} around the object makes data of it';
  expect(faultsOf({ tasks: [slip({ "x/y": [{ $reslt: "a" }] })] })).toEqual([
    { pointer: "/tasks/0/payload/x~1y/0/$reslt", detail: `is no reference ($result is meant, perhaps)${asData}` },
  ]);
  expect(faultsOf({ tasks: [slip({ $Items: "" })] })).toMatchObject([
    { pointer: "/tasks/0/payload/$Items", detail: expect.stringContaining("($item is meant, perhaps)") },
  ]);
  expect(faultsOf({ tasks: [slip({ $ref: "#/a" })] })).toEqual([
    {
      pointer: "/tasks/0/payload/$ref",
      detail: `is no reference, as $result, $error, $item, $index, $run, $literal are${asData}`,
    },
  ]);
  expect(faultsOf({ tasks: [slip({ $result: "nobody", default: { $literals: 1 } })] })).toEqual([
    { pointer: "/tasks/0/payload/$result", detail: `is a reference only where it stands alone${asData}` },
    { pointer: "/tasks/0/payload/default/$literals", detail: `is no reference ($literal is meant, perhaps)${asData}` },
  ]);
  const elsewhere = {
    tasks: [
      { ...step("a"), compensate: { type: "echo", payload: { $rum: "id" } } },
      { key: "m", map: { over: [{ $itm: 1 }], task: { type: "echo", payload: { $itm: "" } } } },
    ],
    onFinish: { type: "echo", payload: [{ $run: "id", and: 1 }] },
  };
  expect(faultsOf(elsewhere).map((fault) => (fault as { pointer: string }).pointer)).toEqual([
    "/tasks/0/compensate/payload/$rum",
    "/tasks/1/map/over/0/$itm",
    "/tasks/1/map/task/payload/$itm",
    "/onFinish/payload/0/$run",
  ]);
});

it("322 a field that begins with $ beside others, and an empty object, are data", () => {
  expect(faultsOf({ tasks: [{ ...step("a"), payload: [{ $date: 1, and: 2 }, {}, { a$: 1 }] }] })).toEqual([]);
});

it("153 what could not be given back unchanged is refused in whatever a workflow says, however deep it is", () => {
  const deep = JSON.parse("[".repeat(20_000) + "]".repeat(20_000)) as unknown;
  const task = { type: "echo", payload: { $item: "" } };
  expect(faultsOf({ tasks: [{ ...step("a"), payload: deep }] })).toMatchObject([
    { pointer: `/tasks/0/payload${"/0".repeat(100)}`, detail: "is nested deeper than 100" },
  ]);
  expect(faultsOf({ tasks: [{ key: "m", map: { over: [1, 2 ** 60, "\ud800"], task } }] })).toMatchObject([
    { pointer: "/tasks/0/map/over/1" },
  ]);
});

it("305 a map's task may refer to its item, a compensation to any node", () => {
  const map = {
    key: "m",
    dependsOn: ["a"],
    map: { over: { $result: "a/list" }, task: { type: "echo", payload: [{ $item: "/id" }, { $index: true }] } },
  };
  expect(edges({ tasks: [step("a"), map] })).toEqual(["a", "m < a"]);
  const undo = {
    ...step("b"),
    compensate: { type: "echo", payload: [{ $result: "b" }, { $result: "a" }, { $run: "status" }] },
  };
  expect(faultsOf({ tasks: [step("a"), undo] })).toEqual([]);
  const wrong = { ...step("b"), compensate: { type: "echo", payload: { $run: "colour" } } };
  expect(faultsOf({ tasks: [wrong] })).toEqual([
    { pointer: "/tasks/0/compensate/payload/$run", detail: "must be one of id, status, failed" },
  ]);
});

it("304 310 what undoes a map's task refers to its item, and to what is known when all is over", () => {
  const map = (payload: unknown) => {
    const task = { type: "echo", payload: { $item: "" }, compensate: { type: "echo", payload } };
    return { tasks: [{ key: "m", map: { over: [1], task } }] };
  };
  expect(faultsOf(map([{ $item: "" }, { $index: true }, { $result: "m/0" }, { $run: "status" }]))).toEqual([]);
  expect(faultsOf(map([{ $result: "b" }, { $run: "colour" }]))).toEqual([
    { pointer: "/tasks/0/map/task/compensate/payload/0/$result", detail: "there is no node b" },
    {
      pointer: "/tasks/0/map/task/compensate/payload/1/$run",
      detail: "must be one of id, status, failed",
    },
  ]);
});

it("302 refuses more nodes than a run may have, those of workflows within included", () => {
  const many = { group: Array.from({ length: 600 }, () => ({ type: "echo", payload: 1 })) };
  expect(
    faultsOf({
      tasks: [
        { key: "S", workflow: many },
        { key: "T", workflow: many },
      ],
    }),
  ).toEqual([{ pointer: "", detail: "1202 nodes, where a run has 1000 at most" }]);
});
