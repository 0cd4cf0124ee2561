/**
 * A run of a workflow beside the shard that its nodes are in, both in one real object, so that the rows of both are
 * counted together. Each keeps a list of its migrations under the same name: here the run's has another.
 */
import { type RunId, runId } from "../../../core/ids.ts";
import type { HistoryDatabase, Ports } from "../../../core/ports.ts";
import type { SubmitAnswer } from "../../../core/schema/rpc.ts";
import type { NodeDefinition } from "../../../core/schema/workflow-rpc.ts";
import { submit } from "../../../durable-objects/queue-shard/submit/submit.ts";
import { release } from "../../../durable-objects/queue-shard/waiting/release.ts";
import type { Sql } from "../../../durable-objects/sql/sql.ts";
import { create } from "../../../durable-objects/workflow-run/asked/create.ts";
import { ended } from "../../../durable-objects/workflow-run/asked/ended.ts";
import { Run } from "../../../durable-objects/workflow-run/run.ts";
import { work } from "../../../durable-objects/workflow-run/work.ts";
import type { ShardWorld } from "../hand-world.ts";
import type { CostBench } from "./count-cost.ts";

const ID: RunId = runId(new TextEncoder().encode("a run that is counted".padEnd(24, "x")));

/** Nodes by their parents. @param parents of each */
export function nodesOf(parents: readonly (readonly number[])[]): NodeDefinition[] {
  const task = { queue: "q", shard: 0, type: "echo", version: 1, priority: 5, payload: "{}", refers: false } as const;
  const times = { delayMs: null, runAt: null, ttlMs: null, options: null };
  return parents.map((list, i) => ({
    key: `n${i}`,
    kind: "task",
    parents: list,
    onParentFailure: "fail",
    task: { ...task, ...times } as Extract<NodeDefinition, { kind: "task" }>["task"],
  }));
}

/** From its creation until it has ended and the list of runs knows so. */
export async function runWorkflow(bench: CostBench, nodes: readonly NodeDefinition[]): Promise<void> {
  const { world } = bench;
  let alarmAt: number | null = null;
  const background: Promise<unknown>[] = [];
  const run = new Run(world.shard.address.tenant, ID, renamed(world.shard.sql), portsOf(world), {
    setAlarm(at) {
      alarmAt = at;
      world.alarms.push(at);
    },
    keepAlive: (kept) => void background.push(kept),
    deleteAll: () => Promise.resolve(),
  });
  world.takeEnds = async (_run, ends) => ended(run, { v: 1, ends });
  create(run, {
    v: 1,
    definition: { name: null, nodes, onFinish: null, timeoutMs: null, keepMs: 86_400_000 },
    fingerprint: null,
  });
  while (run.memory?.head.listed !== "SUCCEEDED") {
    if (alarmAt !== null && alarmAt <= world.now) {
      alarmAt = null;
      await work(run);
    } else {
      bench.runAll();
      bench.pass(1);
    }
    await Promise.all([...background.splice(0), ...world.background.splice(0)]);
  }
}

function renamed(sql: Sql): Sql {
  const other = (statement: string) => statement.replaceAll("schema_migration", "run_migration");
  return {
    all: (statement, ...values) => sql.all(other(statement), ...values),
    rows: (statement, ...values) => sql.rows(other(statement), ...values),
    run: (statement, ...values) => sql.run(other(statement), ...values),
    transaction: (body) => sql.transaction(body),
  };
}

/** What a run asks: one shard, settings that it knows already, and D1. */
function portsOf(world: ShardWorld): Ports {
  const { shard } = world;
  const { settings } = shard.memory;
  if (!settings) throw new Error("the shard has no settings yet");
  const asked = {
    ...shard.ports.shard,
    submit: (request: Parameters<typeof submit>[1]) =>
      new Promise<SubmitAnswer>((resolve) => {
        submit(shard, request, resolve);
        world.passTo(world.now);
      }),
    release: async (request: Parameters<typeof release>[1]) => release(shard, request),
  };
  const entry = { queue: shard.address.queue, settings, shardsEver: 1 };
  return {
    ...shard.ports,
    shard: () => asked as unknown as ReturnType<Ports["shard"]>,
    directory: () => ({ lookup: async () => ({ v: 1, ok: true, entry }) }) as unknown as ReturnType<Ports["directory"]>,
    history: () => counted(world.history),
  };
}

/** Single statements by way of a batch, which is where they are counted. */
function counted(history: HistoryDatabase | null): HistoryDatabase | null {
  if (history === null) return null;
  return {
    batch: (statements) => history.batch(statements),
    prepare: (text) => ({
      bind: (...values) => {
        const statement = history.prepare(text).bind(...values);
        return { ...statement, run: async () => (await history.batch([statement]))[0] ?? { results: [], meta: {} } };
      },
    }),
  } as HistoryDatabase;
}
