/** The quick yes and the schema must never disagree: one accepts what the other would refuse, or a client is told lies. */
import { describe, expect, it } from "vitest";
import { isAcceptable } from "../../core/accept-task.ts";
import { SubmittedTaskSchema } from "../../core/schema/submission.ts";

/** Values that are right, wrong and at the edge, for each field. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  type: ["echo", "a.b:c/d-1", "", "with space", "x".repeat(128), "x".repeat(129), 5, null, "ü"],
  payload: [null, {}, [], 0, "", { deep: [1, { n: 2 }] }],
  queue: ["default", "Emails_2", "", "no.dots", "q".repeat(64), "q".repeat(65), 7, null],
  priority: [0, 9, 10, -1, 4.5, "low", "normal", "high", "critical", "urgent", "toString", "5", null, true],
  delaySeconds: [0, -0, 0.5, 31_536_000, 31_536_001, -1, "10", null, Number.POSITIVE_INFINITY],
  runAt: [
    "2027-01-01T00:00:00Z",
    "2027-01-01t00:00:00.5+02:00",
    "2027-02-30T00:00:00Z",
    "2027-01-01",
    1_700_000_000,
    null,
  ],
  unique: [
    { by: "key", key: "k", within: "queued" },
    { by: "payload", within: "window", windowSeconds: 60, onConflict: "reject" },
    { by: "payload", within: "running", onConflict: "return" },
    { by: "key", within: "queued" },
    { by: "key", key: "", within: "queued" },
    { by: "key", key: "a b", within: "queued" },
    { by: "key", key: "x".repeat(255), within: "queued" },
    { by: "key", key: "x".repeat(256), within: "queued" },
    { by: "key", key: 5, within: "queued" },
    { by: "payload", key: "k", within: "queued" },
    { by: "type", within: "queued" },
    { by: "payload" },
    { by: "payload", within: "ever" },
    { by: "payload", within: "window" },
    { by: "payload", within: "window", windowSeconds: 0 },
    { by: "payload", within: "window", windowSeconds: 2_592_001 },
    { by: "payload", within: "queued", windowSeconds: 5 },
    { by: "payload", within: "queued", onConflict: "ignore" },
    { by: "payload", within: "queued", onConflict: "replace" },
    { by: "key", key: "k" },
    { by: "key", key: "k", onConflict: "return" },
    { by: "key", key: "k", windowSeconds: 5 },
    { by: "payload", within: "queued", x: 1 },
    {},
    [],
    "k",
    null,
  ],
  debounceSeconds: [1, 86_400, 0, 86_401, 1.5, "5", null],
  throttleSeconds: [1, 2_592_000, 0, 2_592_001, null],
  ttlSeconds: [0, 0.5, 31_536_000, 31_536_001, -1, "10", null],
  expiresAt: ["2027-01-01T00:00:00Z", "2027-02-30T00:00:00Z", 1_700_000_000, null],
  timeoutMs: [1, 600_000, 600_001, 0, 1.5, "5", null],
  retry: [
    {},
    { maxAttempts: 1 },
    { maxAttempts: 100, baseMs: 0, capMs: 604_800_000 },
    { maxAttempts: 0 },
    { maxAttempts: 101 },
    { baseMs: 86_400_000 },
    { baseMs: 86_400_001 },
    { capMs: 604_800_001 },
    { baseMs: -1 },
    { baseMs: 5_000, capMs: 1_000 },
    { baseMs: 5_000, capMs: 5_000 },
    { capMs: 0.5 },
    { backoff: "fixed", jitter: "full" },
    { backoff: "exponential", jitter: "none" },
    { backoff: "no" },
    { jitter: "half" },
    { maxAttempts: null },
    { x: 1 },
    [],
    null,
  ],
  maxCrashes: [1, 100, 0, 101, null],
  onCrash: ["retry", "fail", "explode", null],
  tags: [
    [],
    ["a", "b"],
    [""],
    ["\ud800"],
    [1],
    "a",
    null,
    Array.from({ length: 32 }, (_, i) => `t${i}`),
    Array.from({ length: 33 }, () => "t"),
    ["x".repeat(2_044)],
    ["x".repeat(2_045)],
    ["\u0001".repeat(340)],
    ["\u0001".repeat(341)],
    ["é".repeat(1_022)],
    ["é".repeat(1_023)],
  ],
  limitKey: ["tenant-1", "a b", "", "x".repeat(128), "x".repeat(129), "é", "!~", 1, null],
  fairnessKey: ["tenant-1", "", null],
  cache: ["use", "bypass", "refresh", "yes", true, null],
  keepPayload: [true, false, null, 0],
  callback: [
    { url: "https://example.com/ended?x=1" },
    { url: "http://127.0.0.1:8080", events: ["FAILED"] },
    { url: "https://example.com", events: ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"] },
    { url: "https://example.com", events: ["FAILED", "FAILED"] },
    { url: "https://example.com", events: ["RUNNING"] },
    { url: "https://example.com", events: ["toString"] },
    { url: "https://example.com", events: [] },
    { url: "https://example.com", events: "FAILED" },
    { url: "https://example.com", events: null },
    { url: "https://example.com", x: 1 },
    { url: `https://example.com/${"x".repeat(2_028)}` },
    { url: `https://example.com/${"x".repeat(2_029)}` },
    { url: "ftp://example.com" },
    { url: "https://user:word@example.com" },
    { url: "/ended" },
    { url: "" },
    { url: 5 },
    { events: ["FAILED"] },
    {},
    [],
    "https://example.com",
    null,
  ],
  resultTtlSeconds: [0, 31_536_000, 31_536_001, -1, 0.5, null],
  unknownField: [1],
};

/** Numerical Recipes' generator: small, and the same everywhere. */
function draws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function randomBody(draw: () => number): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [field, values] of Object.entries(VALUES)) {
    const wanted = field === "type" || field === "payload" ? 0.97 : field === "unknownField" ? 0.02 : 0.25;
    if (draw() >= wanted) continue;
    // Mostly the first value, which is right: a body where everything is wrong tells nothing.
    const index = draw() < 0.7 ? 0 : Math.floor(draw() * values.length);
    body[field] = values[index];
  }
  return body;
}

