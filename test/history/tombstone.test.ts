import { expect, it } from "vitest";
import { recordOfRow } from "../../history/record.ts";
import { isDeleted, tombstoneOf } from "../../history/tombstone.ts";
import { finished, T0 } from "../support/node/history-rows.ts";

const DAY_MS = 86_400_000;

it.each([
  [60, DAY_MS],
  [30 * 86_400, 30 * DAY_MS],
])(
  "228 a tombstone of a queue that keeps history for %i s stays for %i ms: nothing on its way outlives it",
  (ttl, ms) => {
    const tombstone = recordOfRow(tombstoneOf(finished(1, { tags: ["x"], payload: '"secret"' }), ttl, T0));
    expect(tombstone.expiresAt).toBe(T0 + ms);
    expect(isDeleted(tombstone)).toBe(true);
    expect(JSON.stringify(tombstone)).not.toMatch(/secret|"x"/);
  },
);
