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
	if c.RunSeq > 1 || c.Answered { // nothing is recorded before a first run
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
