/**
 * Task types that only tests have: those that end badly, those that a test's own server sees running (`effect`), and
 * ninety plain ones, because a service has many (REQUIREMENTS, C2).
 */
import { z } from "zod";
import { defineHandler, type Handler } from "../../../consumers/handlers/define.ts";

const Url = z.strictObject({ url: z.url() });

/** Asks a server that kills this very runtime, and waits for that. */
const kill = defineHandler({
  type: "kill",
  version: 1,
  payload: Url,
  async run({ url }) {
    await fetch(url, { method: "POST" });
    return await new Promise<never>(() => {});
  },
});

/** Takes memory until the runtime dies of it. */
const exhaustMemory = defineHandler({
  type: "exhaust-memory",
  version: 1,
  payload: z.strictObject({}),
  async run() {
    const kept: unknown[] = [];
    for (;;) {
      kept.push(Array.from({ length: 100_000 }, (_, i) => ({ i, text: `${i} of ${kept.length}` })));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  },
});

/** Never ends, and does not listen to its signal. */
const hang = defineHandler({
  type: "hang",
  version: 1,
  payload: z.strictObject({}),
  run: () => new Promise<never>(() => {}),
});

/** A result of exactly so many bytes of JSON text, of one character. */
const bigResult = defineHandler({
  type: "big-result",
  version: 1,
  payload: z.strictObject({ bytes: z.int().min(2), of: z.string().length(1).default("x") }),
  run({ bytes, of }) {
    const each = JSON.stringify(of).length - 2;
    const times = Math.floor((bytes - 2) / each);
    return of.repeat(times) + "x".repeat(bytes - 2 - times * each);
  },
});

/** A result of lists within lists. */
const deepResult = defineHandler({
  type: "deep-result",
  version: 1,
  payload: z.strictObject({ depth: z.int().min(1).max(1_000) }),
  run({ depth }) {
    let value: unknown[] = [];
    for (let i = 1; i < depth; i++) value = [value];
    return value;
  },
});

/** Tells its progress, once or many times in a row, then ends when the server answers. */
const report = defineHandler({
  type: "report",
  version: 1,
  payload: z.strictObject({
    url: z.url(),
    percent: z.number(),
    message: z.string().optional(),
    times: z.int().default(1),
  }),
  async run({ url, percent, message, times }, ctx) {
    for (let n = times; n > 0; n--) ctx.progress(percent / n, message);
    return await post(url, ctx.idempotencyKey, ctx.signal);
  },
});

/** Asks for later so many times before it succeeds. */
const snooze = defineHandler({
  type: "snooze",
  version: 1,
  payload: z.strictObject({ times: z.int().min(0), seconds: z.number().min(0) }),
  run({ times, seconds }, { attempt, retryLater }) {
    if (attempt <= times) retryLater(seconds);
    return { attempt };
  },
});

/** A node that makes others: echoes one after the other, of which the last is a spawner again where `levels` are left. */
const spawner = defineHandler({
  type: "spawner",
  version: 1,
  payload: z.strictObject({ count: z.int().min(1), levels: z.int().min(1).default(1) }),
  run({ count, levels }, ctx) {
    for (let n = 0; n < count; n++) {
      const dependsOn = n === 0 ? [] : [`c${n - 1}`];
      if (n === count - 1 && levels > 1)
        ctx.spawn({ key: `c${n}`, type: "spawner", payload: { count, levels: levels - 1 }, dependsOn });
      else ctx.spawn({ key: `c${n}`, type: "echo", payload: n, dependsOn });
    }
    return { of: ctx.workflow?.node ?? null };
  },
});

/** What a task does to the world: a POST that the server counts by its idempotency key. */
const effect = defineHandler({
  type: "effect",
  version: 1,
  payload: Url,
  run: ({ url }, ctx) => post(url, ctx.idempotencyKey, ctx.signal),
});

async function post(url: string, key: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { method: "POST", headers: { "idempotency-key": key }, signal });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return text;
}

/** plain-01 … plain-90: each with a schema of its own. */
const plain = Array.from({ length: 90 }, (_, i) => {
  const number = String(i + 1).padStart(2, "0");
  return defineHandler({
    type: `plain-${number}`,
    version: 1,
    payload: z.strictObject({ [`field${number}`]: z.number() }),
    run: (payload) => payload,
  });
});

export const TEST_HANDLERS: readonly Handler[] = [
  ...[kill, exhaustMemory, hang, bigResult, deepResult, report, snooze, spawner, effect],
  ...plain,
];
