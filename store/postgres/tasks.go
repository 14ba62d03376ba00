package postgres

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// One statement inserts a task and its job, in one round trip. River's InsertManyTx would
// make four round trips, each as expensive as this insert. The job has the values and
// defaults of River's own insert.
const insertSQL = `
WITH t AS (
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[],
        $11::integer[], $12::bigint[], $13::timestamptz[], $14::text[], $15::timestamptz[], $16::timestamptz[], $17::text[])
        AS t (id, owner, tool, queue, priority, args, request_meta, status, ttl, poll_interval,
              max_attempts, run_timeout, deadline_at, retry_of, created_at, updated_at, trace_context)
), job AS (
    INSERT INTO {s}.river_job (args, kind, max_attempts, priority, queue, state)
    SELECT jsonb_build_object('task_id', id), 'mcptask', $18, priority, queue, 'available' FROM t
    RETURNING id, args ->> 'task_id' AS task_id
)
INSERT INTO {s}.mcp_task (
    id, owner, tool, queue, priority, args, request_meta, status, ttl, poll_interval,
    max_attempts, run_timeout, deadline_at, retry_of, created_at, updated_at, trace_context, job_id)
SELECT t.*, job.id FROM t JOIN job ON job.task_id = t.id`

// Insert implements driver.CallDriver.
func (d *Driver) Insert(ctx context.Context, tasks []*driver.Row) error {
	return repeat(ctx, func() error { return d.insert(ctx, d.pool, tasks) })
}

// InsertTx implements driver.CallDriver.
func (d *Driver) InsertTx(ctx context.Context, tx pgx.Tx, tasks []*driver.Row) error {
	return interpretError(d.insert(ctx, tx, tasks))
}

func (d *Driver) insert(ctx context.Context, db execer, tasks []*driver.Row) error {
	_, err := db.Exec(ctx, d.sql(insertSQL),
		column(tasks, func(t *driver.Row) string { return t.ID }),
		column(tasks, func(t *driver.Row) string { return string(t.Owner) }),
		column(tasks, func(t *driver.Row) string { return t.Tool }),
		column(tasks, func(t *driver.Row) string { return t.Queue }),
		column(tasks, func(t *driver.Row) int { return t.Priority }),
		column(tasks, func(t *driver.Row) *string { return text(t.Arguments) }),
		column(tasks, func(t *driver.Row) *string { return text(t.RequestMeta) }),
		column(tasks, func(t *driver.Row) string { return string(t.Status) }),
		column(tasks, func(t *driver.Row) int64 { return t.TTL.Milliseconds() }),
		column(tasks, func(t *driver.Row) int64 { return t.PollInterval.Milliseconds() }),
		column(tasks, func(t *driver.Row) int { return t.MaxAttempts }),
		column(tasks, func(t *driver.Row) int64 { return t.RunTimeout.Milliseconds() }),
		column(tasks, func(t *driver.Row) *time.Time { return timestamp(t.DeadlineAt) }),
		column(tasks, func(t *driver.Row) *string { return nonEmpty(t.RetryOf) }),
		column(tasks, func(t *driver.Row) time.Time { return t.CreatedAt }),
		column(tasks, func(t *driver.Row) time.Time { return t.UpdatedAt }),
		column(tasks, func(t *driver.Row) *string { return nonEmpty(t.TraceContext) }),
		riverdb.JobAttempts)
	return err
}

// execer is a pool or a transaction.
type execer interface {
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
}

const freeKeySQL = `
UPDATE {s}.mcp_task SET idempotency_key = NULL
WHERE owner = $1 AND tool = $2 AND idempotency_key = $3 AND expires_at <= $4`

const insertKeyedSQL = `
INSERT INTO {s}.mcp_task (
    id, owner, tool, queue, priority, args, request_meta, status, ttl, poll_interval, max_attempts, run_timeout,
    deadline_at, idempotency_key, args_hash, created_at, updated_at, trace_context)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (owner, tool, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING`

const keyedSQL = `
SELECT id, args_hash FROM {s}.mcp_task
WHERE owner = $1 AND tool = $2 AND idempotency_key = $3`

