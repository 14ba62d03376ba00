package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const ownerOfSQL = `SELECT owner FROM {s}.mcp_task WHERE id = $1`

// OwnerOf implements driver.OperatorDriver.
func (d *Driver) OwnerOf(ctx context.Context, id string) (owner mcptasks.Owner, err error) {
	err = d.pool.QueryRow(ctx, d.sql(ownerOfSQL), id).Scan(&owner)
	return owner, interpretError(err)
}

const showSQL = `
SELECT t.id, t.owner, t.tool, t.status, t.status_message, t.ttl, t.poll_interval, t.created_at, t.updated_at, t.expires_at,
       t.outcome, t.is_error, t.args, t.queue, t.attempts, t.max_attempts, t.recoveries, t.run_seq, coalesce(t.run_node, ''), t.run_at,
       t.deadline_at, coalesce(t.job_id, 0), coalesce(j.state::text, ''), coalesce(t.retry_of, '')
FROM {s}.mcp_task t
LEFT JOIN {s}.river_job j ON j.id = t.job_id AND j.kind = 'mcptask' AND j.args ->> 'task_id' = t.id
WHERE t.id = $1`

const shownQuestionsSQL = `
SELECT key, method, params, response, asked_at, deadline_at, answered_at
FROM {s}.mcp_task_input WHERE task_id = $1 ORDER BY asked_at, key`

const shownStepsSQL = `
SELECT key, node, run_seq, began_at, ended_at, octet_length(result)
FROM {s}.mcp_task_step WHERE task_id = $1 ORDER BY run_seq, ended_at, key`

const eventsSQL = `SELECT kind, node, detail, at, run_seq FROM {s}.mcp_task_event WHERE task_id = $1 ORDER BY id`

// Show implements driver.OperatorDriver.
func (d *Driver) Show(ctx context.Context, id string) (shown *driver.Shown, err error) {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, d.pool, snapshot, func(tx pgx.Tx) (err error) {
		if shown, err = scanShown(tx.QueryRow(ctx, d.sql(showSQL), id)); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		queue(batch, d.sql(shownQuestionsSQL), id, &shown.Questions, scanShownQuestion)
		queue(batch, d.sql(shownStepsSQL), id, &shown.Steps, scanShownStep)
		queue(batch, d.sql(eventsSQL), id, &shown.Timeline, scanEvent)
		return tx.SendBatch(ctx, batch).Close()
	})
	return shown, interpretError(err)
}

// queue adds a query about the task, whose rows are passed to into.
func queue[T any](batch *pgx.Batch, query, id string, into *[]T, scan pgx.RowToFunc[T]) {
	batch.Queue(query, id).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, scan)
		return err
	})
}

func scanShown(row pgx.Row) (*driver.Shown, error) {
	var (
		s                 driver.Shown
		task              taskRow
		args              *string
		runAt, deadlineAt *time.Time
	)
	err := row.Scan(append(task.fields(), &task.outcome, &task.isError, &args, &s.Queue, &s.Attempts, &s.MaxAttempts, &s.Recoveries,
		&s.RunSeq, &s.RunNode, &runAt, &deadlineAt, &s.JobID, &s.JobState, &s.RetryOf)...)
	if err != nil {
		return nil, err
	}
	s.Task, s.Arguments, s.RunAt, s.DeadlineAt = task.decode(), raw(args), utc(runAt), utc(deadlineAt)
	return &s, task.decodeOutcome()
}

func scanShownQuestion(row pgx.CollectableRow) (q driver.ShownQuestion, err error) {
	var (
		params     string
		response   *string
		answeredAt *time.Time
	)
	err = row.Scan(&q.Key, &q.Method, &params, &response, &q.AskedAt, &q.DeadlineAt, &answeredAt)
	if params != "" {
		q.Params = json.RawMessage(params)
	}
	q.AskedAt, q.DeadlineAt = q.AskedAt.UTC(), q.DeadlineAt.UTC()
	q.Response, q.AnsweredAt = raw(response), utc(answeredAt)
	return q, err
}

func scanShownStep(row pgx.CollectableRow) (s driver.ShownStep, err error) {
	err = row.Scan(&s.Key, &s.Node, &s.RunSeq, &s.BeganAt, &s.EndedAt, &s.Bytes)
	s.BeganAt, s.EndedAt = s.BeganAt.UTC(), s.EndedAt.UTC()
	return s, err
}

func scanEvent(row pgx.CollectableRow) (e driver.TimedEvent, err error) {
	err = row.Scan(&e.Kind, &e.Node, &e.Detail, &e.At, &e.RunSeq)
	e.At = e.At.UTC()
	return e, err
}

const nodesSQL = `
SELECT n.id, n.host, n.tools, n.queues, n.beat_at, (extract(epoch FROM now() - n.beat_at) * 1000000)::bigint, coalesce(j.running, 0)
FROM {s}.mcp_node n LEFT JOIN (
    SELECT attempted_by[array_upper(attempted_by, 1)] AS node, count(*) AS running FROM {s}.river_job
    WHERE state = 'running' AND kind = 'mcptask' GROUP BY 1
) j ON j.node = n.id
ORDER BY n.id`

