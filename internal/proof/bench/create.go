//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// arguments are the arguments of each call, and the payload of each row of a baseline.
const arguments = `{"topic":"the tides of the North Sea","steps":5,"notify":"someone@example.org"}`

func call() mcptasks.CreateParams {
	return mcptasks.CreateParams{Tool: "noop", Arguments: json.RawMessage(arguments)}
}

// A creation has the two sides of the figures on creates: a node that does not work, and
// a table. Each row of the table has an id, the arguments and a time, and is inserted in
// a transaction of its own.
type creation struct {
	db   *database
	node *runner.Node
}

func (h *harness) creation(ctx context.Context) (_ *creation, err error) {
	c := &creation{}
	if c.db, err = h.database(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.node, err = h.open(ctx, c.db.wide, noop(nil), runner.Config{}); err != nil {
		return nil, err
	}
	_, err = c.db.pool.Exec(ctx, `CREATE TABLE baseline (id text COLLATE "C" PRIMARY KEY, args text, created_at timestamptz NOT NULL)`)
	return c, err
}

func (c *creation) close() (err error) {
	if c.node != nil {
		err = c.node.Close()
	}
	return errors.Join(err, c.db.drop())
}

// tasks creates tasks and checks that all are there, with their jobs.
func (c *creation) tasks(ctx context.Context, callers int, lasting time.Duration) (*work, error) {
	done, err := closedLoop(ctx, c.db.pids(), callers, lasting, func(ctx context.Context, _ int) error {
		_, err := c.node.Create(ctx, "", call())
		return err
	})
	if err == nil {
		err = c.db.expect(ctx, done.operations, `SELECT count(*) FROM `+tasksTable+` t JOIN `+jobsTable+` j ON j.id = t.job_id WHERE j.state = 'available'`)
	}
	return done, errors.Join(err, c.db.clear(ctx, tasksTable, jobsTable))
}

// rows inserts the baseline's rows.
func (c *creation) rows(ctx context.Context, callers int, lasting time.Duration) (*work, error) {
	done, err := closedLoop(ctx, c.db.pids(), callers, lasting, func(ctx context.Context, _ int) error {
		_, err := c.db.pool.Exec(ctx, `INSERT INTO baseline (id, args, created_at) VALUES ($1, $2, $3)`, uuid.NewString(), arguments, time.Now())
		return err
	})
	if err == nil {
		err = c.db.expect(ctx, done.operations, `SELECT count(*) FROM baseline`)
	}
	return done, errors.Join(err, c.db.clear(ctx, "baseline"))
}

// creates compares creates a second with inserts a second.
func creates(callers int) func(context.Context, *harness) (*samples, error) {
	return func(ctx context.Context, h *harness) (*samples, error) {
		return h.creations(ctx, callers, (*work).rate)
	}
}

// createLatency compares the median times that one caller's creates and inserts take.
func createLatency(ctx context.Context, h *harness) (*samples, error) {
	return h.creations(ctx, 1, (*work).median)
}

func (h *harness) creations(ctx context.Context, callers int, value func(*work) float64) (_ *samples, err error) {
	c, err := h.creation(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, c.close)
	one := func(do func(context.Context, int, time.Duration) (*work, error)) side {
		return func(ctx context.Context, share float64) (*work, error) { return do(ctx, callers, h.lasting(share)) }
	}
	return h.ratios(ctx, value, one(c.tasks), one(c.rows))
}
