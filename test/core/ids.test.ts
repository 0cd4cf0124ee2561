import { describe, expect, it } from "vitest";
import {
  formatSeq,
  MAX_BATCH,
  parseBatchId,
  parseTaskId,
  type QueueName,
  type Seq,
  seqAt,
  seqTime,
  taskId,
} from "../../core/ids.ts";

const queue = "emails" as QueueName;

describe("task ids", () => {
  it.each([0, 1, 31, 32, 2 ** 30 - 1, 2 ** 30, 2 ** 48 + 5, seqAt(Date.UTC(2026, 10, 24)), Number.MAX_SAFE_INTEGER])(
    "114 %i is written as toString(32) writes it, in eleven digits",
    (seq) => {
      expect(formatSeq(seq as Seq)).toBe(seq.toString(32).padStart(11, "0"));
    },
  );

  it("114 an id routes itself: it is read back as what it was made of", () => {
    const seq = (seqAt(Date.UTC(2026, 10, 24)) + 4_097) as Seq;
    expect(parseTaskId(taskId({ queue, shard: 63 }, seq))).toEqual({ queue, shard: 63, seq });
    expect(seqTime(seq)).toBe(Date.UTC(2026, 10, 24) + 1);
  });

  it.each([
    "",
    "emails",
    "emails.0",
    "emails.0.1",
    "emails.64.06aa9ng0000",
    "emails.00.06aa9ng0000",
    "emails.0.06AA9NG0000",
    "emails.0.zzzzzzzzzzz",
    "e.m.0.06aa9ng0000",
    "emails.0.06aa9ng0000.",
    "emails.-1.06aa9ng0000",
    "emails.0.vvvvvvvvvvv",
  ])("114 %s is no id", (text) => {
    expect(parseTaskId(text)).toBeNull();
  });

  it("114 a batch id is its first task's and a count", () => {
    const first = seqAt(Date.UTC(2026, 10, 24));
    expect(parseBatchId(`${taskId({ queue, shard: 2 }, first)}.100`)).toEqual({
      queue,
      shard: 2,
      seq: first,
      count: 100,
    });
    expect(parseBatchId(taskId({ queue, shard: 2 }, first))).toBeNull();
    expect(parseBatchId(`${taskId({ queue, shard: 2 }, first)}.0`)).toBeNull();
    expect(parseBatchId(`${taskId({ queue, shard: 2 }, first)}.10000`)).toMatchObject({ count: MAX_BATCH });
    expect(parseBatchId(`${taskId({ queue, shard: 2 }, first)}.10001`)).toBeNull();
  });
});
