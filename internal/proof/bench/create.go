//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/proof/bench/load"
	"github.com/mcptasks/mcptasks/runner"
)

// arguments are those of every call, and the payload of every baseline's row.
const arguments = `{"topic":"the tides of the North Sea","steps":5,"notify":"someone@example.org"}`

func call() mcptasks.CreateParams {
	return mcptasks.CreateParams{Tool: "noop", Arguments: json.RawMessage(arguments)}
}

// A creation is the two sides that creates are compared of, on a database of their
// own: a node that serves and does not work, and a table that takes an id, the
// arguments and a time, in one row and a transaction of its own.
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

// tasks creates tasks and sees that all are there, with their jobs.
func (c *creation) tasks(ctx context.Context, callers int, lasting time.Duration) (*load.Result, error) {
	result, err := load.Closed(ctx, callers, lasting, func(ctx context.Context, _ int) error {
		_, err := c.node.Create(ctx, "", call())
		return err
	})
	if err == nil {
		err = c.db.expect(ctx, len(result.Took), `SELECT count(*) FROM `+tasksTable+` t JOIN `+jobsTable+` j ON j.id = t.job_id WHERE j.state = 'available'`)
	}
	return result, errors.Join(err, c.db.clear(ctx, tasksTable, jobsTable))
}

// rows inserts the baseline's.
func (c *creation) rows(ctx context.Context, callers int, lasting time.Duration) (*load.Result, error) {
	result, err := load.Closed(ctx, callers, lasting, func(ctx context.Context, _ int) error {
		_, err := c.db.pool.Exec(ctx, `INSERT INTO baseline (id, args, created_at) VALUES ($1, $2, $3)`, uuid.NewString(), arguments, time.Now())
		return err
	})
	if err == nil {
		err = c.db.expect(ctx, len(result.Took), `SELECT count(*) FROM baseline`)
	}
	return result, errors.Join(err, c.db.clear(ctx, "baseline"))
}

// creates compares how many are created a second.
func creates(callers int) func(context.Context, *harness) ([]float64, error) {
	return func(ctx context.Context, h *harness) ([]float64, error) {
		return h.creations(ctx, callers, (*load.Result).Rate)
	}
}

// createLatency compares how long one caller's takes, in the middle.
func createLatency(ctx context.Context, h *harness) ([]float64, error) {
	return h.creations(ctx, 1, func(r *load.Result) float64 { return r.Milliseconds(0.5) })
}

func (h *harness) creations(ctx context.Context, callers int, value func(*load.Result) float64) (_ []float64, err error) {
	c, err := h.creation(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, c.close)
	side := func(do func(context.Context, int, time.Duration) (*load.Result, error)) side {
		return func(ctx context.Context, share float64) (float64, error) {
			result, err := do(ctx, callers, h.lasting(share))
			if err != nil {
				return 0, err
			}
			return value(result), nil
		}
	}
	return h.ratios(ctx, h.rounds, side(c.tasks), side(c.rows))
}
