/**
 * The shard's tables. Append-only: an entry that has run anywhere is never changed. Ids are numbered by issue (1xx is
 * issue 1's). They run on the object's first write; one that fails makes that object answer `migration-failed`.
 *
 * Row economy (Cloudflare bills rows written; an index entry inserted is one, deleted is free): a task that succeeds
 * at once is insert 2 (row, ready index), claim 1, settle 1, and a share of its batch's outbox row.
 */
import type { Migration } from "../sql/migrate.ts";

export const SHARD_MIGRATIONS: readonly Migration[] = [
  {
    id: "101-core",
    statements: [
      // The one row about the shard itself. `seq_reserved`: no id at or below it is given again (design, 4).
      `CREATE TABLE shard (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        seq_reserved INTEGER NOT NULL,
        settings TEXT
      )`,
      `CREATE TABLE lane (
        no INTEGER PRIMARY KEY,
        priority INTEGER NOT NULL,
        type TEXT NOT NULL,
        version INTEGER NOT NULL,
        limit_key TEXT,
        fairness_key TEXT,
        mode TEXT NOT NULL CHECK (mode IN ('normal', 'careful', 'solo'))
      )`,
      `CREATE TABLE task (
        seq INTEGER PRIMARY KEY,
        status TEXT NOT NULL CHECK (status IN ('SCHEDULED', 'BLOCKED', 'QUEUED', 'RUNNING', 'RETRYING', 'FAILED')),
        lane INTEGER NOT NULL DEFAULT 0,
        priority INTEGER NOT NULL,
        type TEXT NOT NULL,
        version INTEGER NOT NULL,
        payload TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        run_at INTEGER,
        options TEXT,
        rev INTEGER NOT NULL DEFAULT 1,
        session INTEGER,
        mode TEXT NOT NULL DEFAULT 'normal',
        attempt INTEGER NOT NULL DEFAULT 0,
        spent INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0,
        solo_crashes INTEGER NOT NULL DEFAULT 0,
        attempts TEXT,
        attempts_dropped INTEGER NOT NULL DEFAULT 0,
        moves TEXT,
        error TEXT,
        ended_at INTEGER,
        limit_key TEXT,
        fairness_key TEXT,
        node TEXT,
        callback TEXT,
        CHECK ((status = 'RUNNING') = (session IS NOT NULL)),
        CHECK ((status = 'FAILED') = (ended_at IS NOT NULL)),
        CHECK (status NOT IN ('SCHEDULED', 'RETRYING') OR run_at IS NOT NULL)
      )`,
      `CREATE INDEX task_ready ON task (lane, seq) WHERE status = 'QUEUED'`,
      `CREATE INDEX task_due ON task (run_at, status) WHERE status IN ('SCHEDULED', 'RETRYING')`,
      `CREATE INDEX task_dead ON task (ended_at) WHERE status = 'FAILED'`,
      `CREATE TABLE session (
        id INTEGER PRIMARY KEY,
        worker TEXT NOT NULL,
        solo INTEGER NOT NULL,
        slots INTEGER NOT NULL,
        opened_at INTEGER NOT NULL,
        lease_until INTEGER NOT NULL,
        turn INTEGER NOT NULL,
        handed INTEGER NOT NULL,
        claims TEXT NOT NULL,
        lost TEXT NOT NULL
      )`,
      // Finished tasks that history (D1) has not taken: a batch of settled ones is one row, a large one stands alone.
      `CREATE TABLE outbox (
        n INTEGER PRIMARY KEY,
        lo INTEGER NOT NULL,
        hi INTEGER NOT NULL,
        count INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        refused TEXT,
        body TEXT NOT NULL,
        payload TEXT,
        result TEXT
      )`,
      `CREATE TABLE notice (n INTEGER PRIMARY KEY, sink TEXT NOT NULL, body TEXT NOT NULL)`,
      `CREATE TABLE dedup (key TEXT PRIMARY KEY, seq INTEGER NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID`,
      `CREATE INDEX dedup_expiry ON dedup (expires_at)`,
    ],
  },
  {
    // `fingerprint`, `answer`: of an Idempotency-Key.
    id: "201-keys",
    statements: ["ALTER TABLE dedup ADD COLUMN fingerprint TEXT", "ALTER TABLE dedup ADD COLUMN answer TEXT"],
  },
  {
    id: "203-limits",
    statements: [
      // Of rates alone. `units` of a token as of `at`; at `full_at` (Unix ms both) the row says nothing any more.
      `CREATE TABLE bucket (
        name TEXT PRIMARY KEY,
        units INTEGER NOT NULL,
        at INTEGER NOT NULL,
        full_at INTEGER NOT NULL
      ) WITHOUT ROWID`,
    ],
  },
  {
    // How long a unique task has its key; NULL: until `expires_at`. `created_at` is its task's.
    id: "204-unique",
    statements: [
      "ALTER TABLE dedup ADD COLUMN within TEXT CHECK (within IN ('queued', 'running', 'window'))",
      "ALTER TABLE dedup ADD COLUMN created_at INTEGER",
    ],
  },
  {
    id: "202-control",
    statements: [
      "ALTER TABLE task ADD COLUMN expires_at INTEGER",
      `CREATE INDEX task_expiry ON task (expires_at)
        WHERE expires_at IS NOT NULL AND status IN ('SCHEDULED', 'BLOCKED', 'QUEUED', 'RETRYING')`,
    ],
  },
  {
    // Results that answer equal tasks (cache-rows.ts). `id`: the first 52 bits of `key`. `cache_purge`: tasks of that
    // type up to `seq` keep none.
    id: "207-cache",
    statements: [
      `CREATE TABLE cache (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        type TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        result TEXT NOT NULL
      )`,
      "CREATE INDEX cache_expiry ON cache (expires_at, bytes)",
      "CREATE TABLE cache_purge (type TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    ],
  },
  {
    id: "206-dead-letters",
    statements: [
      "ALTER TABLE task ADD COLUMN dead_bytes INTEGER",
      `UPDATE task SET dead_bytes = length(CAST(payload AS BLOB)) + coalesce(length(CAST(attempts AS BLOB)), 0)
        + coalesce(length(CAST(error AS BLOB)), 0) WHERE status = 'FAILED'`,
      // In the order in which they are walked, and with all that is counted at a start.
      "CREATE INDEX task_dead_order ON task (ended_at, seq, dead_bytes) WHERE status = 'FAILED'",
      "DROP INDEX task_dead",
      // What each job was answered last.
      `CREATE TABLE bulk (
        job TEXT PRIMARY KEY,
        portion INTEGER NOT NULL,
        answer TEXT NOT NULL,
        at INTEGER NOT NULL
      ) WITHOUT ROWID`,
    ],
  },
  {
    id: "205-callbacks",
    statements: [
      // `seq` NULL: a ping. `webhook` NULL: the task's own callback, whose `url` it has. Numbers rise with time.
      `CREATE TABLE delivery (
        n INTEGER PRIMARY KEY,
        event TEXT NOT NULL,
        seq INTEGER,
        webhook TEXT,
        url TEXT,
        receiver TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
        next_at INTEGER,
        tries INTEGER NOT NULL DEFAULT 0,
        sent INTEGER NOT NULL DEFAULT 0,
        attempts TEXT,
        created_at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        body TEXT NOT NULL,
        CHECK ((status = 'pending') = (next_at IS NOT NULL)),
        CHECK ((webhook IS NULL) = (url IS NOT NULL))
      )`,
      // All that a look for work needs, so that it reads no body.
      "CREATE INDEX delivery_due ON delivery (receiver, next_at, bytes) WHERE status = 'pending'",
    ],
  },
  {
    // The run that is told; NULL where the sink has one receiver.
    id: "301-notices",
    statements: ["ALTER TABLE notice ADD COLUMN receiver TEXT"],
  },
  {
    // For their count at a start: a table of a million tasks is not walked for a few that wait for others.
    id: "302-blocked",
    statements: ["CREATE INDEX task_blocked ON task (seq) WHERE status = 'BLOCKED'"],
  },
  {
    // Keys are hashes now: as they were named nobody looks for them any more, and they may be somebody's address. What a
    // task has while it waits or runs goes with it, so it is found by its task and not by a time.
    id: "214-keys-hashed",
    statements: [
      "DELETE FROM dedup WHERE key LIKE 'uniq:%' OR key LIKE 'idem:%' OR key LIKE 'sched:%:key:%'",
      "CREATE INDEX dedup_held ON dedup (seq) WHERE within IN ('queued', 'running')",
      "CREATE INDEX dedup_timed ON dedup (expires_at) WHERE ifnull(within, 'window') = 'window'",
      "DROP INDEX dedup_expiry",
    ],
  },
  {
    // Ids below it are of a making of the queue that was deleted.
    id: "220-first-seq",
    statements: [
      "ALTER TABLE shard ADD COLUMN first_seq INTEGER NOT NULL DEFAULT 0",
      "UPDATE shard SET first_seq = seq_reserved + 1 WHERE json_extract(settings, '$.deleted')",
    ],
  },
];
