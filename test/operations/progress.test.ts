/** Progress at the shard: seen at once, written only along with what is written anyway. */
import { expect, it } from "vitest";
import { countSql } from "../support/node/count-sql.ts";
import { makeWorld } from "../support/node/shard-world.ts";
import { accept, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const text = (percent: number) => JSON.stringify({ percent });

it("287 a turn that tells nothing but progress writes no row; a lost memory knows what the last written one told", () => {
  const world = makeWorld();
  const seqs = accept(world, {}, {});
  const seq = nth(seqs, 0);
  const hand = new WorkerHand(world, { want: 2 });
  hand.say({ progress: [[seq, text(1)]], outcomes: [succeeded(world, nth(hand.tasks, 1))] });
  const counts = countSql(world.shard.sql);
  for (let percent = 2; percent < 50; percent++) hand.say({ progress: [[seq, text(percent)]] });
  expect(taskAt(world, seq)?.progress).toBe(text(49));
  expect(counts.writes).toBe(0);
  world.evict();
  expect(taskAt(world, seq)?.progress).toBe(text(1));
  hand.say({ progress: [[seq, text(50)]] });
  expect(taskAt(world, seq)?.progress).toBe(text(50));
});

it("287 a turn with progress that comes again, because its answer or the memory of it was lost, changes nothing", () => {
  const world = makeWorld();
  const [seq] = accept(world, {});
  if (seq === undefined) throw new Error("no task");
  const hand = new WorkerHand(world, { want: 1 });
  hand.say({ progress: [[seq, text(1)]] });
  const again = () => world.advance({ session: hand.session, turn: 1, holding: [seq], progress: [[seq, text(1)]] });
  const nothing = { ok: true, handout: { tasks: [], lost: [] } };
  // It is a poll again, and answered when its time is up.
  expect(again()).toBeNull();
  world.passTo(world.now);
  expect(world.late).toMatchObject([nothing]);
  world.evict();
  expect(again()).toMatchObject(nothing);
  expect(taskAt(world, seq)).toMatchObject({ status: "RUNNING", progress: text(1) });
});
