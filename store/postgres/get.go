package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// getSQL is the statement that runs most often, so it has as little as possible. Each
// column and condition costs one or two percent of it, and a subquery ten percent even if
// it is not run. So a task that waits for answers is read twice.
const getSQL = `
SELECT owner, tool, status, status_message, ttl, poll_interval, created_at, updated_at, expires_at, outcome, is_error
FROM {s}.mcp_task WHERE id = $1`

// Get implements driver.CallDriver.
func (d *Driver) Get(ctx context.Context, owner mcptasks.Owner, id string, now time.Time) (*mcptasks.Task, error) {
	var r taskRow
	r.task.ID = id
	err := d.pool.QueryRow(ctx, d.sql(getSQL), id).Scan(append(r.fields()[1:], &r.outcome, &r.isError)...)
	if err != nil {
		return nil, interpretError(err)
	}
	task := r.decode()
	if task.Owner != owner || r.expiresAt.Valid && !task.ExpiresAt.After(now) {
		return nil, mcptasks.ErrNotFound
	}
	if task.Status == mcptasks.StatusInputRequired {
		return d.getAsked(ctx, owner, id, now)
	}
	return task, r.decodeOutcome()
}

// getAsked is Get of a task that may have open questions. It reads both as of one moment.
func (d *Driver) getAsked(ctx context.Context, owner mcptasks.Owner, id string, now time.Time) (*mcptasks.Task, error) {
	tasks, err := d.GetMany(ctx, []driver.Name{{Owner: owner, ID: id}}, now)
	if err != nil {
		return nil, err
	}
	if len(tasks) == 0 {
		return nil, mcptasks.ErrNotFound
	}
	return tasks[0], nil
}

// getManySQL takes its ids from a subquery, as the statements of fence.go do.
const getManySQL = `
SELECT t.id, t.owner, tool, status, status_message, ttl, poll_interval, created_at, updated_at, expires_at, outcome, is_error,
       CASE WHEN status = 'input_required' THEN (
           SELECT array_agg(ARRAY[key, method, params]) FROM {s}.mcp_task_input i
           WHERE i.task_id = t.id AND i.answered_at IS NULL
       ) END
FROM unnest((SELECT $1::text[]), $2::text[]) AS n (id, owner) CROSS JOIN LATERAL (
    SELECT * FROM {s}.mcp_task t WHERE t.id = n.id OFFSET 0
) t
WHERE t.owner = n.owner AND (expires_at IS NULL OR expires_at > $3)`

// GetMany implements driver.CallDriver.
func (d *Driver) GetMany(ctx context.Context, names []driver.Name, now time.Time) ([]*mcptasks.Task, error) {
	rows, err := d.pool.Query(ctx, d.sql(getManySQL),
		column(names, func(n driver.Name) string { return n.ID }),
		column(names, func(n driver.Name) string { return string(n.Owner) }), now)
	if err != nil {
		return nil, interpretError(err)
	}
	tasks, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*mcptasks.Task, error) {
		var r taskRow
		var open [][]string
		if err := row.Scan(append(r.fields(), &r.outcome, &r.isError, &open)...); err != nil {
			return nil, err
		}
		task := r.decode()
		if task.Status == mcptasks.StatusInputRequired {
			task.Questions = make(map[string]mcptasks.Question, len(open))
			for _, q := range open {
				task.Questions[q[0]] = mcptasks.Question{Method: q[1], Params: json.RawMessage(q[2])}
			}
		}
		return task, r.decodeOutcome()
	})
	return tasks, interpretError(err)
}

// taskRow has the columns of a task that every reader needs, and its outcome, in types that
// pgx reads directly.
type taskRow struct {
	task                            mcptasks.Task
	owner, status                   string
	ttl, pollInterval               int64
	createdAt, updatedAt, expiresAt pgtype.Timestamptz

	outcome pgtype.Text
	isError bool
}

// fields returns the destinations of all columns but the outcome.
func (r *taskRow) fields() []any {
	t := &r.task
	return []any{
		&t.ID, &r.owner, &t.Tool, &r.status, &t.StatusMessage, &r.ttl, &r.pollInterval,
		&r.createdAt, &r.updatedAt, &r.expiresAt,
	}
}

func (r *taskRow) decode() *mcptasks.Task {
	t := &r.task
	t.Owner, t.Status = mcptasks.Owner(r.owner), mcptasks.Status(r.status)
	t.TTL = time.Duration(r.ttl) * time.Millisecond
	t.PollInterval = time.Duration(r.pollInterval) * time.Millisecond
	t.CreatedAt, t.UpdatedAt = r.createdAt.Time.UTC(), r.updatedAt.Time.UTC()
	if t.Status.Terminal() { // its last change was its end
		t.FinishedAt, t.ExpiresAt = t.UpdatedAt, r.expiresAt.Time.UTC()
	}
	return t
}

// decodeOutcome gives the task its outcome, if it has one.
func (r *taskRow) decodeOutcome() (err error) {
	if r.outcome.Valid {
		r.task.Outcome, err = driver.DecodeOutcome(r.task.Status, []byte(r.outcome.String), r.isError)
	}
	return err
}
