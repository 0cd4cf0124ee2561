/** Who is to be told of ends: some tasks have a callback of their own, some queues a webhook. */
import type { Callback } from "../../core/schema/callback.ts";
import type { Hooks } from "../../core/schema/webhooks-rpc.ts";
import { FINISHED } from "../../core/status.ts";
import type { Random } from "./random.ts";

const SECRET = { secret: "whsec_c2ltdWxhdGlvbg==", until: null };

export const WEBHOOK_URL = "https://queue.example/hook";

/** Until the calm some have no secret for callbacks yet. */
export function drawHooks(random: Random): Hooks {
  const signing = random.chance(0.2) ? [] : [SECRET];
  if (random.chance(0.6)) return { signing, webhooks: [] };
  const events = random.chance(0.5) ? null : [random.pick(FINISHED)];
  return {
    signing,
    webhooks: [{ id: "wh_1", url: WEBHOOK_URL, events, disabled: false, secrets: [SECRET] }],
  };
}

/** With the secret that they may have lacked. */
export function signed(hooks: Hooks): Hooks {
  return { ...hooks, signing: [SECRET] };
}

/** Of four hosts, so that one may be slow and the others not. */
export function drawCallback(random: Random): Callback | null {
  if (random.chance(0.8)) return null;
  const url = `https://host-${random.between(1, 4)}.example/ended`;
  return random.chance(0.5) ? { url } : { url, events: [random.pick(FINISHED), "SUCCEEDED"] };
}
