/** What a unique task's key is made of, and what it shows. */
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { uniqueOf } from "../../core/keys.ts";
import type { SubmittedTask } from "../../core/schema/submission.ts";

const hashText = async (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);
const keyOf = async (told: Partial<SubmittedTask>) =>
  (await uniqueOf({ type: "echo", payload: { to: "bob@example.com" }, ...told }, hashText)).key;
const byKey = { by: "key", key: "bob@example.com" } as const;
const byPayload = { by: "payload" } as const;

it("209 debounced, throttled and unique tasks have keys of their own", async () => {
  for (const unique of [undefined, byKey, byPayload]) {
    const named = unique && { unique };
    const keys = await Promise.all([
      keyOf({ ...named, debounceSeconds: 5 }),
      keyOf({ ...named, throttleSeconds: 5 }),
      ...(unique ? [keyOf({ unique: { ...unique, within: "running" } })] : []),
    ]);
    expect(new Set(keys).size).toBe(keys.length);
    expect(await keyOf({ ...named, debounceSeconds: 9 })).toBe(keys[0]);
    expect(await keyOf({ ...named, throttleSeconds: 9 })).toBe(keys[1]);
  }
});

it("205 another type, limitKey, key or payload is another key; a payload's order of fields is not", async () => {
  const all: Partial<SubmittedTask>[] = [
    { unique: byKey },
    { unique: byKey, type: "sleep" },
    { unique: byKey, limitKey: "k" },
    { unique: { ...byKey, key: "k" } },
    { unique: byPayload },
    { unique: byPayload, type: "sleep" },
    { unique: byPayload, limitKey: "k" },
    { unique: byPayload, payload: "k" },
    { throttleSeconds: 5, unique: byPayload, payload: "type" },
    { throttleSeconds: 5 },
  ];
  expect(new Set(await Promise.all(all.map(keyOf))).size).toBe(all.length);
  const payload = (fields: object) => keyOf({ unique: byPayload, payload: fields });
  expect(await payload({ a: 1, b: 2 })).toBe(await payload({ b: 2, a: 1 }));
});

it("226 a key shows nothing of what it was named by", async () => {
  for (const unique of [byKey, byPayload]) {
    const key = await keyOf({ unique: { ...unique, within: "window", windowSeconds: 60 }, limitKey: "bob" });
    expect(key).toMatch(/^uniq:[0-9a-f]{32}$/);
  }
});
