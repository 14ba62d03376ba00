package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

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