// Nodes implements driver.OperatorDriver.
func (d *Driver) Nodes(ctx context.Context) ([]driver.NodeSeen, error) {
	return collect(ctx, d, nodesSQL, func(row pgx.CollectableRow) (n driver.NodeSeen, err error) {
		var silent int64
		err = row.Scan(&n.ID, &n.Host, &n.Tools, &n.Queues, &n.HeartbeatAt, &silent, &n.Running)
		n.HeartbeatAt, n.Silent = n.HeartbeatAt.UTC(), time.Duration(max(silent, 0))*time.Microsecond
		return n, err
	})
}

// A user without the right to see other users' connections sees them without a type.
// Processes of the server itself have no user or no database. reserved_connections exists
// since Postgres 16.
const serverSQL = `
SELECT clock_timestamp(),
       (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' OR (backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL)),
       current_setting('max_connections')::integer,
       current_setting('superuser_reserved_connections')::integer
           + coalesce(current_setting('reserved_connections', true)::integer, 0)`

// Server implements driver.OperatorDriver.
func (d *Driver) Server(ctx context.Context) (clock time.Time, c driver.Connections, err error) {
	err = d.pool.QueryRow(ctx, serverSQL).Scan(&clock, &c.Used, &c.Max, &c.Reserved)
	return clock.UTC(), c, interpretError(err)
}

const liveSQL = `SELECT status, count(*) FROM {s}.mcp_task WHERE status IN ('working', 'input_required') GROUP BY status`

// Live implements driver.OperatorDriver.
func (d *Driver) Live(ctx context.Context) (map[mcptasks.Status]int, error) {
	rows, err := d.pool.Query(ctx, d.sql(liveSQL))
	if err != nil {
		return nil, interpretError(err)
	}
	var (
		live   = make(map[mcptasks.Status]int)
		status mcptasks.Status
		n      int
	)
	_, err = pgx.ForEachRow(rows, []any{&status, &n}, func() error {
		live[status] = n
		return nil
	})
	return live, interpretError(err)
}

// A node that lacks a job's tool snoozes the job again and again. So the job's time means
// nothing before the task was first claimed.
const waitingSQL = `
SELECT queue, tool, count(*), (extract(epoch FROM now() - min(CASE WHEN unclaimed THEN created_at ELSE scheduled_at END)) * 1000000)::bigint
FROM (
    SELECT t.queue, t.tool, j.created_at, j.scheduled_at, t.run_token IS NULL AND t.attempts = 0 AS unclaimed
    FROM {s}.river_job j JOIN {s}.mcp_task t ON t.id = j.args ->> 'task_id' AND t.job_id = j.id AND t.status = 'working'
    WHERE j.state IN ('available', 'retryable', 'scheduled') AND j.kind = 'mcptask'
) AS job
WHERE unclaimed OR scheduled_at <= now()
GROUP BY queue, tool
ORDER BY queue, tool`

// Waiting implements driver.OperatorDriver.
func (d *Driver) Waiting(ctx context.Context) ([]driver.Waiting, error) {
	return collect(ctx, d, waitingSQL, func(row pgx.CollectableRow) (w driver.Waiting, err error) {
		var oldest int64
		err = row.Scan(&w.Queue, &w.Tool, &w.Jobs, &oldest)
		w.Oldest = time.Duration(max(oldest, 0)) * time.Microsecond
		return w, err
	})
}

// The unfinished jobs are found first: otherwise Postgres would read all jobs in the order
// of ids.
const tasklessSQL = `
WITH j AS MATERIALIZED (
    SELECT id, args, attempted_by FROM {s}.river_job
    WHERE state IN ` + unfinished + ` AND kind = 'mcptask'
      AND greatest(created_at, attempted_at) < now() - $1 * interval '1 millisecond'
)
SELECT j.id, coalesce(j.args ->> 'task_id', ''), coalesce(j.attempted_by[array_upper(j.attempted_by, 1)], '') FROM j
WHERE NOT ` + isTasksSQL + `
  AND NOT EXISTS (SELECT FROM {s}.mcp_task t WHERE t.id = j.args ->> 'task_id' AND t.updated_at >= $2)
ORDER BY j.id LIMIT $3`

// Taskless implements driver.OperatorDriver.
func (d *Driver) Taskless(ctx context.Context, age time.Duration, before time.Time, limit int) ([]driver.Job, error) {
	return d.jobs(ctx, tasklessSQL, age.Milliseconds(), before, limit)
}

func collect[T any](ctx context.Context, d *Driver, query string, scan pgx.RowToFunc[T]) ([]T, error) {
	rows, err := d.pool.Query(ctx, d.sql(query))
	if err != nil {
		return nil, interpretError(err)
	}
	all, err := pgx.CollectRows(rows, scan)
	return all, interpretError(err)
}

// raw returns stored JSON, nil for NULL.
func raw(data *string) json.RawMessage {
	if data == nil {
		return nil
	}
	return json.RawMessage(*data)
}

// utc returns a stored time, the zero time for NULL.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
