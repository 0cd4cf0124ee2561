-- Finished tasks. One row written a task: no second index, and no rowid beside the key (each index entry is billed as a
-- row). The key begins with tenant and seq, so history lies in the order of time: a task is found by its id, a batch is
-- one range, and retention walks from the oldest. Times are Unix ms. The large texts stand last, so that a walk does not
-- read them.
-- `detail` is what is only read with the whole task, as the array that history/record.ts describes; the columns after it
-- are views into it, for SQL that asks for them: they store nothing and cost nothing when a row is written.
CREATE TABLE history (
  tenant TEXT NOT NULL,
  seq INTEGER NOT NULL,
  queue TEXT NOT NULL,
  shard INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED')),
  type TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  result_expires_at INTEGER,
  detail TEXT NOT NULL,
  version INTEGER GENERATED ALWAYS AS (detail ->> 0) VIRTUAL,
  priority INTEGER GENERATED ALWAYS AS (detail ->> 1) VIRTUAL,
  attempts TEXT GENERATED ALWAYS AS (detail -> 2) VIRTUAL,
  tags TEXT GENERATED ALWAYS AS (detail -> 3) VIRTUAL,
  run_at INTEGER GENERATED ALWAYS AS (detail ->> 4) VIRTUAL,
  attempts_dropped INTEGER GENERATED ALWAYS AS (coalesce(detail ->> 5, 0)) VIRTUAL,
  crashes INTEGER GENERATED ALWAYS AS (coalesce(detail ->> 6, 0)) VIRTUAL,
  moves TEXT GENERATED ALWAYS AS (detail -> 7) VIRTUAL,
  error TEXT GENERATED ALWAYS AS (detail ->> 8) VIRTUAL,
  replay_of TEXT GENERATED ALWAYS AS (detail ->> 9) VIRTUAL,
  node TEXT GENERATED ALWAYS AS (detail ->> 10) VIRTUAL,
  payload TEXT NOT NULL,
  result TEXT,
  PRIMARY KEY (tenant, seq, queue, shard),
  CHECK (result IS NULL OR status = 'SUCCEEDED')
) STRICT, WITHOUT ROWID;
