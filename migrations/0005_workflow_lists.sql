-- What the list of runs is narrowed by: a rare status or name had the tenant's whole list read. Each index entry is billed
-- as a row: one a run, another where it is listed as RUNNING before it ends, one where it has a name.
CREATE INDEX workflow_status ON workflow (tenant, status, created_at, id);
CREATE INDEX workflow_name ON workflow (tenant, name, created_at, id) WHERE name IS NOT NULL;