describe("isAcceptable", () => {
  it("102 agrees with the schema about each value of each field", () => {
    const right = { type: "echo", payload: 1 };
    let accepted = 0;
    for (const [field, values] of Object.entries(VALUES))
      for (const value of values) {
        const body = { ...right, [field]: value };
        const quick = isAcceptable(body);
        expect(quick, JSON.stringify(body).slice(0, 200)).toBe(SubmittedTaskSchema.safeParse(body).success);
        if (quick) accepted++;
      }
    expect(accepted).toBeGreaterThan(30);
  });

  it("102 agrees with the schema about 20,000 random bodies", () => {
    const draw = draws(20_261_124);
    let accepted = 0;
    for (let i = 0; i < 20_000; i++) {
      const body = randomBody(draw);
      const quick = isAcceptable(body);
      if (quick !== SubmittedTaskSchema.safeParse(body).success)
        expect.fail(`they disagree about ${JSON.stringify(body)}`);
      if (quick) accepted++;
    }
    expect(accepted).toBeGreaterThan(2_000);
    expect(accepted).toBeLessThan(18_000);
  });

  it.each([null, undefined, 1, "a", true, [], [{ type: "echo", payload: 1 }]])(
    "refuses %j, which is no object",
    (raw) => {
      expect(isAcceptable(raw)).toBe(false);
      expect(SubmittedTaskSchema.safeParse(raw).success).toBe(false);
    },
  );

  it("refuses a field called __proto__, as it stands in JSON", () => {
    const raw: unknown = JSON.parse('{"type": "echo", "payload": 1, "__proto__": {"priority": 9}}');
    expect(isAcceptable(raw)).toBe(false);
    expect(SubmittedTaskSchema.safeParse(raw).success).toBe(false);
  });

  it("102 106 delaySeconds and runAt exclude each other, and a missing payload is not null", () => {
    const both = { type: "echo", payload: 1, delaySeconds: 1, runAt: "2027-01-01T00:00:00Z" };
    expect(isAcceptable(both)).toBe(false);
    expect(SubmittedTaskSchema.safeParse(both).error?.issues).toMatchObject([{ path: ["delaySeconds"] }]);
    expect(isAcceptable({ type: "echo" })).toBe(false);
    expect(SubmittedTaskSchema.safeParse({ type: "echo" }).error?.issues).toMatchObject([
      { path: ["payload"], message: "is required" },
    ]);
  });
});
