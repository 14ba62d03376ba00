package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const insertAskedSQL = `
INSERT INTO mcp_task_input (task_id, key, method, params, asked_at, deadline_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (task_id, key) DO UPDATE
SET method = excluded.method, params = excluded.params, response = NULL, answered_at = NULL,
    asked_at = excluded.asked_at, deadline_at = excluded.deadline_at
WHERE mcp_task_input.method = ''`

const countAskedSQL = `
SELECT count(*), count(*) FILTER (WHERE answered_at IS NULL) FROM mcp_task_input WHERE task_id = ?1`

const parkSQL = `
UPDATE mcp_task
SET status = 'input_required', job_id = NULL, run_token = NULL, updated_at = ?4
WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working'`

const parkedSQL = `
INSERT INTO mcp_task_event (task_id, at, kind, run_seq, node, detail)
SELECT id, ?2, ?3, run_seq, run_node, ?4 FROM mcp_task WHERE id = ?1`

// Park implements driver.RunDriver.
func (d *Driver) Park(
	ctx context.Context, tx *sql.Tx, fence driver.Fence, questions []driver.Asked, detail string, now time.Time,
) (all, open int, held bool, err error) {
	held, err = holds(ctx, tx, fence)
	if err != nil || !held {
		return 0, 0, false, err
	}
	for _, q := range questions {
		_, err := exec(ctx, tx, insertAskedSQL, fence.TaskID, q.Key, q.Method, text(q.Params), now.UnixMicro(), q.DeadlineAt.UnixMicro())
		if err != nil {
			return 0, 0, false, err
		}
	}
	if err := tx.QueryRowContext(ctx, countAskedSQL, fence.TaskID).Scan(&all, &open); err != nil {
		return 0, 0, false, interpretError(err)
	}
	if open == 0 {
		return all, 0, true, nil
	}
	if _, err := exec(ctx, tx, parkSQL, fence.TaskID, fence.JobID, fence.RunToken, now.UnixMicro()); err != nil {
		return 0, 0, false, err
	}
	_, err = exec(ctx, tx, parkedSQL, fence.TaskID, now.UnixMicro(), driver.EventParked, detail)
	return all, open, err == nil, err
}
