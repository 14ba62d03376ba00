package postgres

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const failAttemptSQL = `
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
	return d.strings(ctx, failAttemptSQL, ids, jobs, tokens,
		column(failed, func(r driver.FailedAttempt) string { return r.Message }),
		column(failed, func(r driver.FailedAttempt) *string { return nonEmpty(r.TraceContext) }),
		column(failed, func(r driver.FailedAttempt) string { return r.Event.Kind }),
		column(failed, func(r driver.FailedAttempt) string { return r.Event.Node }),
		column(failed, func(r driver.FailedAttempt) string { return r.Event.Detail }),
		now)
}

// Whether to complete the job is decided where it is locked: a condition of the update
// would let the planner use the index of states.
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
