/** A run's tables. Append-only, as a shard's are. */
import type { Migration } from "../sql/migrate.ts";

export const RUN_MIGRATIONS: readonly Migration[] = [
  {
    id: "301-run",
    statements: [
      // `listed`: the status that D1 knows. `portions`: the last number given.
      `CREATE TABLE run (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        name TEXT,
        status TEXT NOT NULL CHECK (status IN ('RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
        created_at INTEGER NOT NULL,
        ended_at INTEGER,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        retries INTEGER NOT NULL DEFAULT 0,
        fingerprint TEXT,
        on_finish TEXT,
        finish_task TEXT,
        fire TEXT,
        fire_told INTEGER NOT NULL DEFAULT 0,
        keep_ms INTEGER NOT NULL,
        compensation TEXT NOT NULL DEFAULT 'none' CHECK (compensation IN ('none', 'running', 'done', 'failed')),
        portions INTEGER NOT NULL DEFAULT 0,
        listed TEXT
      )`,
      // `spec`: JSON of what only its kind has. `skipped`: unused, the code tells it. `placed`: 0 nowhere, 1 as BLOCKED, 2 may run. `portion`: under which it was
      // sent, until that was answered. `to_end`: its shard is still to hear that it ends.
      `CREATE TABLE node (
        i INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('task', 'signal', 'map', 'join')),
        parents TEXT NOT NULL,
        policy TEXT NOT NULL CHECK (policy IN ('fail', 'continue', 'skip')),
        spec TEXT NOT NULL,
        state TEXT NOT NULL,
        skipped INTEGER NOT NULL DEFAULT 0,
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
        CHECK (placed = 0 OR seq IS NOT NULL),
        CHECK ((state IN ('waiting', 'ready')) = (ended_at IS NULL))
      )`,
      // What was sent together, and is to be sent so again: JSON of [node, whether as one that may run] each.
      "CREATE TABLE portion (n INTEGER PRIMARY KEY, members TEXT NOT NULL)",
      "CREATE TABLE signal (name TEXT PRIMARY KEY, payload TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    ],
  },
  {
    // Of the queue that the portion was written down for.
    id: "302-portion-generation",
    statements: ["ALTER TABLE portion ADD COLUMN generation INTEGER"],
  },
  {
    // Why somebody could not be reached, as long as that is so: memory is lost where an object is idle.
    id: "303-held",
    statements: ["CREATE TABLE held (name TEXT PRIMARY KEY, why TEXT NOT NULL) WITHOUT ROWID"],
  },
];
