//go:build unix

package main

import (
	"context"
	"fmt"
	"runtime"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// park is the role of a process with one node, which creates tasks and works them until
// each waits for an answer. It reports by how much its heap has grown since the node
// started.
func park(ctx context.Context, o *options) error {
	handler := func(ctx context.Context, run *mcptasks.Run, _ input) (*mcp.CallToolResult, any, error) {
		_, err := run.Elicit(ctx, "go on", &mcp.ElicitParams{Message: "Shall I go on?", RequestedSchema: map[string]any{"type": "object"}})
		return nil, nil, err
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "noop"}, handler, nil)
	node, err := runner.Open(ctx, o.url, tools, &runner.Config{Logger: quiet})
	if err != nil {
		return err
	}
	defer node.Close()
	if err := node.Start(ctx); err != nil {
		return err
	}
	before, goroutines := heap(), runtime.NumGoroutine()
	if err := parkAll(ctx, node, o.parked); err != nil {
		return err
	}
	fmt.Println("parked", heap()-before, runtime.NumGoroutine()-goroutines)
	return nil
}

func parkAll(ctx context.Context, node *runner.Node, n int) error {
	ids, err := createAll(ctx, node, n)
	if err != nil {
		return err
	}
	for _, id := range ids {
		for task, err := range node.Watch(ctx, "", id) {
			if err != nil {
				return err
			}
			if task.Status == mcptasks.StatusInputRequired {
				break
			}
		}
	}
	return nil
}

// heap returns the bytes in use after two collections. The first one leaves what is in a
// sync.Pool.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapInuse) //nolint:gosec // not so large
}

// parkedHeap measures the heap that parked tasks hold, each round in a new process.
func parkedHeap(ctx context.Context, h *harness) (_ []float64, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	if err := h.migrate(ctx, db.url); err != nil {
		return nil, err
	}
	var rounds []float64
	for round := range h.rounds {
		bytes, goroutines, err := h.parkOnce(ctx, db)
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, float64(bytes)/1e6)
		h.logf("round %d: %.1f MB, %d goroutines more", round+1, float64(bytes)/1e6, goroutines)
	}
	return rounds, nil
}

func (h *harness) parkOnce(ctx context.Context, db *database) (bytes, goroutines int, err error) {
	process, err := startChild("park", db.url, "-parked", strconv.Itoa(h.parked))
	if err != nil {
		return 0, 0, err
	}
	defer closing(&err, process.kill)
	words, err := process.next(ctx, "parked")
	if err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Sscan(words[0]+" "+words[1], &bytes, &goroutines); err != nil {
		return 0, 0, err
	}
	if err := db.expect(ctx, h.parked, `SELECT count(*) FROM `+tasksTable+` WHERE status = 'input_required'`); err != nil {
		return 0, 0, err
	}
	return bytes, goroutines, db.clear(ctx, tasksTable, jobsTable)
}
