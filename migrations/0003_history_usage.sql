-- What the walk of retention has counted, where a queue has `historyMaxBytes` (history/quota.ts): JSON, written with `cursor`.
ALTER TABLE retention_walk ADD COLUMN usage TEXT;
