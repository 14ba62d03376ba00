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
)

// This file holds what deploy.md shows.

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

func report(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
	return nil, nil, nil
}

func TestServe(t *testing.T) {
	err := serve(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "tasks.db"), func(handler http.Handler) {
		if handler == nil {
			t.Error("no handler")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
