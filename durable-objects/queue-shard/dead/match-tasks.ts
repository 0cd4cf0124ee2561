/**
 * Which tasks a filter means, as SQL: only what is told stands in the statement, so that a list of ids is looked up by
 * the key, and nothing is parsed that is not asked about.
 */
import type { LiveFilter } from "../../../core/schema/bulk-rpc.ts";
import type { DeadFilter } from "../../../core/schema/dead-letters-rpc.ts";
import type { SqlValue } from "../../sql/sql.ts";

/** Errors that the shard made itself (crashed, poisoned) have no fingerprint: their code says the cause. */
export const CAUSE = "coalesce(json_extract(error, '$.fingerprint'), json_extract(error, '$.code'))";
const SEQS = "seq IN (SELECT value FROM json_each(?))";
const TAG = "EXISTS (SELECT 1 FROM json_each(options, '$.tags') AS tag WHERE tag.value = ?)";
/** The message and the payload as one text, so that what is looked for is bound once; it is one of JSON's own blanks that parts them. */
const Q = "instr(lower(coalesce(json_extract(error, '$.message'), '') || char(10) || payload), lower(?)) > 0";

export interface Match {
  /** Conditions, joined by AND. */
  readonly where: string;
  readonly values: readonly SqlValue[];
}

/** Dead letters alone. */
export function matchDead({ seq, seqs, type, code, fingerprint, q, tag, from, to }: DeadFilter): Match {
  return join("status = 'FAILED'", [
    ["seq = ?", seq],
    [SEQS, seqs && JSON.stringify(seqs)],
    ["type = ?", type],
    ["json_extract(error, '$.code') = ?", code],
    [`${CAUSE} = ?`, fingerprint],
    [Q, q],
    [TAG, tag],
    ["ended_at >= ?", from],
    ["ended_at < ?", to],
  ]);
}

/** What waits or runs. */
export function matchLive(filter: LiveFilter): Match {
  const { seqs, status, type, tag, limitKey, fairnessKey, submittedAfter, submittedBefore } = filter;
  return join("status <> 'FAILED'", [
    [SEQS, seqs && JSON.stringify(seqs)],
    ["status IN (SELECT value FROM json_each(?))", status && JSON.stringify(status)],
    ["type = ?", type],
    [TAG, tag],
    ["limit_key = ?", limitKey],
    ["fairness_key = ?", fairnessKey],
    ["created_at >= ?", submittedAfter],
    ["created_at < ?", submittedBefore],
  ]);
}

type Condition = readonly [sql: string, value: SqlValue | undefined];

function join(first: string, conditions: readonly Condition[]): Match {
  const where = [first];
  const values: SqlValue[] = [];
  for (const [sql, value] of conditions)
    if (value !== undefined) {
      where.push(sql);
      values.push(value);
    }
  return { where: where.join(" AND "), values };
}
