//go:build unix

package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/proof/bench/load"
	"github.com/mcptasks/mcptasks/runner"
)

const arrivalsPerSecond = 20

// latency measures the time from a create until its caller sees the task completed, on a
// node with the defaults and little load. It returns each round's median and 99th
// percentile, in milliseconds.
func latency(ctx context.Context, h *harness, url string) (_ *samples, err error) {
	node, err := h.open(ctx, url, noop(nil), runner.Config{})
	if err != nil {
		return nil, err
	}
	defer closing(&err, node.Close)
	if err := node.Start(ctx); err != nil {
		return nil, err
	}
	if _, err := arrive(ctx, node, portion(h.arrivals, warmUp)); err != nil {
		return nil, err
	}
	both := make([][]float64, 2)
	for round := range h.rounds {
		result, err := arrive(ctx, node, h.arrivals)
		if err != nil {
			return nil, err
		}
		p50, p99 := result.Milliseconds(0.5), result.Milliseconds(0.99)
		both[0], both[1] = append(both[0], p50), append(both[1], p99)
		h.logf("round %d: p50 %.2f ms, p99 %.2f ms", round+1, p50, p99)
	}
	return &samples{values: both}, nil
}

func arrive(ctx context.Context, node *runner.Node, n int) (*load.Result, error) {
	return load.Arrivals(ctx, n, arrivalsPerSecond, func(ctx context.Context) error {
		created, err := node.Create(ctx, "", call())
		if err != nil {
			return err
		}
		return awaitCompleted(ctx, node, created.ID)
	})
}

// awaitCompleted returns when the task is seen to be completed.
func awaitCompleted(ctx context.Context, node *runner.Node, id string) error {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	for task, err := range node.Watch(ctx, "", id) {
		if err != nil {
			return err
		}
		if task.Status == mcptasks.StatusCompleted && !task.Outcome.IsError {
			return nil
		}
		if task.Status.Terminal() {
			return fmt.Errorf("the task %s ended as %s: %+v", id, task.Status, task.Outcome)
		}
	}
	return fmt.Errorf("the task %s was not seen to end", id)
}

func latencyPostgres(ctx context.Context, h *harness) (_ *samples, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	return latency(ctx, h, db.url)
}

func latencySQLite(ctx context.Context, h *harness) ([]float64, error) {
	both, err := latency(ctx, h, "sqlite:"+filepath.Join(h.dir, "latency.db"))
	if err != nil {
		return nil, err
	}
	return both.values[0], nil
}
