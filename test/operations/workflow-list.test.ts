/** The list of runs in D1: slow, away, or written while the run ends or is deleted. */
import { describe, expect, it } from "vitest";
import type { HistoryStatement } from "../../core/ports.ts";
import { listRuns, type RunFilter } from "../../history/list-runs.ts";
import { definition, hasEnded, idOf, node, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";
import { NodeD1 } from "../support/node/d1.ts";

const ID = idOf(1);
const MINUTE = 60_000;

async function runOf(ms: number): Promise<WorkflowWorld> {
  const world = new WorkflowWorld(1, NO_FAULTS);
  await world.create(ID, { definition: definition([node("a", [], taskOf({ ms }))]), fingerprint: null });
  return world;
}
const listed = (world: WorkflowWorld) => world.history.rows("SELECT status FROM workflow").map(({ status }) => status);
const pass = (world: WorkflowWorld, ms: number) => world.until(() => false, ms);

/** What D1 answers to some statements comes so much later (ms of virtual time); null: never. */
function slow(world: WorkflowWorld, isSlow: (sql: string) => boolean, ms: number | null): void {
  const { history } = world;
  const { batch } = history;
  history.batch = async (statements: HistoryStatement[]) => {
    const sql = "sql" in (statements[0] ?? {}) ? String((statements[0] as { readonly sql?: unknown }).sql) : "";
    const results = await batch.call(history, statements);
    if (isSlow(sql))
      await new Promise<void>((done) => {
        if (ms !== null) world.timeline.after(ms, world.worker.life, "a slow answer", done);
      });
    return results;
  };
}
const isUpsert = (sql: string) => sql.startsWith("INSERT INTO workflow");

describe("316 the list tells how a run ended", () => {
  it("316 that ended while its first row was being written", async () => {
    const world = await runOf(500);
    slow(world, isUpsert, 1_500);
    await world.until(hasEnded(world, ID), MINUTE);
    await pass(world, MINUTE);
    expect(listed(world)).toEqual(["SUCCEEDED"]);
  });

  it("316 whose object died between its end and its row", async () => {
    const world = await runOf(3_000);
    await pass(world, 2_000);
    expect(listed(world)).toEqual(["RUNNING"]);
    world.history.fault = async () => await new Promise(() => {});
    await world.until(hasEnded(world, ID), MINUTE);
    await pass(world, 500);
    world.history.fault = () => {};
    world.runs.get(ID)?.evict();
    await pass(world, MINUTE);
    expect(listed(world)).toEqual(["SUCCEEDED"]);
  });

  it("316 while D1 is away it is asked less and less often", async () => {
    const world = await runOf(500);
    world.historyAwayUntil = world.now + 60 * MINUTE;
    await world.until(hasEnded(world, ID), MINUTE);
    world.history.calls.length = 0;
    await pass(world, 60 * MINUTE);
    expect(world.history.calls.filter(([sql]) => isUpsert(sql ?? "")).length).toBeLessThan(70);
    await pass(world, 2 * MINUTE);
    expect(listed(world)).toEqual(["SUCCEEDED"]);
  });
});

it("318 a run that is deleted while its row is still to be written comes back into no list", async () => {
  const world = await runOf(10);
  world.historyAwayUntil = world.now + 4_000;
  await world.until(hasEnded(world, ID), MINUTE);
  await world.until(() => world.runs.get(ID)?.instance.held.why(["list"]) !== null, MINUTE);
  world.historyAwayUntil = 0;
  slow(world, (sql) => sql.startsWith("DELETE"), 1_900);
  expect(await world.ask(world.run(ID).erase({ v: 1 }))).toMatchObject({ ok: true });
  await pass(world, MINUTE);
  expect(listed(world)).toEqual([]);
});

it("316 a status or a name that is rare is found by an index, in the order of the list", async () => {
  const database = new NodeD1();
  const insert = database.sqlite.prepare("INSERT INTO workflow VALUES ('t', ?, ?, ?, ?, NULL, 1)");
  for (let i = 0; i < 200; i++)
    insert.run(i % 50, `r${i}`, i % 9 === 0 ? "rare" : null, i % 7 === 0 ? "FAILED" : "SUCCEEDED");
  const list = (filter: RunFilter) =>
    listRuns(database, "t", filter, { createdAt: 40, id: "r0" }, 5, { later: () => () => {} }, 1_000);
  for (const filter of [
    { status: "FAILED", name: null },
    { status: null, name: "rare" },
    { status: "FAILED", name: "rare" },
  ] as const) {
    const found = await list(filter);
    const all = database
      .rows(
        "SELECT id, status, name FROM workflow WHERE (created_at, id) < (40, 'r0') ORDER BY created_at DESC, id DESC",
      )
      .filter(({ status }) => filter.status === null || status === filter.status)
      .filter(({ name }) => filter.name === null || name === filter.name);
    expect(found.map(({ id }) => id)).toEqual(all.slice(0, 5).map(({ id }) => id));
    const [sql = ""] = database.calls.at(-1) ?? [];
    const plan = database.rows(`EXPLAIN QUERY PLAN ${sql}`).map(({ detail }) => detail);
    expect(plan).toEqual([expect.stringMatching(/USING INDEX workflow_(status|name) \(tenant=\? AND \w+=\? AND /)]);
  }
});
