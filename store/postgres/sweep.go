package postgres

import (
	"context"
	"time"
)

const overdueSQL = `
SELECT id FROM {s}.mcp_task WHERE deadline_at < $1 AND finished_at IS NULL ORDER BY deadline_at LIMIT $2`

// Overdue implements store.SweepDriver.
func (d *Driver) Overdue(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return d.strings(ctx, overdueSQL, now, limit)
}

const unansweredSQL = `
SELECT DISTINCT i.task_id FROM {s}.mcp_task_input i JOIN {s}.mcp_task t ON t.id = i.task_id
WHERE i.answered_at IS NULL AND i.deadline_at < $1 AND t.status = 'input_required' LIMIT $2`

// Unanswered implements store.SweepDriver.
func (d *Driver) Unanswered(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return d.strings(ctx, unansweredSQL, now, limit)
}

// unfinished are the states of jobs that wait or run. They are named, so that an index
// finds these jobs among many that have ended.
const unfinished = `('available', 'pending', 'retryable', 'running', 'scheduled')`

// A job that is waiting, or running, is the task's if its arguments name it.
const brokenSQL = `
SELECT t.id FROM {s}.mcp_task t
WHERE t.status = 'working' AND NOT EXISTS (
    SELECT FROM {s}.river_job j
    WHERE j.id = t.job_id AND j.kind = 'mcptask' AND j.args ->> 'task_id' = t.id
      AND j.state IN ` + unfinished + `)`

const unaskedSQL = `
SELECT t.id FROM {s}.mcp_task t
WHERE t.status = 'input_required' AND NOT EXISTS (
    SELECT FROM {s}.mcp_task_input i WHERE i.task_id = t.id AND i.answered_at IS NULL)`

// Broken implements store.SweepDriver.
func (d *Driver) Broken(ctx context.Context, before time.Time, limit int) ([]string, error) {
	const both = `(` + brokenSQL + ` AND t.updated_at < $1) UNION ALL (` + unaskedSQL + `) LIMIT $2`
	return d.strings(ctx, both, before, limit)
}

// IsBroken implements store.SweepDriver.
func (d *Driver) IsBroken(ctx context.Context, id string) (broken bool, err error) {
	const one = `SELECT EXISTS (` + brokenSQL + ` AND t.id = $1) OR EXISTS (` + unaskedSQL + ` AND t.id = $1)`
	err = d.pool.QueryRow(ctx, d.sql(one), id).Scan(&broken)
	return broken, interpretError(err)
}

const deleteExpiredSQL = `
DELETE FROM {s}.mcp_task WHERE id IN (
    SELECT id FROM {s}.mcp_task WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)`

// DeleteExpired implements store.SweepDriver.
func (d *Driver) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	deleted, err := d.pool.Exec(ctx, d.sql(deleteExpiredSQL), now, limit)
	return int(deleted.RowsAffected()), interpretError(err)
}
