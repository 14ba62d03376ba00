//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

const (
	recoveryHeartbeat = time.Second
	recoveryLease     = 3 * recoveryHeartbeat
)

func recovering() runner.Config {
	return runner.Config{HeartbeatInterval: recoveryHeartbeat, MaxWorkers: 1000} // room for all tasks at once
}

// hold is the role of the node that is killed: its runs never end.
func hold(ctx context.Context, o *options) error {
	return runWorker(ctx, o.url, recovering(), func(ctx context.Context, run *mcptasks.Run, _ input) (*mcp.CallToolResult, any, error) {
		fmt.Println("began", run.TaskID())
		<-ctx.Done()
		return nil, nil, ctx.Err()
	})
}

// rescue is the role of the other node: its runs return at once.
func rescue(ctx context.Context, o *options) error {
	return runWorker(ctx, o.url, recovering(), func(context.Context, *mcptasks.Run, input) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: answer}}}, nil, nil
	})
}

// recovery measures the seconds from the SIGKILL of a node with many runs until the last
// of their tasks has ended on another node.
func recovery(ctx context.Context, h *harness) (_ []float64, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	node, err := h.open(ctx, db.url, noop(nil), runner.Config{HeartbeatInterval: recoveryHeartbeat})
	if err != nil {
		return nil, err
	}
	defer closing(&err, node.Close)
	var rounds []float64
	for round := range h.rounds {
		took, err := h.recoverOnce(ctx, db, node)
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, took.Seconds())
		h.logf("round %d: %.2f s", round+1, took.Seconds())
	}
	return rounds, nil
}

func (h *harness) recoverOnce(ctx context.Context, db *database, node *runner.Node) (took time.Duration, err error) {
	holder, err := startChild("hold", db.url)
	if err != nil {
		return 0, err
	}
	defer closing(&err, holder.kill)
	if _, err := holder.next(ctx, "working"); err != nil {
		return 0, err
	}
	ids, err := createAll(ctx, node, h.recovered)
	if err != nil {
		return 0, err
	}
	for range ids {
		if _, err := holder.next(ctx, "began"); err != nil {
			return 0, err
		}
	}
	rescuer, err := startChild("rescue", db.url)
	if err != nil {
		return 0, err
	}
	defer closing(&err, rescuer.kill)
	if _, err := rescuer.next(ctx, "working"); err != nil {
		return 0, err
	}
	if err := pause(ctx, recoveryLease+recoveryHeartbeat); err != nil { // a node reaps only after a lease of steady heartbeats
		return 0, err
	}
	ended := watchAll(ctx, node, ids)
	begin := time.Now()
	if err := holder.kill(); err != nil {
		return 0, err
	}
	if err := ended(); err != nil {
		return 0, err
	}
	took = time.Since(begin)
	return took, errors.Join(
		db.expect(ctx, len(ids), `SELECT count(*) FROM `+tasksTable+` WHERE status = 'completed' AND NOT is_error AND run_seq = 2`),
		rescuer.kill(),
		db.clear(ctx, tasksTable, jobsTable, "mcptasks.mcp_node"),
	)
}

// watchAll starts to watch the tasks. The function that it returns waits until all are
// completed.
func watchAll(ctx context.Context, node *runner.Node, ids []string) func() error {
	var watchers sync.WaitGroup
	errs := make([]error, len(ids))
	for i, id := range ids {
		watchers.Go(func() { errs[i] = awaitCompleted(ctx, node, id) })
	}
	return func() error {
		watchers.Wait()
		return errors.Join(errs...)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
