/** Tasks that a session gives back: what stays of them in the attempts. */
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../core/schema/session-rpc.ts";
import { read } from "../../durable-objects/queue-shard/reads/read.ts";
import { makeWorld } from "../support/node/shard-world.ts";

function handBack(told: Pick<Extract<Outcome, { kind: "returned" }>, "hasBegun">) {
  const world = makeWorld();
  world.submit([{ type: "echo" }]);
  const opened = world.open();
  const claim = opened.ok ? opened.handout.tasks[0] : undefined;
  if (!opened.ok || opened.session === null || !claim) throw new Error("nothing was handed out");
  const { seq, attempt } = claim;
  const outcome: Outcome = { kind: "returned", seq, attempt, startedAt: world.now, endedAt: world.now, ...told };
  world.advance({ session: opened.session, turn: 1, outcomes: [outcome] });
  const answer = read(world.shard, { v: 1, seqs: [seq] });
  return { started: claim.started, task: answer.ok ? answer.tasks[0] : null };
}

describe("a task that is handed back", () => {
  it("133 unfinished: is QUEUED again, and the attempt is told", () => {
    const { task } = handBack({});
    expect(task).toMatchObject({ status: "QUEUED", attempts: [{ attempt: 1, outcome: "returned" }] });
  });

  it("133 before it began, though it was meant for a free slot: is QUEUED again, and there was no attempt", () => {
    const { started, task } = handBack({ hasBegun: false });
    expect(started).toBe(true);
    expect(task).toMatchObject({ status: "QUEUED", attempts: [] });
  });
});
