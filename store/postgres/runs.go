package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/store"
)

// Each statement of this file changes only tasks whose fence holds: job_id and
// run_token are the run's, and the status is working.

const claimSQL = `
UPDATE {s}.mcp_task t
SET run_token = c.run_token, run_seq = t.run_seq + 1, updated_at = $5
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS c (id, job_id, run_token)
WHERE t.id = c.id AND t.job_id = c.job_id AND t.status = 'working' AND t.tool = ANY ($4)
RETURNING t.id, t.job_id, t.run_token, t.owner, t.tool, t.args, t.request_meta,
          t.run_seq, t.attempts, t.max_attempts, t.run_timeout`

const stepsSQL = `SELECT task_id, key, result FROM {s}.mcp_task_step WHERE task_id = ANY ($1)`

// Claim implements store.Driver.
func (d *Driver) Claim(ctx context.Context, claims []store.Fence, tools []string, now time.Time) ([]*store.Claimed, error) {
	ids, jobs, tokens := fences(claims, func(f store.Fence) store.Fence { return f })
	var claimed []*store.Claimed
	err := repeat(ctx, func() error {
		rows, err := d.pool.Query(ctx, d.sql(claimSQL), ids, jobs, tokens, tools, now)
		if err != nil {
			return err
		}
		claimed, err = pgx.CollectRows(rows, scanClaimed)
		return err
	})
	if err != nil {
		return nil, err
	}

	again := make(map[string]*store.Claimed)
	for _, c := range claimed {
		if c.RunSeq > 1 { // a first run has no steps behind it
			again[c.TaskID] = c
			c.Steps = make(map[string]json.RawMessage)
		}
	}
	if len(again) == 0 {
		return claimed, nil
	}
	rows, err := d.pool.Query(ctx, d.sql(stepsSQL), ids)
	if err != nil {
		return nil, interpretError(err)
	}
	var id, key, result string
	_, err = pgx.ForEachRow(rows, []any{&id, &key, &result}, func() error {
		if c := again[id]; c != nil {
			c.Steps[key] = json.RawMessage(result)
		}
		return nil
	})
	return claimed, interpretError(err)
}

func scanClaimed(row pgx.CollectableRow) (*store.Claimed, error) {
	var (
		c          store.Claimed
		args, meta *string
		runTimeout int64
	)
	err := row.Scan(&c.TaskID, &c.JobID, &c.RunToken, &c.Owner, &c.Tool, &args, &meta,
		&c.RunSeq, &c.Attempts, &c.MaxAttempts, &runTimeout)
	if args != nil {
		c.Arguments = json.RawMessage(*args)
	}
	if meta != nil {
		c.RequestMeta = json.RawMessage(*meta)
	}
	c.RunTimeout = time.Duration(runTimeout) * time.Millisecond
	return &c, err
}

const toolOfSQL = `SELECT tool FROM {s}.mcp_task WHERE id = $1 AND job_id = $2 AND status = 'working'`

// ToolOf implements store.Driver.
func (d *Driver) ToolOf(ctx context.Context, taskID string, jobID int64) (string, error) {
	var tool string
	err := d.pool.QueryRow(ctx, d.sql(toolOfSQL), taskID, jobID).Scan(&tool)
	return tool, interpretError(err)
}

const heldSQL = `
SELECT t.run_token FROM {s}.mcp_task t
JOIN unnest($1::text[], $2::bigint[], $3::text[]) AS r (id, job_id, run_token)
  ON t.id = r.id AND t.job_id = r.job_id AND t.run_token = r.run_token AND t.status = 'working'`

// Held implements store.Driver.
func (d *Driver) Held(ctx context.Context, runs []store.Fence) ([]string, error) {
	ids, jobs, tokens := fences(runs, func(f store.Fence) store.Fence { return f })
	return d.strings(ctx, heldSQL, ids, jobs, tokens)
}

const reportSQL = `
UPDATE {s}.mcp_task t
SET progress = r.done, total = r.total, status_message = r.message, updated_at = $7
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::float8[], $5::float8[], $6::text[])
     AS r (id, job_id, run_token, done, total, message)
WHERE t.id = r.id AND t.job_id = r.job_id AND t.run_token = r.run_token AND t.status = 'working'
RETURNING t.id`

// Report implements store.Driver.
func (d *Driver) Report(ctx context.Context, reports []store.Report, now time.Time) ([]string, error) {
	ids, jobs, tokens := fences(reports, func(r store.Report) store.Fence { return r.Fence })
	return d.strings(ctx, reportSQL, ids, jobs, tokens,
		column(reports, func(r store.Report) float64 { return r.Done }),
		column(reports, func(r store.Report) float64 { return r.Total }),
		column(reports, func(r store.Report) string { return r.Message }),
		now)
}

// The task's row is locked under the fence in the same statement: a snapshot
// alone would let the insert of a run pass that has just lost its task.
const saveStepSQL = `
WITH held AS (
    SELECT id, recoveries FROM {s}.mcp_task
    WHERE id = $1 AND job_id = $2 AND run_token = $3 AND status = 'working'
    FOR NO KEY UPDATE
), saved AS (
    INSERT INTO {s}.mcp_task_step (task_id, key, result) SELECT id, $4, $5 FROM held
    ON CONFLICT (task_id, key) DO NOTHING
    RETURNING key
), alive AS (
    UPDATE {s}.mcp_task t SET recoveries = 0, updated_at = $6
    FROM held WHERE t.id = held.id AND held.recoveries > 0
)
SELECT EXISTS (SELECT FROM held), EXISTS (SELECT FROM saved)`

