-- +goose Up
-- River's indexes of its jobs' arguments and metadata serve searches that neither River's workers nor we make. Each job is
-- inserted and changed twice, and each time both indexes are written: without them a create is a tenth quicker, and so is
-- a run.
DROP INDEX IF EXISTS river_job_args_index, river_job_metadata_index;

-- +goose Down
CREATE INDEX IF NOT EXISTS river_job_args_index ON river_job USING GIN (args);
CREATE INDEX IF NOT EXISTS river_job_metadata_index ON river_job USING GIN (metadata);
