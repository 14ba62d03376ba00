package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const lockHeldSQL = `
SELECT FROM {s}.mcp_task WHERE id = $1 AND job_id = $2 AND run_token = $3 FOR UPDATE`

const insertAskedSQL = `
INSERT INTO {s}.mcp_task_input (task_id, key, method, params, asked_at, deadline_at)
SELECT $1, q.key, q.method, q.params, $2, q.deadline_at
FROM unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[]) AS q (key, method, params, deadline_at)
ON CONFLICT (task_id, key) DO UPDATE
SET method = excluded.method, params = excluded.params, response = NULL, answered_at = NULL,
    asked_at = excluded.asked_at, deadline_at = excluded.deadline_at
WHERE mcp_task_input.method = ''`

const countAskedSQL = `
SELECT count(*), count(*) FILTER (WHERE answered_at IS NULL) FROM {s}.mcp_task_input WHERE task_id = $1`

const parkSQL = `
WITH parked AS (
    UPDATE {s}.mcp_task SET status = 'input_required', job_id = NULL, run_token = NULL, updated_at = $2 WHERE id = $1
    RETURNING id, run_seq, run_node
)
INSERT INTO {s}.mcp_task_event (task_id, at, kind, run_seq, node, detail)
SELECT id, $2, $3, run_seq, run_node, $4 FROM parked`

// Park implements driver.RunDriver.
func (d *Driver) Park(
	ctx context.Context, tx pgx.Tx, fence driver.Fence, questions []driver.Asked, detail string, now time.Time,
) (all, open int, held bool, err error) {
	locked, err := tx.Exec(ctx, d.sql(lockHeldSQL), fence.TaskID, fence.JobID, fence.RunToken)
	if err != nil || locked.RowsAffected() == 0 {
		return 0, 0, false, interpretError(err)
	}
	_, err = tx.Exec(ctx, d.sql(insertAskedSQL), fence.TaskID, now,
		column(questions, func(q driver.Asked) string { return q.Key }),
		column(questions, func(q driver.Asked) string { return q.Method }),
		column(questions, func(q driver.Asked) string { return string(q.Params) }),
		column(questions, func(q driver.Asked) time.Time { return q.DeadlineAt }))
	if err == nil {
		err = tx.QueryRow(ctx, d.sql(countAskedSQL), fence.TaskID).Scan(&all, &open)
	}
	if err == nil && open > 0 {
		_, err = tx.Exec(ctx, d.sql(parkSQL), fence.TaskID, now, driver.EventParked, detail)
	}
	return all, open, true, interpretError(err)
}
