/** A shard whose tasks' ends are told: settings with secrets and webhooks, and what a test asks of its deliveries. */
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import type { DeliveryFilter, DeliveryRecord, Hook } from "../../../core/schema/webhooks-rpc.ts";
import { listDeliveries } from "../../../durable-objects/queue-shard/ended/deliveries.ts";
import { makeWorld, type ShardWorld } from "./shard-world.ts";
import { succeeded, WorkerHand } from "./worker-hand.ts";

export const SIGNING = { secret: "whsec_c2lnbmluZw==", until: null };
const SECRET = { secret: "whsec_c2VjcmV0", until: null };

export function hook(told: Partial<Hook> = {}): Hook {
  return { id: "wh_1", url: "https://hook.example/a", events: null, disabled: false, secrets: [SECRET], ...told };
}

export function hooksWorld(webhooks: readonly Hook[] = [], settings: Partial<QueueSettings> = {}): ShardWorld {
  return makeWorld({ slots: 64, ...settings, hooks: { signing: [SIGNING], webhooks } });
}

export function calledBack(url: string, more: object = {}): Partial<NewTask> {
  return { options: JSON.stringify({ callback: { url, ...more } }) };
}

/** Runs all that waits, each with success. */
export function succeedAll(world: ShardWorld, result = "null"): void {
  const hand = new WorkerHand(world);
  hand.close(hand.tasks.map((task) => succeeded(world, task, result)));
}

export function deliveriesOf(world: ShardWorld, filter: DeliveryFilter = {}): readonly DeliveryRecord[] {
  const answer = listDeliveries(world.shard, { v: 1, filter, before: null, limit: 100 });
  if (!answer.ok) throw new Error(answer.detail);
  return answer.deliveries;
}

/** Lets what was sent be answered, and moves the clock on, in steps, so that answers and alarms come in their order. */
export async function passIn(world: ShardWorld, ms: number, step = 500): Promise<void> {
  const end = world.now + ms;
  do {
    world.passTo(Math.min(end, world.now + step));
    await new Promise((resolve) => setImmediate(resolve));
  } while (world.now < end);
}
