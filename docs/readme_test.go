package docs_test

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
	"github.com/mcptasks/mcptasks/tasktest"
)

// This file holds what README.md shows.

func serve(ctx context.Context, url string, use func(http.Handler)) error {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, report, nil)

	node, err := runner.Open(ctx, url, tools, &runner.Config{Migrate: true}) // postgres://… or sqlite:path
	if err != nil {
		return err
	}
	defer node.Close() // drains, then closes

	server := mcp.NewServer(&mcp.Implementation{Name: "reports", Version: "v1"}, nil)
	mcpserver.Mount(server, tools, node, nil)
	if err := node.Start(ctx); err != nil { // work in this process too
		return err
	}
	handler := mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil)
	use(handler)
	return nil
}

type (
	Input struct {
		Topic string `json:"topic"`
	}
	Data   []string
	Output struct {
		Summary string `json:"summary"`
	}
)

func fetch(_ context.Context, topic string) (Data, error) { return Data{topic}, nil }
func summarize(data Data) Output                          { return Output{data[0]} }

func report(ctx context.Context, run *mcptasks.Run, in Input) (*mcp.CallToolResult, Output, error) {
	data, err := mcptasks.Step(ctx, run, "fetch", func(ctx context.Context) (Data, error) {
		return fetch(ctx, in.Topic) // not run again once its result is recorded
	})
	if err != nil {
		return nil, Output{}, err
	}
	run.Progress(1, 2, "fetched")
	return nil, summarize(data), nil
}

func asks(ctx context.Context, run *mcptasks.Run, in Input) (*mcp.CallToolResult, Output, error) {
	schema := map[string]any{"type": "object", "properties": map[string]any{"sure": map[string]any{"type": "boolean"}}}
	answer, err := run.Elicit(ctx, "confirm", &mcp.ElicitParams{Message: "Delete it?", RequestedSchema: schema})
	if err != nil {
		return nil, Output{}, err // ErrParked at first: this run is over
	}
	return nil, Output{in.Topic + answer.Action}, nil
}

func TestReadme(t *testing.T) {
	err := serve(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "tasks.db"), func(handler http.Handler) {
		if handler == nil {
			t.Error("no handler")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, report, nil)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "asks"}, asks, nil)
	worker := tasktest.New(t, tools)
	task := worker.Task("report", map[string]any{"topic": "tides"})
	if task.Run(); task.Status() != mcptasks.StatusCompleted {
		t.Errorf("the report is %s", task.Status())
	}
	task = worker.Task("asks", map[string]any{"topic": "tides"})
	if task.Run(); task.Status() != mcptasks.StatusInputRequired {
		t.Errorf("what asks is %s", task.Status())
	}
}
