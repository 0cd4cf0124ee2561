/** What a receiver gets, held against Standard Webhooks by the library that receivers use. */
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { deliveryDelay, isTaken, MAX_TRIES } from "../../core/delivery-policy.ts";
import { parseTaskId, type QueueName, type Seq } from "../../core/ids.ts";
import type { TaskRecord } from "../../core/task.ts";
import {
  deliveryId,
  finishedBody,
  MAX_SENT_RESULT_BYTES,
  placeOfDelivery,
  signedHeaders,
} from "../../core/webhook-message.ts";
import { makeSecret, OVERLAP_MS, rotateSecrets, secretsAt } from "../../core/webhook-secrets.ts";

const AT = { queue: "q" as QueueName, shard: 3 };
const NOW = Date.UTC(2026, 0, 1);

const RECORD: TaskRecord = {
  seq: 7 as Seq,
  rev: 3,
  status: "SUCCEEDED",
  type: "echo",
  version: 1,
  priority: 5,
  payload: '"secret"',
  tags: ["é"],
  createdAt: NOW - 500,
  runAt: null,
  endedAt: NOW,
  attempts: [{ attempt: 2, startedAt: NOW, endedAt: NOW, worker: "w", outcome: "succeeded", error: null }],
  attemptsDropped: 1,
  crashes: 0,
  moves: [],
  result: '{"sum":1}',
  resultExpiresAt: null,
  error: null,
  progress: null,
};

/** As `verify` is given them: made now, because it refuses what is older than five minutes. */
function messageOf(body: string, secrets: readonly string[]) {
  return { url: "http://x", id: "msg_q.3.1", timestamp: Math.floor(Date.now() / 1_000), body, secrets };
}

describe("295 a message", () => {
  it("is signed as Standard Webhooks has it: its own library verifies it, and no other body or secret", async () => {
    const { secret } = makeSecret(() => crypto.randomUUID());
    const body = finishedBody(AT, RECORD);
    const headers = await signedHeaders(messageOf(body, [secret]));
    expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
    expect(() => new Webhook(secret).verify(`${body} `, headers)).toThrow();
    const other = makeSecret(() => crypto.randomUUID());
    expect(() => new Webhook(other.secret).verify(body, headers)).toThrow();
  });

  it("has a signature for each secret that counts, so that both verify while one is changed", async () => {
    const first = [makeSecret(() => crypto.randomUUID())];
    const both = rotateSecrets(first, () => crypto.randomUUID(), NOW);
    expect(secretsAt(both, NOW + OVERLAP_MS - 1)).toHaveLength(2);
    expect(secretsAt(both, NOW + OVERLAP_MS)).toEqual([both[0]]);
    const body = '{"type":"ping"}';
    const secrets = secretsAt(both, NOW).map(({ secret }) => secret);
    const headers = await signedHeaders(messageOf(body, secrets));
    for (const secret of secrets) expect(new Webhook(secret).verify(body, headers)).toEqual({ type: "ping" });
    const thrice = rotateSecrets(both, () => crypto.randomUUID(), NOW + 1);
    expect(secretsAt(thrice, NOW + 2)).toHaveLength(3);
    expect(secretsAt(thrice, NOW + OVERLAP_MS).map(({ secret }) => secret)).toEqual([
      thrice[0]?.secret,
      both[0]?.secret,
    ]);
    let often: ReturnType<typeof rotateSecrets> = first;
    for (let i = 0; i < 8; i++) often = rotateSecrets(often, () => crypto.randomUUID(), NOW + i);
    expect(often).toHaveLength(5);
  });

  it("tells how the task ended, and nothing of its payload or of a stack", () => {
    expect(JSON.parse(finishedBody(AT, RECORD))).toEqual({
      type: "task.finished",
      timestamp: "2026-01-01T00:00:00.000Z",
      data: {
        id: "q.3.00000000007",
        queue: "q",
        type: "echo",
        status: "SUCCEEDED",
        tags: ["é"],
        createdAt: "2025-12-31T23:59:59.500Z",
        endedAt: "2026-01-01T00:00:00.000Z",
        attempts: 2,
        result: { sum: 1 },
      },
    });
    const error = { code: "handler-error", message: "no", class: "E", stack: "at", fingerprint: "f" } as const;
    const failed = JSON.parse(finishedBody(AT, { ...RECORD, status: "FAILED", result: null, error }));
    expect(failed.data.error).toEqual({ code: "handler-error", message: "no", class: "E", fingerprint: "f" });
    expect(failed.data).not.toHaveProperty("result");
  });

  it("has results of up to 16 KiB of UTF-8, and says of larger ones that they were left out", () => {
    const fits = JSON.stringify("x".repeat(MAX_SENT_RESULT_BYTES - 2));
    expect(JSON.parse(finishedBody(AT, { ...RECORD, result: fits })).data.result).toHaveLength(fits.length - 2);
    const { data } = JSON.parse(finishedBody(AT, { ...RECORD, result: JSON.stringify("é".repeat(8_192)) }));
    expect(data).toMatchObject({ resultOmitted: true, status: "SUCCEEDED" });
    expect(data).not.toHaveProperty("result");
  });

  it("has an id that names its place", () => {
    const id = deliveryId(AT, 9 as Seq);
    expect(parseTaskId(placeOfDelivery(id))).toEqual({ ...AT, seq: 9 });
    expect(placeOfDelivery("q.3.00000000007")).toBe("");
  });
});

describe("296 the policy", () => {
  it("waits ever longer, 5 s to a day, a fifth more or less, and ends after ten attempts", () => {
    const waits = Array.from({ length: MAX_TRIES }, (_, i) => deliveryDelay(i + 1, 0.5));
    expect(waits.at(-1)).toBeNull();
    expect(waits.slice(0, 4)).toEqual([5_000, 30_000, 120_000, 600_000]);
    expect(MAX_TRIES).toBe(10);
    const hours = waits.reduce<number>((sum, wait) => sum + (wait ?? 0), 0) / 3_600_000;
    expect(hours).toBeGreaterThan(48);
    expect([deliveryDelay(1, 0), deliveryDelay(1, 1)]).toEqual([4_000, 6_000]);
  });

  it("takes 2xx alone for taken: neither a redirect nor no answer", () => {
    expect([200, 204, 299].map(isTaken)).toEqual([true, true, true]);
    expect([null, 199, 301, 302, 404, 410, 500].some(isTaken)).toBe(false);
  });
});
