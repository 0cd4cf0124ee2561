/** What a fire costs its Directory in rows, counted in a real object's storage; its shard's answer comes from a real one. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, inject, it } from "vitest";
import { countStorage, noCounts } from "../../bench/worker/count.ts";
import type { QueueName } from "../../core/ids.ts";
import type { OverlapPolicy } from "../../core/overlap.ts";
import { fireEnded } from "../../durable-objects/directory/fires/end-fires.ts";
import { changeQueue, controlQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { onAlarm } from "../../durable-objects/directory/run-due.ts";
import { listFires } from "../../durable-objects/directory/schedules/read-schedules.ts";
import { createSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { DirectoryState } from "../../durable-objects/directory/state.ts";
import { durableSql } from "../../durable-objects/sql/durable.ts";
import { platformPorts } from "../../ports.ts";
import { definition } from "../support/node/schedules.ts";

const FIRES = 20;
const STEP_S = 600;

/** Rows a fire; setAlarm is one. The latest hundred fires are there already, so each one that comes drives one out. */
async function costOf(name: string, overlap: OverlapPolicy, ends: boolean): Promise<number> {
  return await runInDurableObject(env.DIRECTORY.getByName(name) as DurableObjectStub, async (_, { storage }) => {
    const counts = noCounts();
    const settle = countStorage(storage, counts);
    let now = Date.now();
    let alarms = 0;
    const background: Promise<unknown>[] = [];
    const real = platformPorts(env);
    const state = new DirectoryState(
      name,
      durableSql(storage),
      { ...real, boot: null, now: () => now },
      {
        setAlarm: () => void alarms++,
        getAlarm: async () => null,
        cpuMs: 30_000,
        keepAlive: (work) => void background.push(work),
      },
    );
    // Nothing runs by itself: a fire ends when its end is told here.
    const queue = "default" as QueueName;
    await changeQueue(state, { queue, patch: {}, replace: true, create: true });
    await controlQueue(state, { queue, action: "pause" });
    const timing = { kind: "every", everySeconds: STEP_S } as const;
    await createSchedule(state, { id: "s", definition: definition({ timing, overlap }), paused: false });
    const fire = async () => {
      now += STEP_S * 1_000;
      onAlarm(state);
      await Promise.all(background.splice(0));
      if (!ends) return;
      const listed = await listFires(state, { id: "s", before: null, limit: 1 });
      const [latest] = listed.ok ? listed.fires : [];
      if (!latest?.made) throw new Error(`nothing was fired: ${JSON.stringify(listed)}`);
      const end = {
        schedule: "s",
        fireAt: latest.fireAt,
        made: latest.made,
        status: "SUCCEEDED",
        error: null,
      } as const;
      await fireEnded(state, { v: 1, ends: [{ ...end, endedAt: now }] });
    };
    for (let i = 0; i < 102; i++) await fire();
    settle();
    Object.assign(counts, noCounts());
    alarms = 0;
    for (let i = 0; i < FIRES; i++) await fire();
    settle();
    return (counts.rowsWritten + alarms) / FIRES;
  });
}

it("299 338 docs/cost.md has the rows of a fire as they are counted", { timeout: 60_000 }, async () => {
  const fired = await costOf("cost-fired", "allow", true);
  const alone = await costOf("cost-alone", "queue-one", true);
  const skipped = await costOf("cost-skipped", "skip", false);
  const told = `${fired} rows in its Directory, its end included (${alone} with an \`overlap\` policy); one that is skipped ${skipped}`;
  expect(inject("costPage"), `docs/cost.md must have: ${told}`).toContain(told);
});
