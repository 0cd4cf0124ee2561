/** A session and its shard: what is answered when, whose outcomes count, and who runs alone. */
import { describe, expect, it } from "vitest";
import type { ClaimedTask, Outcome } from "../../core/schema/session-rpc.ts";
import { drain } from "../../durable-objects/queue-shard/drain.ts";
import { read } from "../../durable-objects/queue-shard/reads/read.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";

function openAt(world: ShardWorld): { session: number; task: ClaimedTask } {
  const opened = world.open();
  const task = opened.ok ? opened.handout.tasks[0] : undefined;
  if (!opened.ok || opened.session === null || !task) throw new Error("nothing was handed out");
  return { session: opened.session, task };
}

function succeed(world: ShardWorld, { seq, attempt }: ClaimedTask): Outcome {
  return { kind: "succeeded", result: '"mine"', seq, attempt, startedAt: world.now, endedAt: world.now };
}

function statusOf(world: ShardWorld, { seq }: ClaimedTask): string | undefined {
  const answer = read(world.shard, { v: 1, seqs: [seq] });
  return answer.ok ? answer.tasks[0]?.status : answer.code;
}

const changes = (world: ShardWorld) => world.shard.sql.all<{ n: number }>("SELECT total_changes() AS n")[0]?.n;

describe("126 to open where there is nothing to do", () => {
  it("gives no session and writes nothing, be the queue empty or full of what this worker cannot run", () => {
    const world = makeWorld();
    world.submit([{ runAt: world.now + 60_000 }]);
    const before = changes(world);
    expect(world.open()).toMatchObject({ ok: true, session: null, handout: { tasks: [] } });
    world.submit([{ type: "unknown" }]);
    const after = changes(world);
    expect(after).not.toBe(before);
    for (const ticket of ["late", "late", "doubled"]) expect(world.open({ ticket })).toMatchObject({ session: null });
    expect(changes(world)).toBe(after);
  });
});

describe("129 a parked poll", () => {
  /** A session that has ended its task and asks for more, where there is none. */
  function parked(): { world: ShardWorld; session: number } {
    const world = makeWorld();
    world.submit([{}]);
    const { session, task } = openAt(world);
    const outcomes = [succeed(world, task)];
    expect(world.advance({ session, turn: 1, outcomes, want: 6, waitMs: 15_000 })).toBeNull();
    return { world, session };
  }

  it("is answered by new work, in the turn that wrote it", () => {
    const { world } = parked();
    const submitted = world.submit([{}]);
    expect(world.late).toMatchObject([{ ok: true, handout: { tasks: [{ seq: submitted.ok && submitted.seqs[0] }] } }]);
  });

  it("is answered empty by a newer turn, which then has its own answer", () => {
    const { world, session } = parked();
    expect(world.advance({ session, turn: 2, want: 6, waitMs: 15_000 })).toBeNull();
    expect(world.late).toMatchObject([{ ok: true, handout: { tasks: [], stop: "no" } }]);
    world.submit([{}]);
    expect(world.late[1]).toMatchObject({ ok: true, handout: { tasks: [{}] } });
  });

  it("is answered by a stop, and empty when its time is up", () => {
    const stopped = parked().world;
    drain(stopped.shard);
    expect(stopped.late).toMatchObject([{ ok: true, handout: { stop: "drain" } }]);
    const { world } = parked();
    world.passTo(world.now + 15_000);
    expect(world.late).toMatchObject([{ ok: true, handout: { tasks: [], stop: "no" } }]);
  });
});

describe("131 an outcome of another session or attempt", () => {
  it("changes nothing, and is told as lost", () => {
    const world = makeWorld({ slots: 1 });
    world.submit([{}, {}]);
    const first = openAt(world);
    const second = openAt(world);
    const foreign = world.advance({
      session: second.session,
      turn: 1,
      holding: [second.task.seq],
      outcomes: [succeed(world, first.task)],
    });
    expect(foreign).toMatchObject({ ok: true, handout: { lost: [first.task.seq] } });
    const outcomes = [succeed(world, { ...first.task, attempt: 2 })];
    const early = world.advance({ session: first.session, turn: 1, holding: [first.task.seq], outcomes });
    expect(early).toMatchObject({ ok: true, handout: { lost: [first.task.seq] } });
    expect(statusOf(world, first.task)).toBe("RUNNING");
  });

  it("does not count once the lease is over, and the next attempt's does", () => {
    const world = makeWorld();
    world.submit([{}]);
    const before = openAt(world);
    world.passTo(world.now + 45_000);
    expect(statusOf(world, before.task)).toBe("RETRYING");
    const late = world.advance({ session: before.session, turn: 1, outcomes: [succeed(world, before.task)] });
    expect(late).toMatchObject({ ok: false, code: "session-unknown" });
    world.passTo(world.now + 1_000);
    const after = openAt(world);
    expect(after.task).toMatchObject({ seq: before.task.seq, attempt: 2 });
    world.advance({ session: after.session, turn: 1, outcomes: [succeed(world, after.task)] });
    expect(statusOf(world, after.task)).toBe("SUCCEEDED");
  });
});

describe("149 a task that crashed twice in company", () => {
  it("runs alone from then on: by the queue for it, in one session of one slot", () => {
    const world = makeWorld();
    world.submit([{}]);
    for (const backoff of [1_000, 2_000]) {
      openAt(world);
      world.passTo(world.now + 45_000);
      world.passTo(world.now + backoff);
    }
    expect(world.open()).toMatchObject({ session: null });
    expect(world.tickets.at(-1)).toMatchObject({ queue: "solo", ticket: { solo: true } });

    world.submit([{}]);
    const alone = world.open({ solo: true });
    expect(alone).toMatchObject({ slots: 1, handout: { tasks: [{ attempt: 3, started: true }] } });
    expect(world.open({ solo: true })).toMatchObject({ session: null });
    expect(openAt(world).task.attempt).toBe(1);
  });
});
