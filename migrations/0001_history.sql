-- Finished tasks. One row written a task: no second index, and no rowid beside the key (each index entry is billed as a row).
-- The key begins with tenant and seq, so history lies in the order of time, and retention walks it from the oldest.
CREATE TABLE history (
  tenant TEXT NOT NULL,
  seq INTEGER NOT NULL,
  queue TEXT NOT NULL,
  shard INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED')),
  type TEXT NOT NULL,
  payload TEXT NOT NULL,
  result TEXT,
  created_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  result_expires_at INTEGER,
  detail TEXT NOT NULL,
  PRIMARY KEY (tenant, seq, queue, shard)
) WITHOUT ROWID;
