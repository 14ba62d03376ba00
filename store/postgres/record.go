package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const reportSQL = `
WITH r AS (
    SELECT * FROM unnest((SELECT $1::text[]), $2::bigint[], $3::text[], $4::float8[], $5::float8[], $6::text[])
        AS r (id, job_id, run_token, done, total, message) ORDER BY id COLLATE "C"
), free AS (` + freeSQL + `)
UPDATE {s}.mcp_task t
SET progress = free.done, total = free.total, status_message = free.message, updated_at = $7
FROM free WHERE t.ctid = free.ctid
RETURNING t.id`

// Report implements driver.RunDriver.
func (d *Driver) Report(ctx context.Context, reports []driver.Report, now time.Time) ([]string, error) {
	ids, jobs, tokens := fences(reports, func(r driver.Report) driver.Fence { return r.Fence })
	return d.strings(ctx, reportSQL, ids, jobs, tokens,
		column(reports, func(r driver.Report) float64 { return r.Done }),
		column(reports, func(r driver.Report) float64 { return r.Total }),
		column(reports, func(r driver.Report) string { return r.Message }),
		now)
}

// The same statement locks the task's row under the fence. A snapshot alone would let a run
// insert a step that has just lost its task.
const saveStepSQL = `
WITH held AS (
    SELECT id, recoveries, run_node, run_seq FROM {s}.mcp_task
    WHERE id = $1 AND job_id = $2 AND run_token = $3
    FOR NO KEY UPDATE
), saved AS (
    INSERT INTO {s}.mcp_task_step (task_id, key, result, node, run_seq, began_at, ended_at)
    SELECT id, $4, $5, run_node, run_seq, $8, $9 FROM held
    WHERE $7 = 0 OR (SELECT count(*) FROM {s}.mcp_task_step WHERE task_id = $1) < $7
    ON CONFLICT (task_id, key) DO NOTHING
    RETURNING key
), alive AS (
    UPDATE {s}.mcp_task t SET recoveries = 0, updated_at = $6
    FROM held, saved WHERE t.id = $1 AND held.recoveries > 0
)
SELECT EXISTS (SELECT FROM held), EXISTS (SELECT FROM saved)`

const stepSQL = `SELECT result FROM {s}.mcp_task_step WHERE task_id = $1 AND key = $2`

// SaveStep implements driver.RunDriver.
func (d *Driver) SaveStep(ctx context.Context, step driver.Step, maxSteps int, now time.Time) (json.RawMessage, bool, error) {
	var held, saved bool
	err := repeat(ctx, func() error {
		return d.pool.QueryRow(ctx, d.sql(saveStepSQL),
			step.TaskID, step.JobID, step.RunToken, step.Key, string(step.Result), now, maxSteps, step.BeganAt, step.EndedAt).Scan(&held, &saved)
	})
	if err != nil || !held || saved {
		return step.Result, held, err
	}
	var stored string
	err = d.pool.QueryRow(ctx, d.sql(stepSQL), step.TaskID, step.Key).Scan(&stored)
	if errors.Is(err, pgx.ErrNoRows) { // the task has reached maxSteps
		return nil, true, nil
	}
	return json.RawMessage(stored), true, interpretError(err)
}
