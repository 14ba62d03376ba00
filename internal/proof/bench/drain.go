//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/bench/load"
	"github.com/mcptasks/mcptasks/runner"
)

// Both sides have the same number of workers. It is so large that it does not limit
// them: River fetches once a millisecond, at most as many jobs as there are free workers.
const (
	drainWorkers  = 2000
	fetchCooldown = time.Millisecond
	fetchPoll     = 200 * time.Millisecond
)

func working(config runner.Config) runner.Config {
	config.MaxWorkers = drainWorkers
	config.FetchCooldown = fetchCooldown
	config.FetchPollInterval = fetchPoll
	return config
}

// drain compares how many waiting tasks a node claims, runs and finishes a second with
// how many empty jobs River works a second. The time is from the start of the worker until
// all outcomes are committed and all jobs settled.
func drain(ctx context.Context, h *harness) (_ *samples, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	baseline, err := newEmptyJobs(ctx, db)
	if err != nil {
		return nil, err
	}
	if err := h.migrate(ctx, db.url); err != nil {
		return nil, err
	}
	return h.ratios(ctx, (*work).rate,
		func(ctx context.Context, share float64) (*work, error) {
			return h.drainTasks(ctx, db, portion(h.drained, share))
		},
		func(ctx context.Context, share float64) (*work, error) {
			return baseline.drain(ctx, portion(h.drained, share))
		},
	)
}

// migrate applies the migrations.
func (h *harness) migrate(ctx context.Context, url string) error {
	node, err := h.open(ctx, url, noop(nil), runner.Config{})
	if err != nil {
		return err
	}
	return node.Close()
}

const (
	tasksEnded  = `SELECT NOT EXISTS (SELECT FROM ` + tasksTable + ` WHERE status IN ('working', 'input_required'))`
	jobsSettled = `NOT EXISTS (SELECT FROM ` + jobsTable + ` WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled'))`
)

// drainTasks creates n tasks, and measures a node that works them.
func (h *harness) drainTasks(ctx context.Context, db *database, n int) (_ *work, err error) {
	ran := newCountdown(n)
	node, err := h.open(ctx, db.wide, noop(ran.one), working(runner.Config{}))
	if err != nil {
		return nil, err
	}
	defer closing(&err, node.Close)
	if err := fill(ctx, node, n); err != nil {
		return nil, err
	}
	db.checkpoint(ctx)
	done, err := drainNode(ctx, db, node, ran)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		db.expect(ctx, n, `SELECT count(*) FROM `+tasksTable+` WHERE status = 'completed' AND NOT is_error AND run_seq = 1`),
		db.expect(ctx, n, `SELECT count(*) FROM `+jobsTable+` WHERE state = 'completed'`),
		db.clear(ctx, tasksTable, jobsTable),
	)
	return done, err
}

// drainNode starts the node and measures it until nothing is left to do.
func drainNode(ctx context.Context, db *database, node *runner.Node, ran *countdown) (*work, error) {
	m, err := startMeter(db.pids())
	if err != nil {
		return nil, err
	}
	if err := node.Start(ctx); err != nil {
		return nil, err
	}
	if err := ran.wait(ctx); err != nil {
		return nil, err
	}
	if err := db.until(ctx, tasksEnded+` AND `+jobsSettled); err != nil {
		return nil, err
	}
	return m.stop(ran.n)
}

// fill creates n tasks.
func fill(ctx context.Context, node *runner.Node, n int) error {
	const callers = 64
	_, err := load.Each(ctx, callers, n, func(ctx context.Context, _ int) error {
		_, err := node.Create(ctx, "", call())
		return err
	})
	return err
}

// countdown waits until something has happened n times. Only then is the database asked
// whether all is done, since asking slows what is measured.
type countdown struct {
	n    int
	left atomic.Int64
	done chan struct{}
}

func newCountdown(n int) *countdown {
	c := &countdown{n: n, done: make(chan struct{})}
	c.left.Store(int64(n))
	return c
}

func (c *countdown) one() {
	if c.left.Add(-1) == 0 {
		close(c.done)
	}
}

func (c *countdown) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(waitLimit):
		return fmt.Errorf("%d did not run within %s", c.left.Load(), waitLimit)
	}
}
