package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// RunTwoNodes runs what needs two nodes on one database.
func RunTwoNodes(t *testing.T, open func(t *testing.T) Database) {
	t.Run("an answer is seen by the next read", func(t *testing.T) { answerSeen(t, open(t)) })
}

// answerSeen answers a thousand questions through one node: each is gone from the
// very next tasks/get on the other.
func answerSeen(t *testing.T, db Database) {
	const tasks, questions = 10, 100
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ask"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		requests := make(mcp.InputRequestMap)
		for i := range questions {
			requests[fmt.Sprint("q", i)] = &mcp.ElicitParams{Message: "Well?", RequestedSchema: map[string]any{"type": "object"}}
		}
		_, err := run.Ask(ctx, requests)
		return nil, nil, err
	}, nil)
	one, other := serve(t, db, tools, true, nil, nil), serve(t, db, tools, false, &runner.Config{}, nil)
	for range tasks {
		id := one.call(t, "ask", nil).TaskID
		if got := one.parked(t, id); len(got.InputRequests) != questions {
			t.Fatalf("%d questions", len(got.InputRequests))
		}
		for i := range questions {
			key := fmt.Sprint("q", i)
			if got := one.answer(t, id, map[string]any{key: map[string]any{"action": "decline"}}); got.Error != nil {
				t.Fatal(got.Error)
			}
			if _, there := other.get(t, id).InputRequests[key]; there {
				t.Fatalf("question %s was answered and is still shown by the other node", key)
			}
		}
		if got := other.ended(t, id); got.Status != mcptasks.StatusCompleted {
			t.Errorf("ended %s", got.Status)
		}
	}
}
