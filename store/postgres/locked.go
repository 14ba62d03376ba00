package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const lockSQL = `
SELECT id, owner, tool, status, status_message, ttl, poll_interval, created_at, updated_at, expires_at,
       queue, priority, args, request_meta, coalesce(trace_context, ''), coalesce(job_id, 0), run_token IS NOT NULL, recoveries,
       max_attempts, run_timeout, deadline_at
FROM {s}.mcp_task
WHERE id = $1`

// LockOwned implements driver.LockDriver.
func (d *Driver) LockOwned(ctx context.Context, tx pgx.Tx, owner mcptasks.Owner, id string, now time.Time) (*driver.Locked, error) {
	const owned = lockSQL + ` AND owner = $2 AND (expires_at IS NULL OR expires_at > $3) FOR UPDATE`
	return scanLocked(tx.QueryRow(ctx, d.sql(owned), id, string(owner), now))
}

// Lock implements driver.LockDriver.
func (d *Driver) Lock(ctx context.Context, tx pgx.Tx, id string, nowait bool) (*driver.Locked, error) {
	query := lockSQL + ` FOR UPDATE`
	if nowait {
		query += ` NOWAIT`
	}
	return scanLocked(tx.QueryRow(ctx, d.sql(query), id))
}

func scanLocked(row pgx.Row) (*driver.Locked, error) {
	var (
		locked     driver.Locked
		task       taskRow
		args, meta *string
		runTimeout int64
		deadlineAt *time.Time
	)
	err := row.Scan(append(task.fields(), &locked.Queue, &locked.Priority, &args, &meta, &locked.TraceContext,
		&locked.JobID, &locked.Running, &locked.Recoveries,
		&locked.MaxAttempts, &runTimeout, &deadlineAt)...)
	if err != nil {
		return nil, interpretError(err)
	}
	locked.Task = *task.decode()
	locked.RunTimeout = time.Duration(runTimeout) * time.Millisecond
	if args != nil {
		locked.Arguments = json.RawMessage(*args)
	}
	if meta != nil {
		locked.RequestMeta = json.RawMessage(*meta)
	}
	if deadlineAt != nil {
		locked.DeadlineAt = deadlineAt.UTC()
	}
	return &locked, nil
}

const questionsSQL = `
SELECT key, method, params, response, answered_at IS NOT NULL FROM {s}.mcp_task_input WHERE task_id = $1`

// Questions implements driver.LockDriver.
func (d *Driver) Questions(ctx context.Context, tx pgx.Tx, id string) (map[string]mcptasks.Question, error) {
	rows, err := tx.Query(ctx, d.sql(questionsSQL), id)
	if err != nil {
		return nil, interpretError(err)
	}
	questions := make(map[string]mcptasks.Question)
	var q questionRow
	_, err = pgx.ForEachRow(rows, q.fields(), func() error {
		questions[q.key] = q.decode()
		return nil
	})
	return questions, interpretError(err)
}

const answerSQL = `
WITH answered AS (
    UPDATE {s}.mcp_task_input SET response = $3, answered_at = $4
    WHERE task_id = $1 AND key = $2 AND answered_at IS NULL
    RETURNING task_id
)
UPDATE {s}.mcp_task t SET recoveries = 0, updated_at = $4 FROM answered WHERE t.id = answered.task_id`

// Answer implements driver.LockDriver.
func (d *Driver) Answer(ctx context.Context, tx pgx.Tx, id, key string, response json.RawMessage, now time.Time) error {
	_, err := tx.Exec(ctx, d.sql(answerSQL), id, key, string(response), now)
	return interpretError(err)
}

const expireQuestionsSQL = `
UPDATE {s}.mcp_task_input SET answered_at = $2 WHERE task_id = $1 AND answered_at IS NULL AND deadline_at < $2`

// ExpireQuestions implements driver.LockDriver.
func (d *Driver) ExpireQuestions(ctx context.Context, tx pgx.Tx, id string, now time.Time) (int, error) {
	expired, err := tx.Exec(ctx, d.sql(expireQuestionsSQL), id, now)
	return int(expired.RowsAffected()), interpretError(err)
}

