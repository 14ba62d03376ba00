package postgres

import (
	"context"
	"time"
)

const overdueSQL = `
SELECT id FROM {s}.mcp_task WHERE deadline_at < $1 AND finished_at IS NULL ORDER BY deadline_at LIMIT $2`

// Overdue implements driver.SweepDriver.
func (d *Driver) Overdue(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return d.strings(ctx, overdueSQL, now, limit)
}

const unansweredSQL = `
SELECT DISTINCT i.task_id FROM {s}.mcp_task_input i JOIN {s}.mcp_task t ON t.id = i.task_id
WHERE i.answered_at IS NULL AND i.deadline_at < $1 AND t.status = 'input_required' LIMIT $2`

// Unanswered implements driver.SweepDriver.
func (d *Driver) Unanswered(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return d.strings(ctx, unansweredSQL, now, limit)
}

// unfinished lists the states of jobs that wait or run. It names them so that an index
// finds these jobs among many that have ended.
const unfinished = `('available', 'pending', 'retryable', 'running', 'scheduled')`

// A waiting or running job belongs to the task if its arguments name the task.
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

// Broken implements driver.SweepDriver.
func (d *Driver) Broken(ctx context.Context, before time.Time, limit int) ([]string, error) {
	const both = `(` + brokenSQL + ` AND t.updated_at < $1) UNION ALL (` + unaskedSQL + `) LIMIT $2`
	return d.strings(ctx, both, before, limit)
}

// IsBroken implements driver.SweepDriver.
func (d *Driver) IsBroken(ctx context.Context, id string) (broken bool, err error) {
	const one = `SELECT EXISTS (` + brokenSQL + ` AND t.id = $1) OR EXISTS (` + unaskedSQL + ` AND t.id = $1)`
	err = d.pool.QueryRow(ctx, d.sql(one), id).Scan(&broken)
	return broken, interpretError(err)
}

// Autovacuum looks about once a minute. Only the owner of a table may analyze it.
const outgrownSQL = `
SELECT pg_has_role(relowner, 'USAGE')
   AND pg_relation_size(oid) > current_setting('block_size')::bigint * CASE WHEN reltuples > 0 THEN 4 * relpages + 32 ELSE 32 END
FROM pg_class WHERE oid = '{s}.river_job'::regclass`

// ANALYZE of one column is enough: only the size matters, and to analyze all columns in the
// middle of a burst takes as long as to run thousands of tasks.
const analyzeSQL = `ANALYZE (SKIP_LOCKED) {s}.river_job (id)`

// AnalyzeJobs implements driver.SweepDriver.
func (d *Driver) AnalyzeJobs(ctx context.Context) (outgrown bool, err error) {
	err = d.pool.QueryRow(ctx, d.sql(outgrownSQL)).Scan(&outgrown)
	if err == nil && outgrown {
		_, err = d.pool.Exec(ctx, d.sql(analyzeSQL))
	}
	return outgrown, interpretError(err)
}

const deleteExpiredSQL = `
DELETE FROM {s}.mcp_task WHERE id IN (
    SELECT id FROM {s}.mcp_task WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)`

// DeleteExpired implements driver.SweepDriver.
func (d *Driver) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	deleted, err := d.pool.Exec(ctx, d.sql(deleteExpiredSQL), now, limit)
	return int(deleted.RowsAffected()), interpretError(err)
}
