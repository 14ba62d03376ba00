-- +goose Up
-- All jobs are of one kind: River's index of it finds nothing out. And in its own page a job's changes are cheaper to write.
-- This is a migration of its own, since nodes at work lock jobs before tasks.
DROP INDEX IF EXISTS river_job_kind;
ALTER TABLE river_job SET (fillfactor = 75);

-- +goose Down
CREATE INDEX IF NOT EXISTS river_job_kind ON river_job (kind);
ALTER TABLE river_job RESET (fillfactor);
