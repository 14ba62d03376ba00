package runner

import (
	"context"
	"errors"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

type cancels struct {
	taskstore.Operator
	err error
}

func (c cancels) Cancel(context.Context, string) error { return c.err }

// An operator's cancel ends the task's run in this process at once. Without that the run
// would end a few seconds later, so no test of a whole cancel would notice.
func TestOperatorsCancelEndsTheRun(t *testing.T) {
	for _, err := range []error{nil, mcptasks.ErrTerminal} {
		interrupted := ""
		operator := &Operator{tasks: cancels{err: err}, interrupt: func(id string) { interrupted = id }}
		if got := operator.Cancel(t.Context(), "task"); !errors.Is(got, err) || (interrupted == "task") != (err == nil) {
			t.Errorf("Cancel returned %v and interrupted %q; the store returned %v", got, interrupted, err)
		}
	}

	running, ended := make(chan struct{}), make(chan error)
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "wait"}, func(ctx context.Context, _ *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
		close(running)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, nil, ctx.Err()
	}, nil)
	node, err := Open(t.Context(), "sqlite::memory:", tools, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	task, err := node.Create(t.Context(), "", mcptasks.CreateParams{Tool: "wait"})
	if err != nil {
		t.Fatal(err)
	}
	<-running
	node.Operator().interrupt(task.ID)
	if err := <-ended; !errors.Is(err, mcptasks.ErrCancelled) {
		t.Errorf("the run ended with %v", err)
	}
}
