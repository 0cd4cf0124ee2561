/**
 * The Directory's tables, of a tenant's and of `_root` alike. Append-only, as sql/migrate.ts says; ids are numbered by
 * issue. They are made on the first write, so an object that was only asked something leaves no trace.
 */
import type { Migration } from "../sql/migrate.ts";

export const DIRECTORY_MIGRATIONS: readonly Migration[] = [
  {
    id: "101-core",
    statements: [
      // The one row about the object itself. `register_at`: when `_root` is told of it next; null: it knows.
      `CREATE TABLE directory (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        register_at INTEGER,
        woken_boot TEXT
      ) STRICT`,
      "INSERT INTO directory (one, register_at) VALUES (1, 0)",
      "CREATE TABLE tenant (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
      `CREATE TABLE queue (
        name TEXT PRIMARY KEY,
        settings TEXT NOT NULL,
        shards_ever INTEGER NOT NULL CHECK (shards_ever BETWEEN 1 AND 64),
        created_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
      // Objects that have not taken their queue's settings of that version.
      `CREATE TABLE push (
        queue TEXT NOT NULL,
        shard INTEGER NOT NULL,
        version INTEGER NOT NULL,
        try_at INTEGER NOT NULL,
        PRIMARY KEY (queue, shard)
      ) STRICT, WITHOUT ROWID`,
      "CREATE TABLE route (type TEXT PRIMARY KEY, queue TEXT NOT NULL) STRICT, WITHOUT ROWID",
      "CREATE INDEX route_queue ON route (queue)",
      `CREATE TABLE schedule (
        id TEXT PRIMARY KEY,
        type TEXT NOT NULL,
        version INTEGER NOT NULL,
        options TEXT,
        priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
        queue TEXT,
        timing TEXT NOT NULL,
        missed TEXT NOT NULL CHECK (missed IN ('skip', 'once', 'all')),
        anchor INTEGER NOT NULL,
        start_at INTEGER,
        end_at INTEGER,
        paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
        next_at INTEGER,
        last_fire_at INTEGER,
        last_task_id TEXT,
        fires INTEGER NOT NULL DEFAULT 0,
        missed_count INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        CHECK (paused = 0 OR next_at IS NULL)
      ) STRICT, WITHOUT ROWID`,
      "CREATE INDEX schedule_next ON schedule (next_at) WHERE next_at IS NOT NULL",
      // Apart, because a fire rewrites the schedule's row, and 256 KiB would be rewritten with it.
      "CREATE TABLE schedule_payload (schedule TEXT PRIMARY KEY, payload TEXT NOT NULL) STRICT, WITHOUT ROWID",
      // Fires that are no task yet. Few and short-lived, so no index: an index entry would be one row more a fire.
      `CREATE TABLE pending (
        schedule TEXT NOT NULL,
        fire_at INTEGER NOT NULL,
        queue TEXT NOT NULL,
        shard INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        try_at INTEGER NOT NULL,
        until INTEGER NOT NULL,
        last_refusal TEXT,
        PRIMARY KEY (schedule, fire_at)
      ) STRICT, WITHOUT ROWID`,
      "CREATE TABLE event (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL) STRICT",
    ],
  },
  {
    id: "201-autoscale",
    statements: [
      // Queues with `autoscale`: when to look again, and what core/autoscale must remember.
      `CREATE TABLE scaling (
        queue TEXT PRIMARY KEY,
        look_at INTEGER NOT NULL,
        changed_at INTEGER,
        low_since INTEGER
      ) STRICT, WITHOUT ROWID`,
    ],
  },
  {
    id: "205-schedule-keys",
    statements: ["ALTER TABLE schedule ADD COLUMN limit_key TEXT", "ALTER TABLE schedule ADD COLUMN fairness_key TEXT"],
  },
  { id: "204-type-cache", statements: ["ALTER TABLE route ADD COLUMN cache_ttl_s INTEGER"] },
  {
    id: "203-jobs",
    statements: [
      // Jobs over many tasks. `work` stands apart: it may have 256 KiB, and a portion rewrites the job's row.
      `CREATE TABLE job (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        queue TEXT NOT NULL,
        generation INTEGER NOT NULL,
        as_of INTEGER,
        rate TEXT,
        level TEXT,
        status TEXT NOT NULL CHECK (status IN ('active', 'done', 'cancelled', 'failed')),
        failures TEXT NOT NULL,
        refusal TEXT,
        created_at INTEGER NOT NULL,
        ended_at INTEGER,
        CHECK ((status = 'active') = (ended_at IS NULL))
      ) STRICT`,
      "CREATE TABLE job_work (job TEXT PRIMARY KEY, work TEXT NOT NULL, ids TEXT) STRICT, WITHOUT ROWID",
      // How far each shard is. `matched` NULL: not counted yet. `try_at` NULL: there is nothing to do any more.
      `CREATE TABLE job_part (
        job TEXT NOT NULL,
        shard INTEGER NOT NULL,
        portion INTEGER NOT NULL DEFAULT 1,
        after TEXT,
        up_to INTEGER,
        matched INTEGER,
        done INTEGER NOT NULL DEFAULT 0,
        stopping INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        ended INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1)),
        tries INTEGER NOT NULL DEFAULT 0,
        try_at INTEGER,
        refusal TEXT,
        PRIMARY KEY (job, shard)
      ) STRICT, WITHOUT ROWID`,
      "CREATE INDEX job_part_due ON job_part (try_at) WHERE try_at IS NOT NULL",
    ],
  },
  {
    id: "202-webhooks",
    statements: [
      `CREATE TABLE webhook (
        id TEXT PRIMARY KEY,
        queue TEXT NOT NULL,
        url TEXT NOT NULL,
        events TEXT,
        description TEXT,
        disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
        disabled_reason TEXT,
        secrets TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
      "CREATE INDEX webhook_queue ON webhook (queue)",
      // JSON text of the secrets that tasks' own callbacks are signed with; NULL: none yet.
      "ALTER TABLE directory ADD COLUMN signing TEXT",
    ],
  },
  { id: "206-schedule-ttl", statements: ["ALTER TABLE schedule ADD COLUMN ttl_ms INTEGER"] },
  {
    id: "226-event-queue",
    // The index finds what is to go of a kind: each has its own thousand.
    statements: ["ALTER TABLE event ADD COLUMN queue TEXT", "CREATE INDEX event_kind ON event (kind)"],
  },
  {
    // What was answered under an Idempotency-Key, by path and hash of the key (write-once.ts).
    id: "220-request-keys",
    statements: [
      `CREATE TABLE request_key (
        key TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        answer TEXT NOT NULL,
        expires_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
      "CREATE INDEX request_key_expiry ON request_key (expires_at)",
    ],
  },
  {
    // What history may still have of deleted queues (forget-history.ts). `marks`: JSON, a seq a shard, null: not known yet.
    id: "221-gone",
    statements: [
      `CREATE TABLE gone (
        queue TEXT NOT NULL,
        generation INTEGER NOT NULL,
        history INTEGER NOT NULL,
        marks TEXT NOT NULL,
        cursor TEXT,
        passes INTEGER NOT NULL DEFAULT 0,
        try_at INTEGER NOT NULL,
        PRIMARY KEY (queue, generation)
      ) STRICT, WITHOUT ROWID`,
      `INSERT INTO gone (queue, generation, history, marks, try_at)
        SELECT name, coalesce(json_extract(settings, '$.generation'), 1), coalesce(json_extract(settings, '$.history'), 0),
          (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < shards_ever)
            SELECT json_group_array(NULL) FROM n), 0
        FROM queue WHERE json_extract(settings, '$.deleted')`,
    ],
  },
  {
    // `made`: the task's id, or the run's. `status` NULL: it has not ended, as far as is known.
    id: "301-fires",
    statements: [
      `CREATE TABLE fire (
        schedule TEXT NOT NULL,
        fire_at INTEGER NOT NULL,
        made TEXT NOT NULL,
        status TEXT,
        ended_at INTEGER,
        code TEXT,
        PRIMARY KEY (schedule, fire_at)
      ) STRICT, WITHOUT ROWID`,
    ],
  },
  {
    // Of a fire: `made` '' where it is none (SKIPPED, MISSED), `count` how many a row stands for, `cancel_at` when it is
    // asked to stop next. Of what is pending: `waits` for the end of an earlier one.
    // `counted_from`: fires up to then count as no failure in a row. `stopped`: why it is paused, where nobody did it.
    id: "310-recurring",
    statements: [
      "ALTER TABLE fire ADD COLUMN fired_at INTEGER",
      "ALTER TABLE fire ADD COLUMN count INTEGER NOT NULL DEFAULT 1",
      "ALTER TABLE fire ADD COLUMN reason TEXT",
      "ALTER TABLE fire ADD COLUMN cancel_at INTEGER",
      "ALTER TABLE fire ADD COLUMN cancel_tries INTEGER NOT NULL DEFAULT 0",
      "CREATE INDEX fire_cancel ON fire (cancel_at) WHERE cancel_at IS NOT NULL",
      "ALTER TABLE pending ADD COLUMN waits INTEGER NOT NULL DEFAULT 0 CHECK (waits IN (0, 1))",
      "ALTER TABLE schedule ADD COLUMN overlap TEXT CHECK (overlap IN ('skip', 'queue-one', 'cancel-running'))",
      "ALTER TABLE schedule ADD COLUMN jitter_s INTEGER",
      "ALTER TABLE schedule ADD COLUMN disable_after INTEGER",
      "ALTER TABLE schedule ADD COLUMN is_workflow INTEGER NOT NULL DEFAULT 0 CHECK (is_workflow IN (0, 1))",
      "ALTER TABLE schedule ADD COLUMN skipped_count INTEGER NOT NULL DEFAULT 0",
      "ALTER TABLE schedule ADD COLUMN counted_from INTEGER NOT NULL DEFAULT 0",
      "ALTER TABLE schedule ADD COLUMN stopped TEXT",
    ],
  },
  {
    // What a key goes with (write-once.ts); NULL: with its time alone.
    id: "330-key-owners",
    statements: [
      "ALTER TABLE request_key ADD COLUMN owner TEXT",
      "CREATE INDEX request_key_owner ON request_key (owner) WHERE owner IS NOT NULL",
    ],
  },
  {
    // Deleted queues share a walk of history (gone-rows.ts). `cursor` of a walk NULL: from the oldest; that of `gone` is
    // not read any more.
    id: "331-shared-walks",
    statements: [
      "ALTER TABLE gone ADD COLUMN stage TEXT NOT NULL DEFAULT 'due' CHECK (stage IN ('due', 'waits', 'walks'))",
      "CREATE TABLE walk (history INTEGER PRIMARY KEY, cursor TEXT, try_at INTEGER NOT NULL) STRICT",
    ],
  },
  {
    // Moments of a schedule up to this are over: a change of its jitter, start or end fires none of them again.
    id: "311-decided",
    statements: [
      "ALTER TABLE schedule ADD COLUMN decided INTEGER NOT NULL DEFAULT 0",
      "UPDATE schedule SET decided = coalesce(last_fire_at, 0)",
    ],
  },
  {
    // Failures in a row beyond those that stand in `fire`.
    id: "312-failures",
    statements: ["ALTER TABLE schedule ADD COLUMN failed_before INTEGER NOT NULL DEFAULT 0"],
  },
];
