package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// Each UPDATE of this file changes only a task whose fence holds: job_id and
// run_token are the run's, and the status is working. What else a method writes
// is written in the same transaction, only if the fence held.

const claimSQL = `
UPDATE mcp_task
SET run_token = ?3, run_seq = run_seq + 1, run_node = ?5, run_at = ?6, updated_at = ?6
WHERE id = ?1 AND job_id = ?2 AND status = 'working' AND tool IN (SELECT value FROM json_each(?4))
RETURNING owner, tool, args, request_meta, coalesce(trace_context, ''), run_seq, attempts, max_attempts, run_timeout, deadline_at,
          EXISTS (SELECT 1 FROM mcp_task_input WHERE task_id = mcp_task.id)`

// Claim implements driver.RunDriver.
func (d *Driver) Claim(ctx context.Context, claims []driver.Fence, tools []string, node string, now time.Time) ([]*driver.Claimed, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	names, err := array(tools)
	if err != nil {
		return nil, err
	}
	var claimed []*driver.Claimed
	err = d.inBatch(ctx, func(tx batchTx) error {
		claimed = nil
		for _, fence := range claims {
			c, err := claim(ctx, tx, fence, names, node, now)
			if errors.Is(err, mcptasks.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			claimed = append(claimed, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

func claim(ctx context.Context, tx querier, fence driver.Fence, tools, node string, now time.Time) (*driver.Claimed, error) {
	c := &driver.Claimed{Fence: fence}
	var (
		args, meta []byte
		runTimeout int64
		deadlineAt sql.NullInt64
	)
	err := tx.QueryRowContext(ctx, claimSQL, fence.TaskID, fence.JobID, fence.RunToken, tools, node, now.UnixMicro()).Scan(
		&c.Owner, &c.Tool, &args, &meta, &c.TraceContext, &c.RunSeq, &c.Attempts, &c.MaxAttempts, &runTimeout, &deadlineAt, &c.Answered)
	if err != nil {
		return nil, interpretError(err)
	}
	c.Arguments, c.RequestMeta = args, meta
	c.RunTimeout = time.Duration(runTimeout) * time.Millisecond
	c.DeadlineAt = microsOrZero(deadlineAt)
	if c.RunSeq > 1 || c.Answered { // a first run has none behind it that could have recorded anything
		c.Recorded, err = recorded(ctx, tx, fence.TaskID)
	}
	return c, err
}

const stepsSQL = `SELECT key, result FROM mcp_task_step WHERE task_id = ?1`

func recorded(ctx context.Context, tx querier, taskID string) (driver.Recorded, error) {
	steps := make(map[string]json.RawMessage)
	err := each(ctx, tx, stepsSQL, []any{taskID}, func(row scanner) error {
		var (
			key    string
			result []byte
		)
		err := row.Scan(&key, &result)
		steps[key] = result
		return err
	})
	if err != nil {
		return driver.Recorded{}, err
	}
	asked, err := questions(ctx, tx, questionsSQL, taskID)
	return driver.Recorded{Steps: steps, Questions: asked}, err
}

const toolOfSQL = `SELECT tool FROM mcp_task WHERE id = ?1 AND job_id = ?2 AND status = 'working'`

// ToolOf implements driver.RunDriver.
func (d *Driver) ToolOf(ctx context.Context, taskID string, jobID int64) (string, error) {
	var tool string
	err := d.reader.QueryRowContext(ctx, toolOfSQL, taskID, jobID).Scan(&tool)
	return tool, interpretError(err)
}

const heldSQL = `SELECT EXISTS (SELECT 1 FROM mcp_task WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working')`

// Held implements driver.RunDriver.
func (d *Driver) Held(ctx context.Context, runs []driver.Fence) ([]string, error) {
	var tokens []string
	for _, run := range runs {
		held, err := holds(ctx, d.reader, run)
		if err != nil {
			return nil, err
		}
		if held {
			tokens = append(tokens, run.RunToken)
		}
	}
	return tokens, nil
}

// holds says whether the fence holds, in a transaction that writes for as long as
// it lasts: nobody else writes meanwhile.
func holds(ctx context.Context, db querier, fence driver.Fence) (held bool, err error) {
	err = db.QueryRowContext(ctx, heldSQL, fence.TaskID, fence.JobID, fence.RunToken).Scan(&held)
	return held, interpretError(err)
}

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
		if errors.Is(err, sql.ErrNoRows) { // the task has maxSteps others
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

const retrySQL = `
UPDATE mcp_task
SET attempts = attempts + 1, status_message = ?4, run_token = NULL, updated_at = ?5,
    trace_context = coalesce(nullif(?6, ''), trace_context)
WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working'`

// FailAttempts implements driver.RunDriver.
func (d *Driver) FailAttempts(ctx context.Context, failed []driver.FailedAttempt, now time.Time) ([]string, error) {
	return held(ctx, d, failed, func(tx querier, r driver.FailedAttempt) (string, bool, error) {
		changed, err := exec(ctx, tx, retrySQL, r.TaskID, r.JobID, r.RunToken, r.Message, now.UnixMicro(), r.TraceContext)
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

// completeSQL is as River's completer does it.
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

// finish says whether the fence held, and whether the job was running and is completed.
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

// addEvent adds the event to the task's timeline, if it is one.
func addEvent(ctx context.Context, tx querier, taskID string, event driver.Event, now time.Time) error {
	if event.Kind == "" {
		return nil
	}
	_, err := exec(ctx, tx, eventSQL, taskID, now.UnixMicro(), event.Kind, event.Node, event.Detail)
	return err
}

// held writes the items in one transaction and returns the ids of the tasks that
// were changed.
func held[T any](ctx context.Context, d *Driver, items []T, write func(querier, T) (id string, changed bool, err error)) ([]string, error) {
	if len(items) == 0 {
		return nil, nil
	}
	var ids []string
	err := d.inBatch(ctx, func(tx batchTx) error {
		ids = nil
		for _, item := range items {
			id, changed, err := write(tx, item)
			if err != nil {
				return err
			}
			if changed {
				ids = append(ids, id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}
