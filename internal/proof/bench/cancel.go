//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/proof/bench/figures"
	"github.com/mcptasks/mcptasks/runner"
)

// workUntilCancelled is the role of a node whose handlers return when their contexts end.
func workUntilCancelled(ctx context.Context, o *options) error {
	return runWorker(ctx, o.url, runner.Config{}, func(ctx context.Context, run *mcptasks.Run, _ input) (*mcp.CallToolResult, any, error) {
		fmt.Println("began", run.TaskID())
		<-ctx.Done()
		ended := time.Now()
		if !errors.Is(context.Cause(ctx), mcptasks.ErrCancelled) {
			return nil, nil, ctx.Err() // the parent reports that the line did not come
		}
		fmt.Println("ended", run.TaskID(), ended.UnixNano())
		return nil, nil, ctx.Err()
	})
}

// runWorker is a child that works one tool until it is killed.
func runWorker(ctx context.Context, url string, config runner.Config, handler mcptasks.Handler[input, any]) error {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "noop"}, handler, nil)
	config.Logger = quiet
	node, err := runner.Open(ctx, url, tools, &config)
	if err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return err
	}
	fmt.Println("working")
	<-ctx.Done()
	return node.Close()
}

// cancels measures the time from a cancel in this process to the end of the handler's
// context in another, by the clock of the machine. It returns each round's 99th
// percentile, in milliseconds.
func cancels(ctx context.Context, h *harness) (_ []float64, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	node, err := h.open(ctx, db.url, noop(nil), runner.Config{})
	if err != nil {
		return nil, err
	}
	defer closing(&err, node.Close)
	worker, err := startChild("cancel", db.url)
	if err != nil {
		return nil, err
	}
	defer closing(&err, worker.kill)
	if _, err := worker.next(ctx, "working"); err != nil {
		return nil, err
	}
	if _, err := cancelSome(ctx, node, worker, portion(h.cancels, warmUp)); err != nil {
		return nil, err
	}
	var rounds []float64
	for round := range h.rounds {
		took, err := cancelSome(ctx, node, worker, h.cancels)
		if err != nil {
			return nil, err
		}
		p99 := figures.Quantile(took, 0.99)
		rounds = append(rounds, p99)
		h.logf("round %d: p50 %.2f ms, p99 %.2f ms", round+1, figures.Median(took), p99)
	}
	return rounds, nil
}

// cancelSome cancels n runs one after the other. It returns how many milliseconds each
// took.
func cancelSome(ctx context.Context, node *runner.Node, worker *child, n int) ([]float64, error) {
	var took []float64
	for range n {
		task, err := node.Create(ctx, "", call())
		if err != nil {
			return nil, err
		}
		if _, err := worker.next(ctx, "began"); err != nil {
			return nil, err
		}
		begin := time.Now()
		if _, err := node.Cancel(ctx, "", task.ID); err != nil {
			return nil, err
		}
		words, err := worker.next(ctx, "ended")
		if err != nil {
			return nil, err
		}
		nanos, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil || words[0] != task.ID {
			return nil, fmt.Errorf("the process said %q of the task %s: %w", words, task.ID, err)
		}
		took = append(took, float64(time.Unix(0, nanos).Sub(begin))/float64(time.Millisecond))
	}
	return took, nil
}
