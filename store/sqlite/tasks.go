package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/store"
)

const insertSQL = `
INSERT INTO mcp_task (
    id, owner, tool, queue, priority, args, request_meta, status,
    ttl, poll_interval, job_id, max_attempts, run_timeout, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)`

// Insert implements store.Driver.
func (d *Driver) Insert(ctx context.Context, tx *sql.Tx, tasks []*store.Row) error {
	for _, t := range tasks {
		_, err := tx.ExecContext(ctx, insertSQL,
			t.ID, string(t.Owner), t.Tool, t.Queue, t.Priority, text(t.Arguments), text(t.RequestMeta), string(t.Status),
			t.TTL.Milliseconds(), t.PollInterval.Milliseconds(), t.JobID, t.MaxAttempts, t.RunTimeout.Milliseconds(),
			t.CreatedAt.UnixMicro(), t.UpdatedAt.UnixMicro())
		if err != nil {
			return interpretError(err)
		}
	}
	return nil
}

const getSQL = `
SELECT id, owner, tool, status, status_message, outcome, is_error, ttl, poll_interval,
       created_at, updated_at, finished_at, expires_at
FROM mcp_task
WHERE id = ?1 AND owner = ?2 AND (expires_at IS NULL OR expires_at > ?3)`

// Get implements store.Driver.
func (d *Driver) Get(ctx context.Context, owner mcptasks.Owner, id string, now time.Time) (*mcptasks.Task, error) {
	var (
		task                  mcptasks.Task
		outcome               []byte
		isError               bool
		ttl, pollInterval     int64
		createdAt, updatedAt  int64
		finishedAt, expiresAt sql.NullInt64
	)
	err := d.reader.QueryRowContext(ctx, getSQL, id, string(owner), now.UnixMicro()).Scan(
		&task.ID, &task.Owner, &task.Tool, &task.Status, &task.StatusMessage, &outcome, &isError, &ttl, &pollInterval,
		&createdAt, &updatedAt, &finishedAt, &expiresAt)
	if err != nil {
		return nil, interpretError(err)
	}
	task.TTL = time.Duration(ttl) * time.Millisecond
	task.PollInterval = time.Duration(pollInterval) * time.Millisecond
	task.CreatedAt, task.UpdatedAt = micros(createdAt), micros(updatedAt)
	if finishedAt.Valid {
		task.FinishedAt, task.ExpiresAt = micros(finishedAt.Int64), micros(expiresAt.Int64)
	}
	if outcome != nil {
		task.Outcome, err = store.DecodeOutcome(task.Status, outcome, isError)
	}
	return &task, err
}

const beforeCancelSQL = `
SELECT coalesce(job_id, 0) FROM mcp_task
WHERE id = ?1 AND owner = ?2 AND (expires_at IS NULL OR expires_at > ?3)`

const cancelSQL = `
UPDATE mcp_task
SET status = 'cancelled', status_message = '', job_id = NULL, run_token = NULL,
    updated_at = ?2, finished_at = ?2,
    expires_at = max(created_at + ttl * 1000, ?2 + ?3 * 1000)
WHERE id = ?1 AND status IN ('working', 'input_required')`

// Cancel implements store.Driver.
func (d *Driver) Cancel(
	ctx context.Context, tx *sql.Tx, owner mcptasks.Owner, id string, now time.Time, retention time.Duration,
) (jobID int64, changed bool, err error) {
	err = tx.QueryRowContext(ctx, beforeCancelSQL, id, string(owner), now.UnixMicro()).Scan(&jobID)
	if err != nil {
		return 0, false, interpretError(err)
	}
	changed, err = exec(ctx, tx, cancelSQL, id, now.UnixMicro(), retention.Milliseconds())
	return jobID, changed, err
}

// exec runs a statement on one row and reports whether there was one to change.
func exec(ctx context.Context, tx *sql.Tx, query string, args ...any) (changed bool, err error) {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, interpretError(err)
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// text is JSON as a column takes it, NULL where there is none: bytes would be
// kept as a blob.
func text(data json.RawMessage) any {
	if data == nil {
		return nil
	}
	return string(data)
}

func micros(n int64) time.Time { return time.UnixMicro(n).UTC() }
