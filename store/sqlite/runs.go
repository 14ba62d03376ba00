package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/mcptasks/mcptasks/store"
)

// Each UPDATE of this file changes only a task whose fence holds: job_id and
// run_token are the run's, and the status is working. What else a method writes
// follows in the same transaction, only if it did.

const claimSQL = `
UPDATE mcp_task
SET run_token = ?3, run_seq = run_seq + 1, updated_at = ?5
WHERE id = ?1 AND job_id = ?2 AND status = 'working' AND tool IN (SELECT value FROM json_each(?4))
RETURNING owner, tool, args, request_meta, run_seq, attempts, max_attempts, run_timeout`

const stepsSQL = `SELECT key, result FROM mcp_task_step WHERE task_id = ?1`

// Claim implements store.Driver.
func (d *Driver) Claim(ctx context.Context, claims []store.Fence, tools []string, now time.Time) ([]*store.Claimed, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	names, err := json.Marshal(tools)
	if err != nil {
		return nil, err
	}
	var claimed []*store.Claimed
	err = d.InTx(ctx, func(tx *sql.Tx) error {
		claimed = nil
		for _, fence := range claims {
			c, err := claim(ctx, tx, fence, string(names), now)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return interpretError(err)
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

func claim(ctx context.Context, tx *sql.Tx, fence store.Fence, tools string, now time.Time) (*store.Claimed, error) {
	c := &store.Claimed{Fence: fence}
	var (
		args, meta []byte
		runTimeout int64
	)
	err := tx.QueryRowContext(ctx, claimSQL, fence.TaskID, fence.JobID, fence.RunToken, tools, now.UnixMicro()).Scan(
		&c.Owner, &c.Tool, &args, &meta, &c.RunSeq, &c.Attempts, &c.MaxAttempts, &runTimeout)
	if err != nil {
		return nil, err
	}
	c.Arguments, c.RequestMeta = args, meta
	c.RunTimeout = time.Duration(runTimeout) * time.Millisecond
	if c.RunSeq > 1 { // a first run has no steps behind it
		c.Steps, err = steps(ctx, tx, fence.TaskID)
	}
	return c, err
}

func steps(ctx context.Context, tx *sql.Tx, taskID string) (map[string]json.RawMessage, error) {
	rows, err := tx.QueryContext(ctx, stepsSQL, taskID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	results := make(map[string]json.RawMessage)
	for rows.Next() {
		var key string
		var result []byte
		if err := rows.Scan(&key, &result); err != nil {
			return nil, err
		}
		results[key] = result
	}
	return results, rows.Err()
}

const toolOfSQL = `SELECT tool FROM mcp_task WHERE id = ?1 AND job_id = ?2 AND status = 'working'`

// ToolOf implements store.Driver.
func (d *Driver) ToolOf(ctx context.Context, taskID string, jobID int64) (string, error) {
	var tool string
	err := d.reader.QueryRowContext(ctx, toolOfSQL, taskID, jobID).Scan(&tool)
	return tool, interpretError(err)
}

const heldSQL = `SELECT EXISTS (SELECT 1 FROM mcp_task WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working')`

// Held implements store.Driver.
func (d *Driver) Held(ctx context.Context, runs []store.Fence) ([]string, error) {
	var tokens []string
	for _, run := range runs {
		var held bool
		if err := d.reader.QueryRowContext(ctx, heldSQL, run.TaskID, run.JobID, run.RunToken).Scan(&held); err != nil {
			return nil, interpretError(err)
		}
		if held {
			tokens = append(tokens, run.RunToken)
		}
	}
	return tokens, nil
}

const reportSQL = `
UPDATE mcp_task
SET progress = ?4, total = ?5, status_message = ?6, updated_at = ?7
WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working'`

// Report implements store.Driver.
func (d *Driver) Report(ctx context.Context, reports []store.Report, now time.Time) ([]string, error) {
	return held(ctx, d, reports, func(tx *sql.Tx, r store.Report) (string, bool, error) {
		changed, err := exec(ctx, tx, reportSQL, r.TaskID, r.JobID, r.RunToken, r.Done, r.Total, r.Message, now.UnixMicro())
		return r.TaskID, changed, err
	})
}

const aliveSQL = `
UPDATE mcp_task
SET recoveries = 0, updated_at = CASE WHEN recoveries > 0 THEN ?4 ELSE updated_at END
WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working'`

const saveStepSQL = `
INSERT INTO mcp_task_step (task_id, key, result) VALUES (?1, ?2, ?3)
ON CONFLICT (task_id, key) DO NOTHING`

const stepSQL = `SELECT result FROM mcp_task_step WHERE task_id = ?1 AND key = ?2`

// SaveStep implements store.Driver.
func (d *Driver) SaveStep(ctx context.Context, step store.Step, now time.Time) (json.RawMessage, bool, error) {
	var (
		result []byte
		held   bool
	)
	err := d.InTx(ctx, func(tx *sql.Tx) (err error) {
		held, err = exec(ctx, tx, aliveSQL, step.TaskID, step.JobID, step.RunToken, now.UnixMicro())
		if err != nil || !held {
			return err
		}
		if _, err := exec(ctx, tx, saveStepSQL, step.TaskID, step.Key, text(step.Result)); err != nil {
			return err
		}
		return interpretError(tx.QueryRowContext(ctx, stepSQL, step.TaskID, step.Key).Scan(&result))
	})
	if err != nil || !held {
		return nil, false, err
	}
	return result, true, nil
}

const retrySQL = `
UPDATE mcp_task
SET attempts = attempts + 1, status_message = ?4, run_token = NULL, updated_at = ?5
WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working'`

// Retry implements store.Driver.
func (d *Driver) Retry(ctx context.Context, retries []store.Retry, now time.Time) ([]string, error) {
	return held(ctx, d, retries, func(tx *sql.Tx, r store.Retry) (string, bool, error) {
		changed, err := exec(ctx, tx, retrySQL, r.TaskID, r.JobID, r.RunToken, r.Message, now.UnixMicro())
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

// Finish implements store.Driver.
func (d *Driver) Finish(ctx context.Context, ends []store.Finish, now time.Time, retention time.Duration) ([]string, error) {
	return held(ctx, d, ends, func(tx *sql.Tx, f store.Finish) (string, bool, error) {
		changed, err := exec(ctx, tx, finishSQL, f.TaskID, f.JobID, f.RunToken,
			string(f.Status), f.Message, text(f.Outcome), f.IsError, now.UnixMicro(), retention.Milliseconds())
		if err == nil && changed && f.Event.Kind != "" {
			err = addEvent(ctx, tx, f.TaskID, f.Event, now)
		}
		return f.TaskID, changed, err
	})
}

const eventSQL = `
INSERT INTO mcp_task_event (task_id, at, kind, run_seq, node, detail)
SELECT id, ?2, ?3, run_seq, ?4, ?5 FROM mcp_task WHERE id = ?1`

func addEvent(ctx context.Context, tx *sql.Tx, taskID string, event store.Event, now time.Time) error {
	_, err := exec(ctx, tx, eventSQL, taskID, now.UnixMicro(), event.Kind, event.Node, event.Detail)
	return err
}

// held writes the items in one transaction and returns the ids of the tasks that
// were changed.
func held[T any](ctx context.Context, d *Driver, items []T, write func(*sql.Tx, T) (id string, changed bool, err error)) ([]string, error) {
	if len(items) == 0 {
		return nil, nil
	}
	var ids []string
	err := d.InTx(ctx, func(tx *sql.Tx) error {
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
