package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// The writing transaction is the lock: there is one at a time. Locking a task is reading
// it. There is no other lock to wait for or to skip.

const lockSQL = `
SELECT ` + taskColumns + `, queue, priority, args, request_meta, coalesce(trace_context, ''), coalesce(job_id, 0),
       run_token IS NOT NULL, recoveries, max_attempts, run_timeout, deadline_at
FROM mcp_task
WHERE id = ?1`

const lockOwnedSQL = lockSQL + ` AND owner = ?2 AND (expires_at IS NULL OR expires_at > ?3)`

// LockOwned implements driver.LockDriver.
func (d *Driver) LockOwned(ctx context.Context, tx *sql.Tx, owner mcptasks.Owner, id string, now time.Time) (*driver.Locked, error) {
	return scanLocked(tx.QueryRowContext(ctx, lockOwnedSQL, id, string(owner), now.UnixMicro()))
}

// Lock implements driver.LockDriver.
func (d *Driver) Lock(ctx context.Context, tx *sql.Tx, id string, _ bool) (*driver.Locked, error) {
	return scanLocked(tx.QueryRowContext(ctx, lockSQL, id))
}

func scanLocked(row scanner) (*driver.Locked, error) {
	var (
		l          driver.Locked
		args, meta []byte
		runTimeout int64
		deadlineAt sql.NullInt64
	)
	err := scanTask(row, &l.Task, &l.Queue, &l.Priority, &args, &meta, &l.TraceContext, &l.JobID, &l.Running, &l.Recoveries,
		&l.MaxAttempts, &runTimeout, &deadlineAt)
	if err != nil {
		return nil, interpretError(err)
	}
	l.Arguments, l.RequestMeta, l.DeadlineAt = args, meta, microsOrZero(deadlineAt)
	l.RunTimeout = time.Duration(runTimeout) * time.Millisecond
	return &l, nil
}

// Questions implements driver.LockDriver.
func (d *Driver) Questions(ctx context.Context, tx *sql.Tx, id string) (map[string]mcptasks.Question, error) {
	return questions(ctx, tx, questionsSQL, id)
}

const answerSQL = `
UPDATE mcp_task_input SET response = ?3, answered_at = ?4
WHERE task_id = ?1 AND key = ?2 AND answered_at IS NULL`

const answeredSQL = `UPDATE mcp_task SET recoveries = 0, updated_at = ?2 WHERE id = ?1`

// Answer implements driver.LockDriver.
func (d *Driver) Answer(ctx context.Context, tx *sql.Tx, id, key string, response json.RawMessage, now time.Time) error {
	changed, err := exec(ctx, tx, answerSQL, id, key, text(response), now.UnixMicro())
	if err == nil && changed {
		_, err = exec(ctx, tx, answeredSQL, id, now.UnixMicro())
	}
	return err
}

const expireQuestionsSQL = `
UPDATE mcp_task_input SET answered_at = ?2
WHERE task_id = ?1 AND answered_at IS NULL AND deadline_at < ?2`

// ExpireQuestions implements driver.LockDriver.
func (d *Driver) ExpireQuestions(ctx context.Context, tx *sql.Tx, id string, now time.Time) (int, error) {
	result, err := tx.ExecContext(ctx, expireQuestionsSQL, id, now.UnixMicro())
	if err != nil {
		return 0, interpretError(err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}

const requeueSQL = `
UPDATE mcp_task
SET status = 'working', job_id = ?2, run_token = NULL, recoveries = ?3, updated_at = ?4,
    trace_context = coalesce(nullif(?5, ''), trace_context)
WHERE id = ?1 AND status IN ('working', 'input_required')`

// Requeue implements driver.LockDriver.
func (d *Driver) Requeue(
	ctx context.Context, tx *sql.Tx, id string, jobID int64, recoveries int, traceContext string, event driver.Event, now time.Time,
) error {
	changed, err := exec(ctx, tx, requeueSQL, id, jobID, recoveries, now.UnixMicro(), traceContext)
	if err != nil || !changed {
		return err
	}
	return addEvent(ctx, tx, id, event, now)
}

const endSQL = `
UPDATE mcp_task
SET status = ?2, status_message = ?3, outcome = ?4, is_error = ?5,
    job_id = NULL, run_token = NULL, updated_at = ?6, finished_at = ?6,
    expires_at = max(created_at + ttl * 1000, ?6 + ?7 * 1000)
WHERE id = ?1 AND status IN ('working', 'input_required')`

// End implements driver.LockDriver.
func (d *Driver) End(ctx context.Context, tx *sql.Tx, end driver.Finish, now time.Time, retention time.Duration) error {
	changed, err := exec(ctx, tx, endSQL, end.TaskID,
		string(end.Status), end.Message, text(end.Outcome), end.IsError, now.UnixMicro(), retention.Milliseconds())
	if err != nil || !changed {
		return err
	}
	return addEvent(ctx, tx, end.TaskID, end.Event, now)
}

const deleteSQL = `DELETE FROM mcp_task WHERE id = ?1`

// Delete implements driver.LockDriver.
func (d *Driver) Delete(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := exec(ctx, tx, deleteSQL, id)
	return err
}

const jobStateSQL = `
SELECT j.state, coalesce(` + jobNode + `, '')
FROM river_job j
WHERE j.id = ?1 AND j.kind = 'mcptask' AND coalesce(json_extract(j.args, '$.task_id'), '') = ?2`

// JobState implements driver.LockDriver.
func (d *Driver) JobState(ctx context.Context, tx *sql.Tx, jobID int64, taskID string) (state, node string, err error) {
	err = tx.QueryRowContext(ctx, jobStateSQL, jobID, taskID).Scan(&state, &node)
	return state, node, interpretError(err)
}

const discardJobSQL = `
UPDATE river_job AS j SET state = 'discarded', finalized_at = ?3
WHERE id = ?1 AND state = 'running' AND kind = 'mcptask' AND coalesce(` + jobNode + `, '') = ?2
  AND NOT ` + isTasksSQL

// riverTime is how River writes times on SQLite, where they are stored and compared as
// text.
const riverTime = "2006-01-02 15:04:05.000"

// DiscardJob implements driver.LockDriver.
func (d *Driver) DiscardJob(ctx context.Context, tx *sql.Tx, job driver.Job, now time.Time) error {
	_, err := exec(ctx, tx, discardJobSQL, job.ID, job.Node, now.UTC().Round(time.Millisecond).Format(riverTime))
	return err
}

const countEventsSQL = `SELECT count(*) FROM mcp_task_event WHERE task_id = ?1 AND kind = ?2`

// CountEvents implements driver.LockDriver.
func (d *Driver) CountEvents(ctx context.Context, tx *sql.Tx, id, kind string) (int, error) {
	var n int
	err := tx.QueryRowContext(ctx, countEventsSQL, id, kind).Scan(&n)
	return n, interpretError(err)
}