const stepSQL = `SELECT result FROM {s}.mcp_task_step WHERE task_id = $1 AND key = $2`

// SaveStep implements store.Driver.
func (d *Driver) SaveStep(ctx context.Context, step store.Step, now time.Time) (json.RawMessage, bool, error) {
	var held, saved bool
	err := repeat(ctx, func() error {
		return d.pool.QueryRow(ctx, d.sql(saveStepSQL),
			step.TaskID, step.JobID, step.RunToken, step.Key, string(step.Result), now).Scan(&held, &saved)
	})
	if err != nil || !held || saved {
		return step.Result, held, err
	}
	var stored string
	err = d.pool.QueryRow(ctx, d.sql(stepSQL), step.TaskID, step.Key).Scan(&stored)
	return json.RawMessage(stored), true, interpretError(err)
}

const retrySQL = `
WITH changed AS (
    UPDATE {s}.mcp_task t
    SET attempts = t.attempts + 1, status_message = r.message, run_token = NULL, updated_at = $8
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
         AS r (id, job_id, run_token, message, kind, node, detail)
    WHERE t.id = r.id AND t.job_id = r.job_id AND t.run_token = r.run_token AND t.status = 'working'
    RETURNING t.id, t.run_seq, r.kind, r.node, r.detail
), event AS (
    INSERT INTO {s}.mcp_task_event (task_id, at, kind, run_seq, node, detail)
    SELECT id, $8, kind, run_seq, node, detail FROM changed
)
SELECT id FROM changed`

// Retry implements store.Driver.
func (d *Driver) Retry(ctx context.Context, retries []store.Retry, now time.Time) ([]string, error) {
	ids, jobs, tokens := fences(retries, func(r store.Retry) store.Fence { return r.Fence })
	return d.strings(ctx, retrySQL, ids, jobs, tokens,
		column(retries, func(r store.Retry) string { return r.Message }),
		column(retries, func(r store.Retry) string { return r.Event.Kind }),
		column(retries, func(r store.Retry) string { return r.Event.Node }),
		column(retries, func(r store.Retry) string { return r.Event.Detail }),
		now)
}

const finishSQL = `
WITH changed AS (
    UPDATE {s}.mcp_task t
    SET status = f.status, status_message = f.message, outcome = f.outcome, is_error = f.is_error,
        job_id = NULL, run_token = NULL, updated_at = $11, finished_at = $11,
        expires_at = greatest(t.created_at + t.ttl * interval '1 millisecond', $11::timestamptz + $12::bigint * interval '1 millisecond')
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
                $8::text[], $9::text[], $10::text[])
         AS f (id, job_id, run_token, status, message, outcome, is_error, kind, node, detail)
    WHERE t.id = f.id AND t.job_id = f.job_id AND t.run_token = f.run_token AND t.status = 'working'
    RETURNING t.id, t.run_seq, f.kind, f.node, f.detail
), event AS (
    INSERT INTO {s}.mcp_task_event (task_id, at, kind, run_seq, node, detail)
    SELECT id, $11, kind, run_seq, node, detail FROM changed WHERE kind <> ''
)
SELECT id FROM changed`

// Finish implements store.Driver.
func (d *Driver) Finish(ctx context.Context, ends []store.Finish, now time.Time, retention time.Duration) ([]string, error) {
	ids, jobs, tokens := fences(ends, func(f store.Finish) store.Fence { return f.Fence })
	return d.strings(ctx, finishSQL, ids, jobs, tokens,
		column(ends, func(f store.Finish) string { return string(f.Status) }),
		column(ends, func(f store.Finish) string { return f.Message }),
		column(ends, func(f store.Finish) *string { return text(f.Outcome) }),
		column(ends, func(f store.Finish) bool { return f.IsError }),
		column(ends, func(f store.Finish) string { return f.Event.Kind }),
		column(ends, func(f store.Finish) string { return f.Event.Node }),
		column(ends, func(f store.Finish) string { return f.Event.Detail }),
		now, retention.Milliseconds())
}

// strings runs a statement that returns one text column.
func (d *Driver) strings(ctx context.Context, query string, args ...any) ([]string, error) {
	var values []string
	err := repeat(ctx, func() error {
		rows, err := d.pool.Query(ctx, d.sql(query), args...)
		if err != nil {
			return err
		}
		values, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return values, err
}

func fences[T any](items []T, fence func(T) store.Fence) (ids []string, jobs []int64, tokens []string) {
	for _, item := range items {
		f := fence(item)
		ids, jobs, tokens = append(ids, f.TaskID), append(jobs, f.JobID), append(tokens, f.RunToken)
	}
	return ids, jobs, tokens
}

func column[T, V any](items []T, value func(T) V) []V {
	values := make([]V, len(items))
	for i, item := range items {
		values[i] = value(item)
	}
	return values
}
