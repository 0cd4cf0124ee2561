/**
 * A run's tables. Append-only, as a shard's are; and every run is an object that makes them anew, so that what was written
 * before anybody could have deployed it is one entry.
 */
import type { Migration } from "../sql/migrate.ts";

export const RUN_MIGRATIONS: readonly Migration[] = [
  {
    id: "301-workflow-run",
    statements: [
      // `listed`: the status that D1 knows. `portions`: the last number given. `decided`: how it ends, from when that is told. `stop`: 1 cancelled, 2 its time was over.
      `CREATE TABLE run (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        name TEXT,
        status TEXT NOT NULL CHECK (status IN ('RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
        created_at INTEGER NOT NULL,
        ended_at INTEGER,
        stop INTEGER NOT NULL DEFAULT 0,
        retries INTEGER NOT NULL DEFAULT 0,
        news_at INTEGER NOT NULL,
        fingerprint TEXT,
        on_finish TEXT,
        decided TEXT,
        finish_task TEXT,
        finish_problem TEXT,
        fire TEXT,
        fire_told INTEGER NOT NULL DEFAULT 0,
        timeout_ms INTEGER,
        timeout_at INTEGER,
        keep_ms INTEGER NOT NULL,
        compensation TEXT NOT NULL DEFAULT 'none' CHECK (compensation IN ('none', 'running', 'done', 'failed')),
        portions INTEGER NOT NULL DEFAULT 0,
        listed TEXT
      )`,
      // `spec`: JSON of what only its kind has. `placed`: 0 nowhere, 1 as BLOCKED, 2 may run. `portion`: under which it was
      // sent, until that was answered. `to_end`: its shard is still to hear that it ends. `spawned`: until it is nodes.
      `CREATE TABLE node (
        i INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('task', 'signal', 'map', 'join')),
        parents TEXT NOT NULL,
        policy TEXT NOT NULL CHECK (policy IN ('fail', 'continue', 'skip')),
        spec TEXT NOT NULL,
        state TEXT NOT NULL,
        queue TEXT,
        shard INTEGER,
        seq INTEGER,
        placed INTEGER NOT NULL DEFAULT 0,
        portion INTEGER,
        to_end INTEGER NOT NULL DEFAULT 0,
        ended_at INTEGER,
        ended_no INTEGER,
        code TEXT,
        message TEXT,
        timeout_at INTEGER,
        compensates TEXT,
        retried TEXT,
        spawned TEXT,
        result TEXT,
        CHECK ((placed = 0) = (seq IS NULL)),
        CHECK (portion IS NULL OR seq IS NULL),
        CHECK ((state IN ('waiting', 'ready')) = (ended_at IS NULL))
      )`,
      // What was sent together, and is to be sent so again: JSON of [node, as one that may run, awaited] each; and the
      // making of the queue that it was written down for.
      "CREATE TABLE portion (n INTEGER PRIMARY KEY, members TEXT NOT NULL, generation INTEGER NOT NULL)",
      // A task that its node has not any more, until its shard has heard that it ends.
      `CREATE TABLE stray (
        queue TEXT, shard INTEGER, seq INTEGER, PRIMARY KEY (queue, shard, seq)
      ) WITHOUT ROWID`,
      "CREATE TABLE signal (name TEXT PRIMARY KEY, payload TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
      // Why somebody could not be reached, as long as that is so: memory is lost where an object is idle.
      "CREATE TABLE held (name TEXT PRIMARY KEY, why TEXT NOT NULL) WITHOUT ROWID",
    ],
  },
];
