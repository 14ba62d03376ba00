package sqlite

import (
	"context"
	"time"
)

const overdueSQL = `
SELECT id FROM mcp_task
WHERE deadline_at < ?1 AND finished_at IS NULL
ORDER BY deadline_at LIMIT ?2`

// Overdue implements driver.SweepDriver.
func (d *Driver) Overdue(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return d.strings(ctx, overdueSQL, now.UnixMicro(), limit)
}

// The open questions of a task that has ended do not count.
const unansweredSQL = `
SELECT DISTINCT i.task_id
FROM mcp_task_input i CROSS JOIN mcp_task t ON t.id = i.task_id
WHERE i.answered_at IS NULL AND i.deadline_at < ?1 AND t.status = 'input_required'
LIMIT ?2`

// Unanswered implements driver.SweepDriver.
func (d *Driver) Unanswered(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return d.strings(ctx, unansweredSQL, now.UnixMicro(), limit)
}

// broken is true if a live task t does not agree with its job or its questions. The job
// must name the task: before its migration 8 (0.51) River gave the id of a deleted job to a
// new one on SQLite.
const broken = `
CASE t.status
WHEN 'working' THEN NOT EXISTS (
    SELECT 1 FROM river_job j
    WHERE j.id = t.job_id AND j.kind = 'mcptask' AND json_extract(j.args, '$.task_id') = t.id
      AND j.state NOT IN ('completed', 'cancelled', 'discarded'))
WHEN 'input_required' THEN NOT EXISTS (
    SELECT 1 FROM mcp_task_input i WHERE i.task_id = t.id AND i.answered_at IS NULL)
ELSE false END`

const brokenSQL = `
SELECT t.id FROM mcp_task t
WHERE t.status IN ('working', 'input_required') AND (t.status = 'input_required' OR t.updated_at < ?1) AND ` + broken + `
LIMIT ?2`

// Broken implements driver.SweepDriver.
func (d *Driver) Broken(ctx context.Context, before time.Time, limit int) ([]string, error) {
	return d.strings(ctx, brokenSQL, before.UnixMicro(), limit)
}

const isBrokenSQL = `SELECT EXISTS (SELECT 1 FROM mcp_task t WHERE t.id = ?1 AND ` + broken + `)`

// IsBroken implements driver.SweepDriver.
func (d *Driver) IsBroken(ctx context.Context, id string) (bool, error) {
	var is bool
	err := d.reader.QueryRowContext(ctx, isBrokenSQL, id).Scan(&is)
	return is, interpretError(err)
}

// AnalyzeJobs implements driver.SweepDriver. SQLite's plans here do not depend on sizes.
func (d *Driver) AnalyzeJobs(context.Context) (bool, error) { return false, nil }

const deleteExpiredSQL = `
DELETE FROM mcp_task WHERE id IN (
    SELECT id FROM mcp_task WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)`

// DeleteExpired implements driver.SweepDriver.
func (d *Driver) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	n, err := d.write(ctx, deleteExpiredSQL, now.UnixMicro(), limit)
	return int(n), err
}
