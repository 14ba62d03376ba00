package postgres

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const claimSQL = `
WITH c AS (
    SELECT * FROM unnest((SELECT $1::text[]), $2::bigint[], $3::text[]) AS c (id, job_id, run_token) ORDER BY id COLLATE "C"
), free AS (
    SELECT t.ctid, c.run_token FROM c CROSS JOIN LATERAL (
        SELECT ctid FROM {s}.mcp_task t WHERE t.id = c.id AND t.job_id = c.job_id AND t.tool = ANY ($4)
        FOR NO KEY UPDATE SKIP LOCKED
    ) t
)
UPDATE {s}.mcp_task t
SET run_token = free.run_token, run_seq = t.run_seq + 1, run_node = $5, run_at = $6, updated_at = $6
FROM free WHERE t.ctid = free.ctid
RETURNING t.id, t.job_id, t.run_token, t.owner, t.tool, t.args, t.request_meta, coalesce(t.trace_context, ''),
          t.run_seq, t.attempts, t.max_attempts, t.run_timeout, t.deadline_at,
          EXISTS (SELECT FROM {s}.mcp_task_input i WHERE i.task_id = t.id)`

const stepsSQL = `SELECT task_id, key, result FROM {s}.mcp_task_step WHERE task_id = ANY ((SELECT $1::text[])::text[])`

const askedSQL = `
SELECT task_id, key, method, params, response, answered_at IS NOT NULL
FROM {s}.mcp_task_input WHERE task_id = ANY ((SELECT $1::text[])::text[])`

// Claim implements driver.RunDriver.
func (d *Driver) Claim(ctx context.Context, claims []driver.Fence, tools []string, node string, now time.Time) ([]*driver.Claimed, error) {
	ids, jobs, tokens := fences(claims, func(f driver.Fence) driver.Fence { return f })
	var claimed []*driver.Claimed
	err := repeat(ctx, func() error {
		rows, err := d.pool.Query(ctx, d.sql(claimSQL), ids, jobs, tokens, tools, node, now)
		if err != nil {
			return err
		}
		claimed, err = pgx.CollectRows(rows, scanClaimed)
		return err
	})
	if err != nil {
		return nil, err
	}

	again := make(map[string]*driver.Claimed)
	for _, c := range claimed {
		if c.RunSeq > 1 || c.Answered { // nothing is recorded before a first run
			again[c.TaskID] = c
		}
	}
	return claimed, d.readRecorded(ctx, again)
}

// readRecorded reads what earlier runs of the tasks recorded, in one round trip.
func (d *Driver) readRecorded(ctx context.Context, tasks map[string]*driver.Claimed) error {
	if len(tasks) == 0 {
		return nil
	}
	ids := slices.Collect(maps.Keys(tasks))
	for _, c := range tasks {
		c.Recorded = driver.Recorded{Steps: make(map[string]json.RawMessage), Questions: make(map[string]mcptasks.Question)}
	}
	var id, key, result string
	batch := &pgx.Batch{}
	batch.Queue(d.sql(stepsSQL), ids).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&id, &key, &result}, func() error {
			tasks[id].Steps[key] = json.RawMessage(result)
			return nil
		})
		return err
	})
	batch.Queue(d.sql(askedSQL), ids).Query(func(rows pgx.Rows) error {
		var q questionRow
		_, err := pgx.ForEachRow(rows, append([]any{&id}, q.fields()...), func() error {
			tasks[id].Questions[q.key] = q.decode()
			return nil
		})
		return err
	})
	return interpretError(d.pool.SendBatch(ctx, batch).Close())
}

// questionRow is a row of mcp_task_input.
type questionRow struct {
	key, method, params string
	response            *string
	closed              bool
}

func (r *questionRow) fields() []any {
	return []any{&r.key, &r.method, &r.params, &r.response, &r.closed}
}

func (r *questionRow) decode() mcptasks.Question {
	q := mcptasks.Question{Method: r.method, Params: json.RawMessage(r.params), Expired: r.closed && r.response == nil}
	if r.response != nil {
		q.Response = json.RawMessage(*r.response)
	}
	return q
}

func scanClaimed(row pgx.CollectableRow) (*driver.Claimed, error) {
	var (
		c          driver.Claimed
		args, meta *string
		runTimeout int64
		deadlineAt *time.Time
	)
	err := row.Scan(&c.TaskID, &c.JobID, &c.RunToken, &c.Owner, &c.Tool, &args, &meta, &c.TraceContext,
		&c.RunSeq, &c.Attempts, &c.MaxAttempts, &runTimeout, &deadlineAt, &c.Answered)
	if args != nil {
		c.Arguments = json.RawMessage(*args)
	}
	if meta != nil {
		c.RequestMeta = json.RawMessage(*meta)
	}
	if deadlineAt != nil {
		c.DeadlineAt = deadlineAt.UTC()
	}
	c.RunTimeout = time.Duration(runTimeout) * time.Millisecond
	return &c, err
}

const toolOfSQL = `SELECT tool FROM {s}.mcp_task WHERE id = $1 AND job_id = $2`

// ToolOf implements driver.RunDriver.
func (d *Driver) ToolOf(ctx context.Context, taskID string, jobID int64) (string, error) {
	var tool string
	err := d.pool.QueryRow(ctx, d.sql(toolOfSQL), taskID, jobID).Scan(&tool)
	return tool, interpretError(err)
}
