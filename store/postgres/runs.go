package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// Each statement of this file changes only tasks whose fence holds: job_id and
// run_token are the run's. The statements that take many tasks skip what somebody else
// has locked, and lock in the order of ids: they wait for nobody.
//
// A plan is kept that was made while the table was empty, or believed to be, and must
// not read all of it for that. So a task is found by its id from within a subquery that
// is run for each, and changed by where it lies; who has moved it since the statement
// began is as one who has it locked. And its status is not asked for, which would let
// the planner take mcp_task_live: a task has a job only while it is working, by a
// constraint of the table.
//
// And it is kept for batches of one call, too: a planner that saw how few ids there are
// would find its estimate of many dearer than to plan each time, which takes longer than
// what is planned. So it is not shown the ids: they come from a subquery.

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
		if c.RunSeq > 1 || c.Answered { // a first run has nothing behind it
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

const heldSQL = `
SELECT r.run_token FROM unnest((SELECT $1::text[]), $2::bigint[], $3::text[]) AS r (id, job_id, run_token) CROSS JOIN LATERAL (
    SELECT FROM {s}.mcp_task t WHERE t.id = r.id AND t.job_id = r.job_id AND t.run_token = r.run_token OFFSET 0
) t`

// Held implements driver.RunDriver.
func (d *Driver) Held(ctx context.Context, runs []driver.Fence) ([]string, error) {
	ids, jobs, tokens := fences(runs, func(f driver.Fence) driver.Fence { return f })
	return d.strings(ctx, heldSQL, ids, jobs, tokens)
}

// freeSQL selects the tasks of the runs r that hold them and nobody has locked.
const freeSQL = `
    SELECT t.ctid, r.* FROM r CROSS JOIN LATERAL (
        SELECT ctid FROM {s}.mcp_task t WHERE t.id = r.id AND t.job_id = r.job_id AND t.run_token = r.run_token
        FOR NO KEY UPDATE SKIP LOCKED
    ) t`

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

// The task's row is locked under the fence in the same statement: a snapshot
// alone would let the insert of a run pass that has just lost its task.
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
	if errors.Is(err, pgx.ErrNoRows) { // the limit
		return nil, true, nil
	}
	return json.RawMessage(stored), true, interpretError(err)
}

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

const retrySQL = `
WITH r AS (
    SELECT * FROM unnest((SELECT $1::text[]), $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        AS r (id, job_id, run_token, message, trace_context, kind, node, detail) ORDER BY id COLLATE "C"
), free AS (` + freeSQL + `), changed AS (
    UPDATE {s}.mcp_task t
    SET attempts = t.attempts + 1, status_message = free.message, run_token = NULL, updated_at = $9,
        trace_context = coalesce(free.trace_context, t.trace_context)
    FROM free WHERE t.ctid = free.ctid
    RETURNING t.id, t.run_seq, free.kind, free.node, free.detail
), event AS (
    INSERT INTO {s}.mcp_task_event (task_id, at, kind, run_seq, node, detail)
    SELECT id, $9, kind, run_seq, node, detail FROM changed
)
SELECT id FROM changed`

// FailAttempts implements driver.RunDriver.
func (d *Driver) FailAttempts(ctx context.Context, failed []driver.FailedAttempt, now time.Time) ([]string, error) {
	ids, jobs, tokens := fences(failed, func(r driver.FailedAttempt) driver.Fence { return r.Fence })
	return d.strings(ctx, retrySQL, ids, jobs, tokens,
		column(failed, func(r driver.FailedAttempt) string { return r.Message }),
		column(failed, func(r driver.FailedAttempt) *string { return nonEmpty(r.TraceContext) }),
		column(failed, func(r driver.FailedAttempt) string { return r.Event.Kind }),
		column(failed, func(r driver.FailedAttempt) string { return r.Event.Node }),
		column(failed, func(r driver.FailedAttempt) string { return r.Event.Detail }),
		now)
}

// What becomes of the job is decided where it is locked: a condition of the update would
// let the planner go by the index of states.
const finishSQL = `
WITH r AS (
    SELECT * FROM unnest((SELECT $1::text[]), $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
                         $8::text[], $9::text[], $10::text[])
        AS r (id, job_id, run_token, status, message, outcome, is_error, kind, node, detail) ORDER BY id COLLATE "C"
), free AS (` + freeSQL + `), changed AS (
    UPDATE {s}.mcp_task t
    SET status = free.status, status_message = free.message, outcome = free.outcome, is_error = free.is_error,
        job_id = NULL, run_token = NULL, updated_at = $11, finished_at = $11,
        expires_at = greatest(t.created_at + t.ttl * interval '1 millisecond', $11::timestamptz + $12::bigint * interval '1 millisecond')
    FROM free WHERE t.ctid = free.ctid
    RETURNING t.id, t.run_seq, free.job_id, free.kind, free.node, free.detail
), event AS (
    INSERT INTO {s}.mcp_task_event (task_id, at, kind, run_seq, node, detail)
    SELECT id, $11, kind, run_seq, node, detail FROM changed WHERE kind <> ''
), ran AS (
    SELECT j.ctid, j.state = 'running' AND j.args ->> 'task_id' = changed.id AS its
    FROM changed CROSS JOIN LATERAL (
        SELECT ctid, state, args FROM {s}.river_job j WHERE j.id = changed.job_id FOR NO KEY UPDATE SKIP LOCKED
    ) j
), job AS (
    UPDATE {s}.river_job j SET state = 'completed', finalized_at = now()
    FROM ran WHERE j.ctid = ran.ctid AND ran.its
    RETURNING j.id
)
SELECT ARRAY (SELECT id FROM changed), ARRAY (SELECT id FROM job)`

// Finish implements driver.RunDriver.
func (d *Driver) Finish(ctx context.Context, ends []driver.Finish, now time.Time, retention time.Duration) (held []string, completed []int64, err error) {
	ids, jobs, tokens := fences(ends, func(f driver.Finish) driver.Fence { return f.Fence })
	args := []any{
		ids, jobs, tokens,
		column(ends, func(f driver.Finish) string { return string(f.Status) }),
		column(ends, func(f driver.Finish) string { return f.Message }),
		column(ends, func(f driver.Finish) *string { return text(f.Outcome) }),
		column(ends, func(f driver.Finish) bool { return f.IsError }),
		column(ends, func(f driver.Finish) string { return f.Event.Kind }),
		column(ends, func(f driver.Finish) string { return f.Event.Node }),
		column(ends, func(f driver.Finish) string { return f.Event.Detail }),
		now, retention.Milliseconds(),
	}
	err = repeat(ctx, func() error { return d.pool.QueryRow(ctx, d.sql(finishSQL), args...).Scan(&held, &completed) })
	return held, completed, err
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

func fences[T any](items []T, fence func(T) driver.Fence) (ids []string, jobs []int64, tokens []string) {
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
