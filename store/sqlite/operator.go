package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const ownerOfSQL = `SELECT owner FROM mcp_task WHERE id = ?1`

// OwnerOf implements driver.OperatorDriver.
func (d *Driver) OwnerOf(ctx context.Context, id string) (owner mcptasks.Owner, err error) {
	err = d.reader.QueryRowContext(ctx, ownerOfSQL, id).Scan(&owner)
	return owner, interpretError(err)
}

const showSQL = `
SELECT ` + taskColumns + `,
       outcome, is_error, args, queue, attempts, max_attempts, recoveries, run_seq, coalesce(run_node, ''), run_at,
       deadline_at, coalesce(job_id, 0), coalesce(retry_of, ''), coalesce((
           SELECT state FROM river_job j
           WHERE j.id = job_id AND j.kind = 'mcptask' AND json_extract(j.args, '$.task_id') = mcp_task.id
       ), '')
FROM mcp_task
WHERE id = ?1`

const shownQuestionsSQL = `
SELECT key, method, params, response, asked_at, deadline_at, answered_at
FROM mcp_task_input WHERE task_id = ?1 ORDER BY asked_at, key`

const shownStepsSQL = `
SELECT key, node, run_seq, began_at, ended_at, length(CAST(result AS blob))
FROM mcp_task_step WHERE task_id = ?1 ORDER BY run_seq, ended_at, key`

const eventsSQL = `SELECT kind, node, detail, at, run_seq FROM mcp_task_event WHERE task_id = ?1 ORDER BY id`

