//go:build unix

package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/postgres"
)

const loopCallers = 512

// endToEnd compares how many tasks a second are created and completed. The callers are a
// closed loop: each creates its next task when its last one has completed. The baseline
// uses a transaction for each create, claim and finish.
func endToEnd(ctx context.Context, h *harness) (_ *samples, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	ours, stop, err := h.loop(ctx, db)
	if err != nil {
		return nil, err
	}
	defer closing(&err, stop)
	naive, err := newNaive(ctx, db)
	if err != nil {
		return nil, err
	}
	return h.ratios(ctx, (*work).rate, ours, func(ctx context.Context, share float64) (*work, error) {
		return naive.loop(ctx, h.lasting(share))
	})
}

// loop returns our side: a node with its own pool that creates and works. It works only
// while it is measured.
func (h *harness) loop(ctx context.Context, db *database) (_ side, stop func() error, err error) {
	pool, err := pgxpool.New(ctx, db.wide)
	if err != nil {
		return nil, nil, err
	}
	driver, err := postgres.New(pool, "")
	if err == nil {
		err = migrations.Up(ctx, driver)
	}
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	stop = func() error {
		err := driver.Close()
		pool.Close()
		return err
	}
	return func(ctx context.Context, share float64) (*work, error) {
		completed := newCompletions()
		node, err := runner.New[pgx.Tx](ctx, announcing{driver, completed}, noop(nil), new(working(runner.Config{Logger: quiet})))
		if err != nil {
			return nil, err
		}
		if err := node.Start(ctx); err != nil {
			return nil, errors.Join(err, node.Close())
		}
		done, err := closedLoop(ctx, db.pids(), loopCallers, h.lasting(share), func(ctx context.Context, _ int) error {
			task, err := node.Create(ctx, "", call())
			if err != nil {
				return err
			}
			return completed.wait(ctx, task.ID)
		})
		if err = errors.Join(err, node.Close()); err != nil {
			return nil, err
		}
		return done, errors.Join(
			db.expect(ctx, done.operations, `SELECT count(*) FROM `+tasksTable+` WHERE status = 'completed' AND NOT is_error AND run_seq = 1`),
			db.expect(ctx, 0, `SELECT count(*) FROM `+tasksTable+` WHERE status <> 'completed'`),
			db.clear(ctx, tasksTable, jobsTable),
		)
	}, stop, nil
}

var _ driver.Driver[pgx.Tx] = announcing{}
