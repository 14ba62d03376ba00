package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const reportSQL = `
UPDATE mcp_task
SET progress = ?4, total = ?5, status_message = ?6, updated_at = ?7
WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working'`

// Report implements driver.RunDriver.
func (d *Driver) Report(ctx context.Context, reports []driver.Report, now time.Time) ([]string, error) {
	return held(ctx, d, reports, func(tx querier, r driver.Report) (string, bool, error) {
		changed, err := exec(ctx, tx, reportSQL, r.TaskID, r.JobID, r.RunToken, r.Done, r.Total, r.Message, now.UnixMicro())
		return r.TaskID, changed, err
	})
}

const saveStepSQL = `
INSERT INTO mcp_task_step (task_id, key, result, node, run_seq, began_at, ended_at)
SELECT id, ?2, ?3, run_node, run_seq, ?5, ?6 FROM mcp_task
WHERE id = ?1 AND (?4 = 0 OR (SELECT count(*) FROM mcp_task_step WHERE task_id = ?1) < ?4)
ON CONFLICT (task_id, key) DO NOTHING`

const stepSQL = `SELECT result FROM mcp_task_step WHERE task_id = ?1 AND key = ?2`

const aliveSQL = `
UPDATE mcp_task SET recoveries = 0, updated_at = ?4
WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working' AND recoveries > 0`

// SaveStep implements driver.RunDriver.
func (d *Driver) SaveStep(
	ctx context.Context, step driver.Step, maxSteps int, now time.Time,
) (result json.RawMessage, held bool, err error) {
	err = d.InTx(ctx, func(tx *sql.Tx) (err error) {
		result = nil
		held, err = holds(ctx, tx, step.Fence)
		if err != nil || !held {
			return err
		}
		saved, err := exec(ctx, tx, saveStepSQL, step.TaskID, step.Key, text(step.Result), maxSteps,
			step.BeganAt.UnixMicro(), step.EndedAt.UnixMicro())
		if err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, stepSQL, step.TaskID, step.Key).Scan((*[]byte)(&result))
		if errors.Is(err, sql.ErrNoRows) { // the task has reached maxSteps
			return nil
		}
		if err != nil || !saved {
			return interpretError(err)
		}
		_, err = exec(ctx, tx, aliveSQL, step.TaskID, step.JobID, step.RunToken, now.UnixMicro())
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return result, held, nil
}
