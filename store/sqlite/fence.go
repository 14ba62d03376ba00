package sqlite

import (
	"context"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// The statements of runs change only a task whose fence holds: job_id and run_token are the
// run's, and the status is working. Whatever else a method writes is in the same
// transaction, and only if the fence held.

const heldSQL = `SELECT EXISTS (SELECT 1 FROM mcp_task WHERE id = ?1 AND job_id = ?2 AND run_token = ?3 AND status = 'working')`

// Held implements driver.RunDriver.
func (d *Driver) Held(ctx context.Context, runs []driver.Fence) ([]string, error) {
	var tokens []string
	for _, run := range runs {
		held, err := holds(ctx, d.reader, run)
		if err != nil {
			return nil, err
		}
		if held {
			tokens = append(tokens, run.RunToken)
		}
	}
	return tokens, nil
}

// holds reports whether the fence holds. In a transaction that writes it holds until the
// end: there is no other writer.
func holds(ctx context.Context, db querier, fence driver.Fence) (held bool, err error) {
	err = db.QueryRowContext(ctx, heldSQL, fence.TaskID, fence.JobID, fence.RunToken).Scan(&held)
	return held, interpretError(err)
}

// held writes the items in one transaction and returns the ids of the tasks that it
// changed.
func held[T any](ctx context.Context, d *Driver, items []T, write func(querier, T) (id string, changed bool, err error)) ([]string, error) {
	if len(items) == 0 {
		return nil, nil
	}
	var ids []string
	err := d.inBatch(ctx, func(tx batchTx) error {
		ids = nil
		for _, item := range items {
			id, changed, err := write(tx, item)
			if err != nil {
				return err
			}
			if changed {
				ids = append(ids, id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}
