-- +goose Up
-- River finds by this index the jobs that wait or run. Those that have ended, which are most, need no place in it, and without
-- them it is no way to find a job by its id: to a statement that was planned while the table was empty, all of it was as good
-- as the primary key.
DROP INDEX IF EXISTS river_job_prioritized_fetching_index;
CREATE INDEX river_job_prioritized_fetching_index ON river_job (state, queue, priority, scheduled_at, id)
    WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled');

-- +goose Down
DROP INDEX IF EXISTS river_job_prioritized_fetching_index;
CREATE INDEX river_job_prioritized_fetching_index ON river_job (state, queue, priority, scheduled_at, id);