const requeueSQL = `
WITH changed AS (
    UPDATE {s}.mcp_task
    SET status = 'working', job_id = $2, run_token = NULL, recoveries = $3, updated_at = $7,
        trace_context = coalesce(nullif($8, ''), trace_context)
    WHERE id = $1 AND status IN ('working', 'input_required')
    RETURNING id, run_seq
)
INSERT INTO {s}.mcp_task_event (task_id, at, kind, run_seq, node, detail)
SELECT id, $7, $4, run_seq, $5, $6 FROM changed WHERE $4 <> ''`

// Requeue implements driver.LockDriver.
func (d *Driver) Requeue(
	ctx context.Context, tx pgx.Tx, id string, jobID int64, recoveries int, traceContext string, event driver.Event, now time.Time,
) error {
	_, err := tx.Exec(ctx, d.sql(requeueSQL), id, jobID, recoveries, event.Kind, event.Node, event.Detail, now, traceContext)
	return interpretError(err)
}

const endSQL = `
WITH changed AS (
    UPDATE {s}.mcp_task t
    SET status = $2, status_message = $3, outcome = $4, is_error = $5,
        job_id = NULL, run_token = NULL, updated_at = $9, finished_at = $9,
        expires_at = greatest(t.created_at + t.ttl * interval '1 millisecond', $9::timestamptz + $10::bigint * interval '1 millisecond')
    WHERE id = $1 AND status IN ('working', 'input_required')
    RETURNING id, run_seq
)
INSERT INTO {s}.mcp_task_event (task_id, at, kind, run_seq, node, detail)
SELECT id, $9, $6, run_seq, $7, $8 FROM changed WHERE $6 <> ''`

// End implements driver.LockDriver.
func (d *Driver) End(ctx context.Context, tx pgx.Tx, end driver.Finish, now time.Time, retention time.Duration) error {
	_, err := tx.Exec(ctx, d.sql(endSQL), end.TaskID, string(end.Status), end.Message, text(end.Outcome), end.IsError,
		end.Event.Kind, end.Event.Node, end.Event.Detail, now, retention.Milliseconds())
	return interpretError(err)
}

const deleteSQL = `DELETE FROM {s}.mcp_task WHERE id = $1`

// Delete implements driver.LockDriver.
func (d *Driver) Delete(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := tx.Exec(ctx, d.sql(deleteSQL), id)
	return interpretError(err)
}

const jobStateSQL = `
SELECT state::text, coalesce(attempted_by[array_upper(attempted_by, 1)], '') FROM {s}.river_job
WHERE id = $1 AND kind = 'mcptask' AND coalesce(args ->> 'task_id', '') = $2
FOR UPDATE`

// JobState implements driver.LockDriver.
func (d *Driver) JobState(ctx context.Context, tx pgx.Tx, jobID int64, taskID string) (state, node string, err error) {
	err = tx.QueryRow(ctx, d.sql(jobStateSQL), jobID, taskID).Scan(&state, &node)
	return state, node, interpretError(err)
}

const discardJobSQL = `
UPDATE {s}.river_job j SET state = 'discarded', finalized_at = $3
WHERE id = $1 AND kind = 'mcptask' AND state = 'running' AND coalesce(attempted_by[array_upper(attempted_by, 1)], '') = $2
  AND NOT ` + isTasksSQL

// DiscardJob implements driver.LockDriver.
func (d *Driver) DiscardJob(ctx context.Context, tx pgx.Tx, job driver.Job, now time.Time) error {
	_, err := tx.Exec(ctx, d.sql(discardJobSQL), job.ID, job.Node, now)
	return interpretError(err)
}

const countEventsSQL = `SELECT count(*) FROM {s}.mcp_task_event WHERE task_id = $1 AND kind = $2`

// CountEvents implements driver.LockDriver.
func (d *Driver) CountEvents(ctx context.Context, tx pgx.Tx, id, kind string) (n int, err error) {
	err = tx.QueryRow(ctx, d.sql(countEventsSQL), id, kind).Scan(&n)
	return n, interpretError(err)
}
