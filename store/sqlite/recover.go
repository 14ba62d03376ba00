package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/mcptasks/mcptasks/store"
)

// The job must be the task's own: River 0.47 gives the id of a deleted job to
// another one on SQLite.
const unfinishedSQL = `
SELECT t.id, t.queue, t.priority, t.run_token IS NOT NULL, t.recoveries
FROM mcp_task t
WHERE t.status = 'working' AND NOT EXISTS (
    SELECT 1 FROM river_job j
    WHERE j.id = t.job_id AND j.state IN ('available', 'pending', 'scheduled', 'retryable')
      AND json_extract(j.args, '$.task_id') = t.id)
ORDER BY t.created_at, t.id`

// Unfinished implements store.Exclusive.
func (d *Driver) Unfinished(ctx context.Context, tx *sql.Tx) ([]*store.Unfinished, error) {
	rows, err := tx.QueryContext(ctx, unfinishedSQL)
	if err != nil {
		return nil, interpretError(err)
	}
	defer func() { _ = rows.Close() }()
	var tasks []*store.Unfinished
	for rows.Next() {
		var t store.Unfinished
		if err := rows.Scan(&t.TaskID, &t.Queue, &t.Priority, &t.WasRunning, &t.Recoveries); err != nil {
			return nil, err
		}
		tasks = append(tasks, &t)
	}
	return tasks, interpretError(rows.Err())
}

const requeueSQL = `
UPDATE mcp_task
SET job_id = ?2, run_token = nullif(?3, ''), recoveries = ?4, updated_at = ?5
WHERE id = ?1 AND status = 'working'`

// Requeue implements store.Exclusive.
func (d *Driver) Requeue(ctx context.Context, tx *sql.Tx, tasks []*store.Unfinished, now time.Time) error {
	for _, t := range tasks {
		if _, err := exec(ctx, tx, requeueSQL, t.TaskID, t.JobID, t.RunToken, t.Recoveries, now.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

const discardRunningSQL = `UPDATE river_job SET state = 'discarded', finalized_at = ?1 WHERE state = 'running'`

// riverTime is how River writes times on SQLite, where they are text and compared
// as such.
const riverTime = "2006-01-02 15:04:05.000"

// DiscardRunning implements store.Exclusive.
func (d *Driver) DiscardRunning(ctx context.Context, tx *sql.Tx, now time.Time) (int, error) {
	result, err := tx.ExecContext(ctx, discardRunningSQL, now.UTC().Format(riverTime))
	if err != nil {
		return 0, interpretError(err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}
