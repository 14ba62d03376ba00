package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// someQueues has a node that serves the tools of two queues and works those of one.
func someQueues(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	for _, name := range []string{"worked", "left"} {
		mcptasks.AddTool(tools, &mcp.Tool{Name: name}, func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
			return done(name), nil, nil
		}, &mcptasks.ToolOptions{Queue: name})
	}
	misspelt := serve(t, db, tools, false, &runner.Config{Queues: []string{"worked", "wroked"}}, nil)
	if err := misspelt.Start(t.Context()); err == nil || !strings.Contains(err.Error(), `"wroked"`) || !strings.Contains(err.Error(), "left, worked") {
		t.Errorf("a queue of no tool: %v", err)
	}

	p := serve(t, db, tools, true, &runner.Config{Queues: []string{"worked"}}, nil)
	left := p.call(t, "left", nil).TaskID
	for range 3 { // whose jobs come after that of the other
		if got := p.ended(t, p.call(t, "worked", nil).TaskID); got.Status != mcptasks.StatusCompleted {
			t.Errorf("a task of the node's queue is %s", got.Status)
		}
	}
	nodes, err := p.Operator().Nodes(t.Context())
	if err != nil || len(nodes) != 1 || !slices.Equal(nodes[0].Queues, []string{"worked"}) || !slices.Equal(nodes[0].Tools, []string{"worked"}) {
		t.Errorf("the node works %+v, %v", nodes, err)
	}
	if shown, err := p.Operator().Show(t.Context(), left); err != nil || shown.Status != mcptasks.StatusWorking || shown.RunSeq != 0 {
		t.Errorf("a task of another queue: %+v, %v", shown, err)
	}
}
