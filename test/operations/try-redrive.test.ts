/** Dead letters whose redrive is only tried: what would become of them is told, and nothing is written. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Seq } from "../../core/ids.ts";
import { handledType } from "../../core/make-task.ts";
import type { DeadPlace, TryRedriveRequest } from "../../core/schema/dead-letters-rpc.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { bulk, countBulk } from "../../durable-objects/queue-shard/dead/bulk.ts";
import { redriveDead } from "../../durable-objects/queue-shard/dead/redrive.ts";
import { tryRedrive } from "../../durable-objects/queue-shard/dead/try-redrive.ts";
import { countSql } from "../support/node/count-sql.ts";
import { bury } from "../support/node/dead-hand.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, taskAt } from "../support/node/worker-hand.ts";

function attempt(world: ShardWorld, request: Partial<TryRedriveRequest> = {}) {
  const answer = tryRedrive(world.shard, { v: 1, filter: {}, asOf: Number.MAX_SAFE_INTEGER, ...request });
  if (!answer.ok) throw new Error(answer.detail);
  return answer;
}

/** Portion by portion. */
function attemptAll(world: ShardWorld, request: Partial<TryRedriveRequest>) {
  const all = { tried: 0, failed: 0, portions: 0 };
  for (let after: DeadPlace | undefined; ; ) {
    const { tried, failed, more, after: reached } = attempt(world, { ...request, ...(after && { after }) });
    all.tried += tried;
    all.failed += failed;
    all.portions++;
    if (!more) return all;
    after = reached;
  }
}

const worldOf = () => makeWorld({ slots: 64, retry: { maxAttempts: 1 }, depthLimit: 10_000 });
const payload = z.object({ n: z.number() });

describe("271 a redrive that is only tried", () => {
  it("tells as many that their edit does not fit as the job then counts, portion by portion, and writes nothing", () => {
    const world = worldOf();
    bury(
      world,
      Array.from({ length: 1_200 }, (_, i) => ({ payload: i % 3 === 0 ? '{"n":"x"}' : '{"n":1}' })),
      (i) => (i % 2 === 0 ? "even" : "odd"),
    );
    world.types.set("echo", handledType({ type: "echo", version: 2, payload }));
    const edit = { payloadPatch: '{"more":1}' };
    const before = world.shard.sql.all("SELECT * FROM task");
    const counts = countSql(world.shard.sql);
    expect(attemptAll(world, { edit })).toEqual({ tried: 1_200, failed: 400, portions: 3 });
    const even = attemptAll(world, { edit, filter: { fingerprint: "even" } });
    expect(even).toMatchObject({ tried: 600, failed: 200 });
    expect(attemptAll(world, { edit: { payload: '{"n":1}' } }).failed).toBe(0);
    expect(attempt(world, { edit, asOf: world.now - 1 }).tried).toBe(0);
    const { failures, failed } = attempt(world, { edit });
    expect([failures.length, failed]).toEqual([100, 167]);
    expect(failures[0]?.fault).toMatchObject({
      code: "payload-invalid",
      errors: [{ pointer: "/edit/payloadPatch/n" }],
    });
    expect(counts.writes).toBe(0);
    expect(world.shard.sql.all("SELECT * FROM task")).toEqual(before);

    const work = { action: "redrive", filter: { fingerprint: "even" }, edit } as const;
    const { upTo } = countBulk(world.shard, { v: 1, work, asOf: null }) as { upTo: number };
    let done = 0;
    let after: DeadPlace | null = null;
    for (let portion = 1, more = true, counted = 0; more; portion++) {
      const told = { v: 1, job: "j", portion, generation: 1, work, asOf: null, upTo, after, most: 1_000 } as const;
      const did = bulk(world.shard, told);
      if (!did.ok) throw new Error(did.detail);
      done += did.done;
      counted += did.failed;
      ({ more, after } = did);
      if (!more) expect(counted).toBe(even.failed);
    }
    expect(done).toBe(even.tried - even.failed);
  });

  it("269 of one tells why it would be refused, and leaves it what it is", () => {
    const world = worldOf();
    const [seq] = bury(world, [{}]);
    expect(attempt(world, { filter: { seq: seq as Seq } })).toMatchObject({ tried: 1, failed: 0, refusal: null });
    const { settings } = world.shard.memory;
    if (!settings) throw new Error("no settings");
    configure(world.shard, { v: 1, settings: { ...settings, draining: true, version: settings.version + 1 } });
    expect(attempt(world, { filter: { seq: seq as Seq } })).toMatchObject({ refusal: { code: "draining" } });
    expect(taskAt(world, seq as Seq)).toMatchObject({ status: "FAILED", rev: 3, moves: [{}] });
    configure(world.shard, { v: 1, settings: { ...settings, version: settings.version + 2 } });
    redriveDead(world.shard, { v: 1, seq: seq as Seq });
    expect(attempt(world, { filter: { seq: seq as Seq } })).toMatchObject({ tried: 0, more: false });
  });

  it("of a queue that has none, or no tables, finds none", () => {
    const world = worldOf();
    expect(attempt(world)).toMatchObject({ tried: 0, more: false });
    expect(world.shard.memory.hasTables).toBe(false);
    accept(world, {});
    expect(attempt(world)).toMatchObject({ tried: 0, more: false });
  });
});
