-- How far the walk of retention has come (history/walk-retention.ts): one row, written once a minute while it walks.
CREATE TABLE retention_walk (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  -- The key of the last row walked, as a JSON object; null: the walk is at its end, and rests until `next_at` (Unix ms).
  cursor TEXT,
  next_at INTEGER NOT NULL
) STRICT;
