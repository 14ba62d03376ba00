package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// The statements of runs change only tasks whose fence holds: job_id and run_token are the
// run's. Those that take many tasks skip tasks that another transaction has locked, and
// lock in the order of ids. They never wait for a lock.
//
// A session keeps its plans, also one that was made while the table was empty or believed
// to be. Such a plan must not read the whole table. So each statement finds a task by its
// id in a subquery that runs once for each task, and changes it by its ctid. A task that
// has been moved since the statement began is treated as locked. The statements do not
// compare the status, which would let the planner use mcp_task_live. They need not: by a
// constraint of the table a task has a job only while it is working.
//
// The plan must be kept for a batch of one call, too. A planner that sees how few ids there
// are finds the kept plan, which expects many, more expensive than planning each time.
// Planning takes longer than the statement. So the ids come from a subquery, where the
// planner cannot see them.

const heldSQL = `
SELECT r.run_token FROM unnest((SELECT $1::text[]), $2::bigint[], $3::text[]) AS r (id, job_id, run_token) CROSS JOIN LATERAL (
    SELECT FROM {s}.mcp_task t WHERE t.id = r.id AND t.job_id = r.job_id AND t.run_token = r.run_token OFFSET 0
) t`

// Held implements driver.RunDriver.
func (d *Driver) Held(ctx context.Context, runs []driver.Fence) ([]string, error) {
	ids, jobs, tokens := fences(runs, func(f driver.Fence) driver.Fence { return f })
	return d.strings(ctx, heldSQL, ids, jobs, tokens)
}

// freeSQL selects the tasks that the runs r hold and that no other transaction has locked.
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
