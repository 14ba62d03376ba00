package sqlite

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const failAttemptSQL = `
UPDATE mcp_task
SET attempts = attempts + 1, status_message = ?4, run_token = NULL, updated_at = ?5,
    trace_context = coalesce(nullif(?6, ''), trace_context)
WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working'`

// FailAttempts implements driver.RunDriver.
func (d *Driver) FailAttempts(ctx context.Context, failed []driver.FailedAttempt, now time.Time) ([]string, error) {
	return held(ctx, d, failed, func(tx querier, r driver.FailedAttempt) (string, bool, error) {
		changed, err := exec(ctx, tx, failAttemptSQL, r.TaskID, r.JobID, r.RunToken, r.Message, now.UnixMicro(), r.TraceContext)
		if err == nil && changed {
			err = addEvent(ctx, tx, r.TaskID, r.Event, now)
		}
		return r.TaskID, changed, err
	})
}

const finishSQL = `
UPDATE mcp_task
SET status = ?4, status_message = ?5, outcome = ?6, is_error = ?7,
    job_id = NULL, run_token = NULL, updated_at = ?8, finished_at = ?8,
    expires_at = max(created_at + ttl * 1000, ?8 + ?9 * 1000)
WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working'`

// completeSQL does what River's completer does.
const completeSQL = `
UPDATE river_job SET state = 'completed', finalized_at = datetime('now', 'subsec')
WHERE id = ?1 AND state = 'running' AND args ->> 'task_id' = ?2`

// Finish implements driver.RunDriver.
func (d *Driver) Finish(ctx context.Context, ends []driver.Finish, now time.Time, retention time.Duration) (ids []string, completed []int64, err error) {
	if len(ends) == 0 {
		return nil, nil, nil
	}
	err = d.inBatch(ctx, func(tx batchTx) error {
		ids, completed = nil, nil
		for _, f := range ends {
			held, ran, err := finish(ctx, tx, f, now, retention)
			if err != nil {
				return err
			}
			if held {
				ids = append(ids, f.TaskID)
			}
			if ran {
				completed = append(completed, f.JobID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return ids, completed, nil
}

// finish reports whether the fence held, and whether it completed the job, which was
// running.
func finish(ctx context.Context, tx querier, f driver.Finish, now time.Time, retention time.Duration) (held, ran bool, err error) {
	held, err = exec(ctx, tx, finishSQL, f.TaskID, f.JobID, f.RunToken,
		string(f.Status), f.Message, text(f.Outcome), f.IsError, now.UnixMicro(), retention.Milliseconds())
	if err != nil || !held {
		return false, false, err
	}
	if ran, err = exec(ctx, tx, completeSQL, f.JobID, f.TaskID); err != nil {
		return false, false, err
	}
	return true, ran, addEvent(ctx, tx, f.TaskID, f.Event, now)
}

const eventSQL = `
INSERT INTO mcp_task_event (task_id, at, kind, run_seq, node, detail)
SELECT id, ?2, ?3, run_seq, ?4, ?5 FROM mcp_task WHERE id = ?1`

// addEvent adds the event to the task's timeline, unless its kind is "".
func addEvent(ctx context.Context, tx querier, taskID string, event driver.Event, now time.Time) error {
	if event.Kind == "" {
		return nil
	}
	_, err := exec(ctx, tx, eventSQL, taskID, now.UnixMicro(), event.Kind, event.Node, event.Detail)
	return err
}