// InsertKeyed implements driver.CallDriver. Of two that insert at once the second
// waits for the first one's transaction, and then finds its task.
func (d *Driver) InsertKeyed(ctx context.Context, tx pgx.Tx, t *driver.Row, now time.Time) (id string, argsHash []byte, err error) {
	if _, err := tx.Exec(ctx, d.sql(freeKeySQL), string(t.Owner), t.Tool, t.IdempotencyKey, now); err != nil {
		return "", nil, interpretError(err)
	}
	_, err = tx.Exec(ctx, d.sql(insertKeyedSQL),
		t.ID, string(t.Owner), t.Tool, t.Queue, t.Priority, text(t.Arguments), text(t.RequestMeta), string(t.Status),
		t.TTL.Milliseconds(), t.PollInterval.Milliseconds(), t.MaxAttempts, t.RunTimeout.Milliseconds(),
		timestamp(t.DeadlineAt), t.IdempotencyKey, t.ArgsHash, t.CreatedAt, t.UpdatedAt, nonEmpty(t.TraceContext))
	if err != nil {
		return "", nil, interpretError(err)
	}
	err = tx.QueryRow(ctx, d.sql(keyedSQL), string(t.Owner), t.Tool, t.IdempotencyKey).Scan(&id, &argsHash)
	return id, argsHash, interpretError(err)
}

const insertAnswersSQL = `
INSERT INTO {s}.mcp_task_input (task_id, key, method, params, response, asked_at, deadline_at, answered_at)
SELECT $1, a.key, '', '', a.response, $2, $2, $2 FROM unnest($3::text[], $4::text[]) AS a (key, response)`

// InsertAnswers implements driver.CallDriver.
func (d *Driver) InsertAnswers(ctx context.Context, tx pgx.Tx, id string, responses map[string]json.RawMessage, now time.Time) error {
	keys := slices.Sorted(maps.Keys(responses))
	_, err := tx.Exec(ctx, d.sql(insertAnswersSQL), id, now, keys,
		column(keys, func(key string) string { return string(responses[key]) }))
	return interpretError(err)
}

const countsSQL = `
SELECT (SELECT count(*) FROM {s}.mcp_task WHERE status IN ('working', 'input_required') AND owner = $1),
       (SELECT count(*) FROM {s}.mcp_task WHERE status = 'working' AND queue = $2 AND run_token IS NULL)`

// Counts implements driver.CallDriver.
func (d *Driver) Counts(ctx context.Context, tx pgx.Tx, owner mcptasks.Owner, queue string) (live, backlog int, err error) {
	err = tx.QueryRow(ctx, d.sql(countsSQL), string(owner), queue).Scan(&live, &backlog)
	return live, backlog, interpretError(err)
}

const listSQL = `
SELECT id, owner, tool, status, status_message, ttl, poll_interval, created_at, updated_at, expires_at, is_error
FROM {s}.mcp_task
WHERE (expires_at IS NULL OR expires_at > $1)
  AND ($2 = '' OR status = $2) AND ($3 = '' OR tool = $3)`

// An owner's tasks are a range of the index mcp_task_owner, whose collation the statement
// names. With owner = $7 the planner could read the tasks of all owners by the primary key,
// for an owner that is not in its statistics yet.
const (
	listOwnedSQL = listSQL + ` AND (owner, id COLLATE "POSIX") < ($7, $4) AND (owner, id COLLATE "POSIX") >= ($7, $5)
		ORDER BY owner DESC, id COLLATE "POSIX" DESC LIMIT $6`
	listAllSQL = listSQL + ` AND id < $4 AND id >= $5 ORDER BY id DESC LIMIT $6`
)

// List implements driver.CallDriver.
func (d *Driver) List(ctx context.Context, f driver.Filter, now time.Time) ([]*mcptasks.Task, error) {
	query, args := listAllSQL, []any{now, string(f.Status), f.Tool, f.Before, f.From, f.Limit}
	if !f.AnyOwner {
		query, args = listOwnedSQL, append(args, string(f.Owner))
	}
	rows, err := d.pool.Query(ctx, d.sql(query), args...)
	if err != nil {
		return nil, interpretError(err)
	}
	tasks, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*mcptasks.Task, error) {
		var r taskRow
		if err := row.Scan(append(r.fields(), &r.isError)...); err != nil {
			return nil, err
		}
		if r.isError {
			r.task.Outcome = &mcptasks.Outcome{IsError: true}
		}
		return r.decode(), nil
	})
	return tasks, interpretError(err)
}

// text returns JSON as a column takes it, NULL for nil.
func text(data json.RawMessage) *string {
	if data == nil {
		return nil
	}
	s := string(data)
	return &s
}

// nonEmpty returns text as a column takes it, NULL for "".
func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// timestamp returns a time as a column takes it, NULL for the zero time.
func timestamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