// Show implements driver.OperatorDriver.
func (d *Driver) Show(ctx context.Context, id string) (*driver.Shown, error) {
	tx, err := d.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, interpretError(err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	shown, err := scanShown(tx.QueryRowContext(ctx, showSQL, id))
	if err != nil {
		return nil, interpretError(err)
	}
	if shown.Questions, err = collect(ctx, tx, shownQuestionsSQL, []any{id}, scanShownQuestion); err != nil {
		return nil, err
	}
	if shown.Steps, err = collect(ctx, tx, shownStepsSQL, []any{id}, scanShownStep); err != nil {
		return nil, err
	}
	shown.Timeline, err = collect(ctx, tx, eventsSQL, []any{id}, scanEvent)
	return shown, err
}

func scanShown(row scanner) (*driver.Shown, error) {
	var (
		s                 = driver.Shown{Task: &mcptasks.Task{}}
		outcome, args     []byte
		isError           bool
		runAt, deadlineAt sql.NullInt64
	)
	err := scanTask(row, s.Task, &outcome, &isError, &args, &s.Queue, &s.Attempts, &s.MaxAttempts, &s.Recoveries,
		&s.RunSeq, &s.RunNode, &runAt, &deadlineAt, &s.JobID, &s.RetryOf, &s.JobState)
	if err != nil {
		return nil, err
	}
	s.Arguments, s.RunAt, s.DeadlineAt = args, microsOrZero(runAt), microsOrZero(deadlineAt)
	if outcome != nil {
		s.Outcome, err = driver.DecodeOutcome(s.Status, outcome, isError)
	}
	return &s, err
}

func scanShownQuestion(row scanner) (q driver.ShownQuestion, err error) {
	var (
		params, response    []byte
		askedAt, deadlineAt int64
		answeredAt          sql.NullInt64
	)
	err = row.Scan(&q.Key, &q.Method, &params, &response, &askedAt, &deadlineAt, &answeredAt)
	if len(params) > 0 {
		q.Params = params
	}
	q.AskedAt, q.DeadlineAt = micros(askedAt), micros(deadlineAt)
	q.Response, q.AnsweredAt = response, microsOrZero(answeredAt)
	return q, err
}

func scanShownStep(row scanner) (s driver.ShownStep, err error) {
	var beganAt, endedAt int64
	err = row.Scan(&s.Key, &s.Node, &s.RunSeq, &beganAt, &endedAt, &s.Bytes)
	s.BeganAt, s.EndedAt = micros(beganAt), micros(endedAt)
	return s, err
}

func scanEvent(row scanner) (e driver.TimedEvent, err error) {
	var at int64
	err = row.Scan(&e.Kind, &e.Node, &e.Detail, &at, &e.RunSeq)
	e.At = micros(at)
	return e, err
}

const nodesSQL = `
WITH running AS (
    SELECT ` + jobNode + ` AS node, count(*) AS jobs FROM river_job j
    WHERE j.state = 'running' AND +j.kind = 'mcptask' GROUP BY 1
)
SELECT n.id, n.host, n.tools, n.queues, n.beat_at, ` + dbNow + ` - n.beat_at, coalesce((SELECT jobs FROM running WHERE node = n.id), 0)
FROM mcp_node n
ORDER BY n.id`

// Nodes implements driver.OperatorDriver.
func (d *Driver) Nodes(ctx context.Context) ([]driver.NodeSeen, error) {
	return collect(ctx, d.reader, nodesSQL, nil, func(row scanner) (n driver.NodeSeen, err error) {
		var (
			tools, queues  []byte
			beatAt, silent int64
		)
		if err := row.Scan(&n.ID, &n.Host, &tools, &queues, &beatAt, &silent, &n.Running); err != nil {
			return n, err
		}
		n.HeartbeatAt, n.Silent = micros(beatAt), time.Duration(max(silent, 0))*time.Microsecond
		if err := json.Unmarshal(tools, &n.Tools); err != nil {
			return n, err
		}
		return n, json.Unmarshal(queues, &n.Queues)
	})
}

const serverSQL = `SELECT ` + dbNow

// Server implements driver.OperatorDriver. There is no server, and nobody's
// SQLite has no connections to count.
func (d *Driver) Server(ctx context.Context) (time.Time, driver.Connections, error) {
	var clock int64
	err := d.reader.QueryRowContext(ctx, serverSQL).Scan(&clock)
	return micros(clock), driver.Connections{}, interpretError(err)
}

const liveSQL = `SELECT status, count(*) FROM mcp_task WHERE status IN ('working', 'input_required') GROUP BY status`

// Live implements driver.OperatorDriver.
func (d *Driver) Live(ctx context.Context) (map[mcptasks.Status]int, error) {
	live := make(map[mcptasks.Status]int)
	err := each(ctx, d.reader, liveSQL, nil, func(row scanner) error {
		var (
			status mcptasks.Status
			n      int
		)
		err := row.Scan(&status, &n)
		live[status] = n
		return err
	})
	return live, err
}

// A node that lacks a job's tool snoozes the job again and again. So the job's time means
// nothing before the task was first claimed. River's times are text.
const waitingSQL = `
SELECT queue, tool, count(*), ` + dbNow + ` - min(since)
FROM (
    SELECT t.queue, t.tool, t.run_token IS NULL AND t.attempts = 0 AS unclaimed, j.scheduled_at,
           CAST(round(unixepoch(iif(t.run_token IS NULL AND t.attempts = 0, j.created_at, j.scheduled_at), 'subsec') * 1000) * 1000 AS integer) AS since
    FROM river_job j CROSS JOIN mcp_task t ON t.id = json_extract(j.args, '$.task_id') AND t.job_id = j.id AND t.status = 'working'
    WHERE j.state IN ('available', 'retryable', 'scheduled') AND +j.kind = 'mcptask'
)
WHERE unclaimed OR scheduled_at <= datetime('now', 'subsec')
GROUP BY queue, tool
ORDER BY queue, tool`

// Waiting implements driver.OperatorDriver.
func (d *Driver) Waiting(ctx context.Context) ([]driver.Waiting, error) {
	return collect(ctx, d.reader, waitingSQL, nil, func(row scanner) (w driver.Waiting, err error) {
		var oldest int64
		err = row.Scan(&w.Queue, &w.Tool, &w.Jobs, &oldest)
		w.Oldest = time.Duration(max(oldest, 0)) * time.Microsecond
		return w, err
	})
}

const tasklessSQL = `
SELECT j.id, coalesce(json_extract(j.args, '$.task_id'), ''), coalesce(` + jobNode + `, '')
FROM river_job j
WHERE j.state IN ('available', 'pending', 'retryable', 'running', 'scheduled') AND +j.kind = 'mcptask'
  AND unixepoch(max(j.created_at, coalesce(j.attempted_at, '')), 'subsec') < unixepoch('subsec') - ?1 / 1000.0
  AND NOT ` + isTasksSQL + `
  AND NOT EXISTS (SELECT 1 FROM mcp_task t WHERE t.id = json_extract(j.args, '$.task_id') AND t.updated_at >= ?2)
ORDER BY j.id LIMIT ?3`

// Taskless implements driver.OperatorDriver.
func (d *Driver) Taskless(ctx context.Context, age time.Duration, before time.Time, limit int) ([]driver.Job, error) {
	return d.jobs(ctx, tasklessSQL, age.Milliseconds(), before.UnixMicro(), limit)
}

// collect returns what scan makes of each row of a query.
func collect[T any](ctx context.Context, db querier, query string, args []any, scan func(row scanner) (T, error)) ([]T, error) {
	var all []T
	err := each(ctx, db, query, args, func(row scanner) error {
		one, err := scan(row)
		all = append(all, one)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
