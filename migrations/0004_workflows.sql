-- The runs of workflows, as a list: written by each run's object when it begins and when it ends. Nothing depends on it.
CREATE TABLE workflow (
  tenant TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  id TEXT NOT NULL,
  name TEXT,
  status TEXT NOT NULL CHECK (status IN ('RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
  ended_at INTEGER,
  nodes INTEGER NOT NULL,
  PRIMARY KEY (tenant, created_at, id)
) STRICT, WITHOUT ROWID;
