package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/store"
)

const insertSQL = `
INSERT INTO {s}.mcp_task (
    id, owner, tool, queue, priority, args, request_meta, status,
    ttl, poll_interval, job_id, max_attempts, run_timeout, created_at, updated_at)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::integer[], $13::bigint[], $14::timestamptz[], $15::timestamptz[])`

// Insert implements store.Driver.
func (d *Driver) Insert(ctx context.Context, tx pgx.Tx, tasks []*store.Row) error {
	_, err := tx.Exec(ctx, d.sql(insertSQL),
		column(tasks, func(t *store.Row) string { return t.ID }),
		column(tasks, func(t *store.Row) string { return string(t.Owner) }),
		column(tasks, func(t *store.Row) string { return t.Tool }),
		column(tasks, func(t *store.Row) string { return t.Queue }),
		column(tasks, func(t *store.Row) int { return t.Priority }),
		column(tasks, func(t *store.Row) *string { return text(t.Arguments) }),
		column(tasks, func(t *store.Row) *string { return text(t.RequestMeta) }),
		column(tasks, func(t *store.Row) string { return string(t.Status) }),
		column(tasks, func(t *store.Row) int64 { return t.TTL.Milliseconds() }),
		column(tasks, func(t *store.Row) int64 { return t.PollInterval.Milliseconds() }),
		column(tasks, func(t *store.Row) int64 { return t.JobID }),
		column(tasks, func(t *store.Row) int { return t.MaxAttempts }),
		column(tasks, func(t *store.Row) int64 { return t.RunTimeout.Milliseconds() }),
		column(tasks, func(t *store.Row) time.Time { return t.CreatedAt }),
		column(tasks, func(t *store.Row) time.Time { return t.UpdatedAt }))
	return interpretError(err)
}

const getSQL = `
SELECT id, owner, tool, status, status_message, outcome, is_error, ttl, poll_interval,
       created_at, updated_at, finished_at, expires_at
FROM {s}.mcp_task
WHERE id = $1 AND owner = $2 AND (expires_at IS NULL OR expires_at > $3)`

// Get implements store.Driver.
func (d *Driver) Get(ctx context.Context, owner mcptasks.Owner, id string, now time.Time) (*mcptasks.Task, error) {
	var (
		task                  mcptasks.Task
		outcome               *string
		isError               bool
		ttl, pollInterval     int64
		finishedAt, expiresAt *time.Time
	)
	err := d.pool.QueryRow(ctx, d.sql(getSQL), id, string(owner), now).Scan(
		&task.ID, &task.Owner, &task.Tool, &task.Status, &task.StatusMessage, &outcome, &isError, &ttl, &pollInterval,
		&task.CreatedAt, &task.UpdatedAt, &finishedAt, &expiresAt)
	if err != nil {
		return nil, interpretError(err)
	}
	task.TTL = time.Duration(ttl) * time.Millisecond
	task.PollInterval = time.Duration(pollInterval) * time.Millisecond
	task.CreatedAt, task.UpdatedAt = task.CreatedAt.UTC(), task.UpdatedAt.UTC()
	if finishedAt != nil {
		task.FinishedAt, task.ExpiresAt = finishedAt.UTC(), expiresAt.UTC()
	}
	if outcome != nil {
		task.Outcome, err = store.DecodeOutcome(task.Status, json.RawMessage(*outcome), isError)
	}
	return &task, err
}

const cancelSQL = `
WITH before AS (
    SELECT id, job_id, status FROM {s}.mcp_task
    WHERE id = $1 AND owner = $2 AND (expires_at IS NULL OR expires_at > $3)
    FOR UPDATE
), changed AS (
    UPDATE {s}.mcp_task t
    SET status = 'cancelled', status_message = '', job_id = NULL, run_token = NULL,
        updated_at = $3, finished_at = $3,
        expires_at = greatest(t.created_at + t.ttl * interval '1 millisecond', $3::timestamptz + $4::bigint * interval '1 millisecond')
    FROM before
    WHERE t.id = before.id AND before.status IN ('working', 'input_required')
    RETURNING t.id
)
SELECT coalesce(job_id, 0), EXISTS (SELECT FROM changed) FROM before`

// Cancel implements store.Driver.
func (d *Driver) Cancel(
	ctx context.Context, tx pgx.Tx, owner mcptasks.Owner, id string, now time.Time, retention time.Duration,
) (jobID int64, changed bool, err error) {
	err = tx.QueryRow(ctx, d.sql(cancelSQL), id, string(owner), now, retention.Milliseconds()).Scan(&jobID, &changed)
	return jobID, changed, interpretError(err)
}

// text is JSON as a column takes it: NULL where there is none.
func text(data json.RawMessage) *string {
	if data == nil {
		return nil
	}
	s := string(data)
	return &s
}
